//! `auto_scaling_group`, `[fleet]` and `target_groups`: which hosts belong to a service, and what balances their
//! load.

use std::collections::BTreeMap;

use drawgate_rollout::definition::FleetSelector;
use drawgate_schemas::{Environment, Service};

use super::aws_names::aws_name;
use super::error::Problems;
use super::limits as at;
use super::placeholders::Template;
use super::reader::Table;

/// The keys that say where hosts are.
pub(super) const KEYS: [&str; 3] = ["auto_scaling_group", "fleet", "target_groups"];

/// How the fleet is found, before an environment is filled in.
#[derive(Debug, Clone)]
pub(super) enum Fleet {
    Bastion,
    Group(Template),
    Tags(BTreeMap<String, Template>),
}

impl Fleet {
    /// The selector for one target.
    pub(super) fn fill(&self, environment: &Environment, service: &Service) -> FleetSelector {
        match self {
            Self::Group(name) => FleetSelector::AutoScalingGroup(name.fill(environment, service)),
            Self::Bastion => FleetSelector::Bastion,
            Self::Tags(tags) => FleetSelector::Tags(
                tags.iter()
                    .map(|(key, value)| (key.clone(), value.fill(environment, service)))
                    .collect(),
            ),
        }
    }

    /// Whether each environment has a fleet of its own.
    pub(super) fn names_environment(&self) -> bool {
        match self {
            Self::Group(name) => name.names_environment(),
            Self::Tags(tags) => tags.values().any(Template::names_environment),
            // Its programs get the environment's name.
            Self::Bastion => true,
        }
    }
}

/// The fleet where programs run on the bastion: refuses keys that say where hosts are.
pub(super) fn none(root: &mut Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Fleet> {
    let mut found = false;
    for key in KEYS {
        if let Some(field) = root.take(key) {
            let what = format!("`{key}` says where hosts are, and with run_on = \"worker\" none is touched");
            problems
                .error(field.key.clone(), what)
                .hint("remove it, or write run_on = \"host\"");
            found = true;
        }
    }
    (!found).then_some(Fleet::Bastion)
}

/// Reads the fleet from `auto_scaling_group` or `[fleet]`.
pub(super) fn read(root: &mut Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Fleet> {
    const HINT: &str =
        "write auto_scaling_group = \"search-api-{environment}\" at the top, or [fleet] with tags = { … }";
    let group = root.take("auto_scaling_group");
    let fleet = root.take("fleet");
    match (group, fleet) {
        (Some(group), Some(_)) => {
            problems
                .error(
                    group.key,
                    "`auto_scaling_group` and [fleet] both say where the fleet is",
                )
                .hint("keep one");
            None
        }
        (Some(group), None) => aws_name(&group, problems).map(Fleet::Group),
        (None, Some(fleet)) => fleet
            .table(problems)
            .and_then(|table| read_tags(table, problems))
            .map(Fleet::Tags),
        (None, None) => {
            problems.error(0..0, "nothing says where the fleet is").hint(HINT);
            None
        }
    }
}

/// Reads the target groups that the file names.
pub(super) fn target_groups(root: &mut Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Vec<Template>> {
    let names = root.take("target_groups")?.list(problems)?;
    Some(names.iter().filter_map(|name| aws_name(name, problems)).collect())
}

fn read_tags(mut table: Table<'_, '_>, problems: &mut Problems<'_>) -> Option<BTreeMap<String, Template>> {
    let field = table.require("tags", problems);
    table.finish(problems);
    let field = field?;
    let tags = field.templates(problems);
    if tags.is_empty() {
        field.invalid_hint(
            "names no tag, and would mean every instance of the account",
            "name the fleet's tags",
            problems,
        );
        return None;
    }
    for (key, value) in &tags {
        let too_long = key.chars().count() > at::TAG_KEY_CHARS
            || value.value.example().chars().count() > at::TAG_VALUE_CHARS;
        if key.is_empty() || too_long {
            problems.error(
                value.span.clone(),
                "a tag's key has 1 to 128 characters, its value at most 256",
            );
        }
        if key.contains('*') || value.value.to_string().contains('*') {
            problems
                .error(
                    value.span.clone(),
                    "tags are compared as they are, `*` stands for itself",
                )
                .hint("name the exact value; {environment} can be a part of it");
        }
    }
    Some(tags.into_iter().map(|(key, value)| (key, value.value)).collect())
}
