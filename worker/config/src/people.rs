//! `[groups]`, `[people]`, `[orders]` and `[emergency]` of `worker.toml`: who may control releases. People
//! are the broker's users: the broker vouches for the sender of a message, and for nothing else in it.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Problems;
use super::reader::Table;
use super::suggest;

/// The broker's users, as far as `worker.toml` names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People {
    groups: BTreeMap<String, BTreeSet<String>>,
    /// Users that several people or programs send as: the sender of their messages is not known.
    shared: BTreeSet<String>,
}

impl People {
    /// Everybody in these groups, without the shared users.
    pub(super) fn of<'n>(&self, groups: impl Iterator<Item = &'n str>) -> BTreeSet<String> {
        let people = groups.filter_map(|group| self.groups.get(group)).flatten();
        people
            .filter(|user| !self.shared.contains(*user))
            .cloned()
            .collect()
    }

    /// Everybody in these groups.
    pub(super) fn members<'n>(&self, groups: impl Iterator<Item = &'n String>) -> BTreeSet<String> {
        let people = groups.filter_map(|group| self.groups.get(group)).flatten();
        people.cloned().collect()
    }

    /// The mistake and the hint for a group that does not exist.
    pub(super) fn lacks(&self, name: &str) -> Option<(String, String)> {
        if self.groups.contains_key(name) {
            return None;
        }
        let hint = match suggest::nearest(name, self.groups.keys().map(String::as_str)) {
            Some(known) => format!("did you mean {known:?}?"),
            None => format!("write [groups] with {name} = [\"ben\"] into worker.toml, users of the broker"),
        };
        Some((format!("there is no group {name:?}"), hint))
    }
}

/// The users who may give control commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operators {
    /// Nobody, because `worker.toml` names nobody. A login at the broker gives no right to stop a release;
    /// every build has one.
    Nobody,
    /// These users of the broker.
    These(BTreeSet<String>),
}

impl Operators {
    /// Whether this user of the broker is one of them.
    pub fn includes(&self, user: &str) -> bool {
        match self {
            Self::Nobody => false,
            Self::These(users) => users.contains(user),
        }
    }
}

/// Reads `[groups]` and `[people]`.
pub(super) fn people(root: &mut Table<'_, '_>, problems: &mut Problems<'_>) -> People {
    let mut people = People::default();
    if let Some(mut table) = root.section("people", problems) {
        let field = table.require("shared", problems);
        let items = field.and_then(|field| field.list(problems));
        let users = items.unwrap_or_default();
        let users = users.iter().filter_map(|item| item.plain_text(problems));
        people.shared = users.map(str::to_owned).collect();
        table.finish(problems);
    }
    let Some(table) = root.section("groups", problems) else {
        return people;
    };
    for (name, field) in table.entries() {
        let items = field.list(problems).unwrap_or_default();
        if items.is_empty() {
            field.invalid_hint(
                "has nobody in it",
                format!("write {}, users of the broker", field.example()),
                problems,
            );
        }
        let users = items.iter().filter_map(|item| item.plain_text(problems));
        people
            .groups
            .insert(name.to_owned(), users.map(str::to_owned).collect());
    }
    people
}

/// Reads `[orders]` or `[emergency]`: groups.
pub(super) fn groups_from(
    key: &'static str,
    root: &mut Table<'_, '_>,
    people: &People,
    problems: &mut Problems<'_>,
) -> Option<Vec<String>> {
    let mut table = root.section(key, problems)?;
    let field = table.require("from", problems);
    table.finish(problems);
    let mut from = Vec::new();
    for item in field?.list(problems)? {
        let Some(name) = item.plain_text(problems) else {
            continue;
        };
        if let Some((problem, hint)) = people.lacks(name) {
            item.invalid_hint(problem, hint, problems);
        }
        from.push(name.to_owned());
    }
    Some(from)
}
