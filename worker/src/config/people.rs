//! `[groups]` and `[orders]` of `worker.toml`: who may tell a release what to do. People are the broker's users: the broker vouches
//! for who sends a message, and for nothing else in it.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Problems;
use super::limits as at;
use super::reader::Table;

type Groups = BTreeMap<String, BTreeSet<String>>;

/// Reads `[groups]`.
pub(super) fn groups(root: &mut Table<'_, '_>, problems: &mut Problems<'_>) -> Groups {
    let mut groups = Groups::new();
    let Some(table) = root.section("groups", problems) else {
        return groups;
    };
    for (name, field) in table.entries() {
        let example = format!("{name} = [\"ben\", \"anna\"]");
        let items = field.list(at::LIST, &example, problems).unwrap_or_default();
        if items.is_empty() {
            field.invalid_hint(
                "has nobody in it",
                format!("write {example}, users of the broker"),
                problems,
            );
        }
        let people = items.iter().filter_map(|item| item.plain_text(problems));
        groups.insert(name.to_owned(), people.map(str::to_owned).collect());
    }
    groups
}

/// Reads `[orders]`.
pub(super) fn orders_from(
    root: &mut Table<'_, '_>,
    groups: &Groups,
    problems: &mut Problems<'_>,
) -> Option<Vec<String>> {
    const EXAMPLE: &str = "from = [\"ops\"]";
    let mut table = root.section("orders", problems)?;
    let field = table.require("from", EXAMPLE, problems);
    table.finish(|_| None, problems);
    let mut from = Vec::new();
    for item in field?.list(at::LIST, EXAMPLE, problems)? {
        let Some(name) = item.plain_text(problems) else {
            continue;
        };
        if !groups.contains_key(name) {
            let hint = match super::suggest::nearest(name, groups.keys().map(String::as_str)) {
                Some(known) => format!("did you mean {known:?}?"),
                None => format!("write [groups] with {name} = [\"ben\"], users of the broker"),
            };
            item.invalid_hint(format!("there is no group {name:?}"), hint, problems);
        }
        from.push(name.to_owned());
    }
    Some(from)
}
