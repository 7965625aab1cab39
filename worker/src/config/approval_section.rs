//! `[environment.NAME]` of a service's file: what a release to it needs before it begins.

use std::collections::BTreeSet;

use drawgate_rollout::Approval;

use super::error::Problems;
use super::limits as at;
use super::pattern::EnvironmentPattern;
use super::people::People;
use super::reader::{Field, Located, Table};
use super::suggest;

const EXAMPLE: &str = "approval = { from = [\"ops\"], count = 1 }";

/// What one environment, or pattern of environments, asks for.
#[derive(Debug, Clone)]
pub(super) struct ApprovalSection {
    pub(super) environments: EnvironmentPattern,
    pub(super) from: Vec<Located<String>>,
    pub(super) count: Located<u32>,
    within_ms: u64,
}

impl ApprovalSection {
    /// With the people who are in its groups.
    pub(super) fn fill(&self, people: &People) -> Approval {
        Approval {
            from: self.from.iter().map(|group| group.value.clone()).collect(),
            people: self.people(people),
            count: self.count.value,
            within_ms: self.within_ms,
        }
    }

    /// Everybody who may give it.
    pub(super) fn people(&self, people: &People) -> BTreeSet<String> {
        people.of(self.from.iter().map(|group| group.value.as_str()))
    }
}

/// Reads `[environment]`, whose keys are among the service's environments.
pub(super) fn read(
    root: &mut Table<'_, '_>,
    known: &[Located<EnvironmentPattern>],
    problems: &mut Problems<'_>,
) -> Vec<ApprovalSection> {
    let Some(table) = root.section("environment", problems) else {
        return Vec::new();
    };
    let mut sections = Vec::new();
    for (name, field) in table.entries().take(at::ENVIRONMENTS) {
        let names: Vec<String> = known.iter().map(|known| known.value.to_string()).collect();
        let environment = known.iter().find(|known| known.value.to_string() == name);
        if environment.is_none() {
            let shown: String = name.chars().take(60).collect();
            let hint = match suggest::nearest(name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean [environment.{near}]?"),
                None => format!("`environments` has {}", names.join(", ")),
            };
            problems
                .error(
                    field.key.clone(),
                    format!("the service has no environment {shown:?}"),
                )
                .hint(hint);
        }
        let approval = read_environment(&field, problems);
        if let (Some(environment), Some((from, count, within_ms))) = (environment, approval) {
            sections.push(ApprovalSection {
                environments: environment.value.clone(),
                from,
                count,
                within_ms,
            });
        }
    }
    // A name goes before a pattern that matches it.
    sections.sort_by_key(|section| matches!(section.environments, EnvironmentPattern::Pattern { .. }));
    sections
}

type Read = (Vec<Located<String>>, Located<u32>, u64);

fn read_environment(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Read> {
    let mut table = field.table(problems)?;
    for key in ["requires", "windows"] {
        table.refuse(
            key,
            "remove it; order and windows are the CI's until then",
            problems,
        );
    }
    let approval = table.require("approval", EXAMPLE, problems);
    table.finish(|_| None, problems);
    let mut approval = approval?.table(problems)?;
    let from = approval.require("from", "from = [\"ops\"], groups of worker.toml", problems);
    let from = from.and_then(|field| groups(&field, problems));
    let count = approval.take("count");
    let place = count.as_ref().map_or(approval.span(), |field| field.span.clone());
    let count = count
        .and_then(|field| field.number(at::APPROVALS, problems))
        .unwrap_or(1);
    let within = approval.take("within");
    let within = within.and_then(|field| field.duration(at::APPROVED_WITHIN, problems));
    approval.finish(|_| None, problems);
    let count = Located {
        value: u32::try_from(count).unwrap_or(u32::MAX),
        span: place,
    };
    Some((from?, count, within.unwrap_or(at::APPROVED_WITHIN_DEFAULT_MS)))
}

fn groups(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Vec<Located<String>>> {
    let items = field.list(at::LIST, "from = [\"ops\"]", problems)?;
    if items.is_empty() {
        field.invalid_hint(
            "is empty: nobody could approve",
            "write from = [\"ops\"]",
            problems,
        );
        return None;
    }
    let mut groups = Vec::new();
    for item in items {
        groups.push(Located {
            value: item.plain_text(problems)?.to_owned(),
            span: item.span.clone(),
        });
    }
    Some(groups)
}
