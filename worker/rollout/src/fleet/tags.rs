//! The tags that a release leaves on Auto Scaling groups and instances; `silence.rs` has those of alarms.

use super::plan::{Plan, TargetPlan};
use crate::definition::Process;

/// Tag of an Auto Scaling group: the release, and the processes that it has suspended.
pub const GROUP_TAG: &str = "drawgate:suspended";

/// Prefix of the tags that an instance carries for its targets.
pub const TARGET_TAG_PREFIX: &str = "drawgate:target:";

/// Value of [`GROUP_TAG`]: the processes that are suspended, then those resumed for a while so that sick
/// hosts are replaced. Tag values take no comma, hence the plus.
pub fn suspension(release: &str, suspended: &[Process], let_run: &[Process]) -> String {
    let names = |processes: &[Process]| {
        let names: Vec<&str> = processes.iter().map(|process| process.as_str()).collect();
        names.join("+")
    };
    match (suspended.is_empty(), let_run.is_empty()) {
        (_, true) => format!("{release} {}", names(suspended)),
        (true, false) => format!("{release} - {}", names(let_run)),
        (false, false) => format!("{release} {} {}", names(suspended), names(let_run)),
    }
}

/// Key of an instance's tag for one of its targets: one tag each, because a value has at most 256 characters.
pub fn target_tag(plan: &Plan, target: &TargetPlan) -> String {
    let name = plan
        .target_groups
        .get(&target.target_group)
        .map_or("", |group| group.name.as_str());
    format!("{TARGET_TAG_PREFIX}{name}:{}", target.port)
}

/// Value of an instance's tag for one of its targets.
pub fn target_value(release: &str, target: &TargetPlan) -> String {
    let zone = target.zone.as_deref().unwrap_or("-");
    format!("{release} {} {} {zone}", target.id, target.port)
}
