//! The commands of the runbooks, read from the runbooks and run as they stand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod broker;
mod lost;
mod releases;
mod setup;

use drawgate_schemas::ReleaseId;
use drawgate_tests::programs::repository;

/// Asserts that all of these were printed, in this order.
fn assert_in_order(printed: &str, wanted: &[&str]) {
    let mut rest = printed;
    for each in wanted {
        let at = rest
            .find(each)
            .unwrap_or_else(|| panic!("{each:?} is not in its place: {printed}"));
        rest = &rest[at + each.len()..];
    }
}

/// The id that `drawgate publish` prints on a line of its own.
fn published(printed: &str) -> ReleaseId {
    let found = printed.lines().find_map(|line| line.parse().ok());
    found.unwrap_or_else(|| panic!("no id of a release: {printed}"))
}

#[test]
fn the_index_has_every_runbook() {
    let index = std::fs::read_to_string(repository("runbooks/README.md")).unwrap();
    for file in std::fs::read_dir(repository("runbooks")).unwrap().flatten() {
        let name = file.file_name().into_string().unwrap();
        let named = name == "README.md" || index.contains(&format!("({name})"));
        assert!(named || file.path().is_dir(), "{name} is not in the index");
    }
}
