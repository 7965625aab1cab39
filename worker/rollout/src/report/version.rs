//! The previous version.

use std::collections::BTreeSet;

use crate::release::Release;

/// What ran before the release, as a person calls it.
pub(super) fn version_before(release: &Release) -> String {
    let commanded = release
        .plan
        .as_ref()
        .is_some_and(|plan| plan.definition.command().is_some());
    let nothing = if commanded {
        "what it was before"
    } else {
        "nothing"
    };
    let names: BTreeSet<&str> = release
        .hosts()
        .map(|host| host.version_before().unwrap_or(nothing))
        .collect();
    match names.first() {
        Some(one) if names.len() == 1 => (*one).to_owned(),
        _ => "what it was before".to_owned(),
    }
}
