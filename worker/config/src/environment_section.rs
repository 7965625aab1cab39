//! `[environment.NAME]` of a service's file: what a release to that environment needs before it begins.

use std::collections::BTreeSet;

use drawgate_rollout::{Approval, Gates, Opening, Windows};
use drawgate_schemas::Environment;
use jiff::tz::TimeZone;

use super::error::Problems;
use super::limits as at;
use super::pattern::EnvironmentPattern;
use super::people::People;
use super::reader::{Field, Located, Table};
use super::suggest;

/// The conditions of one environment, or of a pattern of environments.
#[derive(Debug, Clone)]
pub(super) struct EnvironmentSection {
    pub(super) environments: EnvironmentPattern,
    pub(super) approval: Option<ApprovalSection>,
    pub(super) requires: Option<Located<Environment>>,
    windows: Option<Windows>,
}

impl EnvironmentSection {
    /// The gates of a release, besides an approval.
    pub(super) fn gates(&self) -> Gates {
        Gates {
            requires: self.requires.as_ref().map(|required| required.value.clone()),
            windows: self.windows.clone(),
        }
    }
}

/// The approval that an environment asks for.
#[derive(Debug, Clone)]
pub(super) struct ApprovalSection {
    pub(super) from: Vec<Located<String>>,
    pub(super) count: Located<u32>,
    within_ms: u64,
}

impl ApprovalSection {
    /// The approval, with the people of its groups.
    pub(super) fn fill(&self, people: &People) -> Approval {
        Approval {
            from: self.from.iter().map(|group| group.value.clone()).collect(),
            people: self.people(people),
            count: self.count.value,
            within_ms: self.within_ms,
        }
    }

    /// Everybody who may give the approval.
    pub(super) fn people(&self, people: &People) -> BTreeSet<String> {
        people.of(self.from.iter().map(|group| group.value.as_str()))
    }
}

/// Reads `[environment]`, whose keys must be among the service's environments.
pub(super) fn read(
    root: &mut Table<'_, '_>,
    known: &[Located<EnvironmentPattern>],
    problems: &mut Problems<'_>,
) -> Vec<EnvironmentSection> {
    let Some(table) = root.section("environment", problems) else {
        return Vec::new();
    };
    let mut sections = Vec::new();
    for (name, field) in table.entries().take(at::ENVIRONMENTS.most) {
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
        let asked = read_environment(name, &field, known, problems);
        if let (Some(environment), Some((approval, requires, windows))) = (environment, asked) {
            sections.push(EnvironmentSection {
                environments: environment.value.clone(),
                approval,
                requires,
                windows,
            });
        }
    }
    // A name takes precedence over a pattern that matches it.
    sections.sort_by_key(|section| matches!(section.environments, EnvironmentPattern::Pattern { .. }));
    sections
}

type Read = (
    Option<ApprovalSection>,
    Option<Located<Environment>>,
    Option<Windows>,
);

fn read_environment(
    name: &str,
    field: &Field<'_, '_>,
    known: &[Located<EnvironmentPattern>],
    problems: &mut Problems<'_>,
) -> Option<Read> {
    let mut table = field.table(problems)?;
    let asked = (
        table.take("approval"),
        table.take("requires"),
        table.take("windows"),
    );
    if let (None, None, None) = asked {
        let [approval, requires, windows] = ["approval", "requires", "windows"].map(|key| table.example(key));
        problems
            .error(table.span(), format!("[environment.{name}] asks for nothing"))
            .hint(format!("write {approval}, {requires}, or {windows}"));
    }
    table.finish(problems);
    let (approval, requires, windows) = asked;
    Some((
        approval.and_then(|field| read_approval(&field, problems)),
        requires.and_then(|required| read_requires(&required, name, known, problems)),
        windows.and_then(|field| read_windows(&field, problems)),
    ))
}

fn read_approval(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<ApprovalSection> {
    let mut approval = field.table(problems)?;
    let from = approval.require("from", problems);
    let from = from.and_then(|field| groups(&field, problems));
    let count = approval.take("count");
    let place = count.as_ref().map_or(approval.span(), |field| field.span.clone());
    let count = count.and_then(|field| field.number(problems)).unwrap_or(1);
    let within = approval.take("within");
    let within = within.and_then(|field| field.duration(problems));
    approval.finish(problems);
    Some(ApprovalSection {
        from: from?,
        count: Located {
            value: u32::try_from(count).unwrap_or(u32::MAX),
            span: place,
        },
        within_ms: within.unwrap_or(at::APPROVED_WITHIN_DEFAULT_MS),
    })
}

/// Reads `requires`. It must name one of this file's environments: the worker knows only the releases that it
/// rolled itself.
fn read_requires(
    field: &Field<'_, '_>,
    own: &str,
    known: &[Located<EnvironmentPattern>],
    problems: &mut Problems<'_>,
) -> Option<Located<Environment>> {
    let name = field.plain_text(problems)?;
    let Ok(environment) = Environment::try_from(name.to_owned()) else {
        let hint = format!("write {}", field.example());
        field.invalid_hint(format!("{name:?} is no environment\'s name"), hint, problems);
        return None;
    };
    if own == name {
        let hint = "name the environment that comes before it";
        field.invalid_hint(
            "is the environment itself: nothing could ever be released",
            hint,
            problems,
        );
        return None;
    }
    if !known.iter().any(|pattern| pattern.value.matches(&environment)) {
        let names: Vec<String> = known.iter().map(|known| known.value.to_string()).collect();
        let hint = format!("name one of `environments`, {}", names.join(", "));
        field.invalid_hint(format!("{name:?} is no environment of this file"), hint, problems);
        return None;
    }
    Some(Located {
        value: environment,
        span: field.span.clone(),
    })
}

fn read_windows(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Windows> {
    let mut table = field.table(problems)?;
    let zone = table.require("timezone", problems);
    let zone = zone.and_then(|field| {
        let name = field.plain_text(problems)?;
        match TimeZone::get(name) {
            Ok(zone) => Some((name.to_owned(), zone)),
            Err(_) => {
                let hint = "write the name of the IANA time zone, as \"Europe/Berlin\" or \"UTC\"";
                field.invalid_hint(format!("{name:?} is no time zone"), hint, problems);
                None
            }
        }
    });
    let open = table.require("open", problems);
    let open = open.and_then(|field| openings(&field, problems));
    table.finish(problems);
    let (name, zone) = zone?;
    Some(Windows::new(name, zone, open?))
}

fn openings(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Vec<Opening>> {
    let items = field.list(problems)?;
    if items.is_empty() {
        field.invalid_hint(
            "is empty: no release could ever begin",
            format!("write {}", field.example()),
            problems,
        );
        return None;
    }
    let mut openings = Vec::new();
    for item in items {
        match item.plain_text(problems)?.parse() {
            Ok(opening) => openings.push(opening),
            Err(problem) => {
                item.invalid_hint(problem, format!("write {}", field.example()), problems);
                return None;
            }
        }
    }
    Some(openings)
}

fn groups(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Vec<Located<String>>> {
    let items = field.list(problems)?;
    if items.is_empty() {
        field.invalid_hint(
            "is empty: nobody could approve",
            format!("write {}", field.example()),
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
