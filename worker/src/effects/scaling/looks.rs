//! Looks at an Auto Scaling group, whose answers may be older than its last change.

use std::collections::BTreeSet;

use drawgate_rollout::GroupPlan;
use drawgate_rollout::definition::Process;
use tokio::time::sleep;

use super::super::membership::CONSISTENCY;
use super::super::names::GROUP_TAG;
use super::super::outcome::{Effect, Sorted, refused};
use super::super::ports::ScalingPort;
use crate::aws::Group;

/// The group, which `is_expected` or not. What is not expected, and that there is no group, is believed only at
/// the second look. Refuses if the group does not exist.
pub(super) async fn believed(
    scaling: &impl ScalingPort,
    name: &str,
    is_expected: impl Fn(&Group) -> bool,
) -> Effect<Group> {
    let first = scaling.group_by_name(name).await.sorted()?;
    match first.filter(is_expected) {
        Some(group) => Ok(group),
        None => {
            sleep(CONSISTENCY).await;
            existing(scaling, name).await
        }
    }
}

/// The group. Refuses if it does not exist.
pub(super) async fn existing(scaling: &impl ScalingPort, name: &str) -> Effect<Group> {
    match scaling.group_by_name(name).await.sorted()? {
        Some(group) => Ok(group),
        None => refused(format!("the Auto Scaling group {name} does not exist")),
    }
}

/// Whose suspension tag a group carries.
#[derive(PartialEq, Eq)]
pub(super) enum TaggedBy {
    Nobody,
    ThisRelease,
    Another,
}

/// What looks at a group show of this release.
pub(super) struct Ours {
    /// The processes of its plan that are suspended by any look.
    pub(super) suspended: Vec<Process>,
    /// Members that are unhealthy by any look.
    pub(super) unhealthy: BTreeSet<String>,
    pub(super) is_tagged: bool,
    /// Whether one look showed this release's tag and all of its processes suspended.
    pub(super) is_held: bool,
}

impl Ours {
    pub(super) fn seen_in(looks: &[&Group], plan: &GroupPlan) -> Self {
        Self {
            suspended: without(&plan.suspend, |process| {
                !looks.iter().any(|group| is_suspended(group, process))
            }),
            unhealthy: looks.iter().flat_map(|group| unhealthy(group)).collect(),
            is_tagged: looks.iter().any(|group| group.tags.contains_key(GROUP_TAG)),
            is_held: false,
        }
    }
}

/// The members that a group has marked unhealthy.
pub(super) fn unhealthy(group: &Group) -> BTreeSet<String> {
    let members = group.members.iter();
    let marked = members.filter(|member| member.health == "Unhealthy");
    marked.map(|member| member.id.clone()).collect()
}

pub(super) fn is_suspended(group: &Group, process: Process) -> bool {
    group.suspended.contains_key(process.as_str())
}

pub(super) fn without(processes: &[Process], drop: impl Fn(Process) -> bool) -> Vec<Process> {
    processes
        .iter()
        .copied()
        .filter(|process| !drop(*process))
        .collect()
}
