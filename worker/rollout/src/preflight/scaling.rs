//! Auto Scaling groups: which processes are suspended, and what goes on alongside the roll.

use super::finding::Finding;
use crate::definition::{Process, ServiceDefinition};
use crate::fleet::{GroupPlan, GroupSnapshot};

/// The plan for one group.
pub(super) fn group_plan(
    group: &GroupSnapshot,
    definition: &ServiceDefinition,
    findings: &mut Vec<Finding>,
) -> GroupPlan {
    refusals(group, findings);
    notes(group, findings);
    let ours = |process: &Process| !group.suspended.contains(process.as_str());
    GroupPlan {
        name: group.name.clone(),
        arn: group.arn.clone(),
        suspend: definition.suspend.iter().copied().filter(ours).collect(),
        suspended_before: group.suspended.iter().cloned().collect(),
        scheduled: Vec::new(),
    }
}

fn refusals(group: &GroupSnapshot, findings: &mut Vec<Finding>) {
    if let Some(refresh) = &group.refresh {
        let what = format!("instance refresh {refresh} is running");
        findings.push(Finding::refuse(&group.name, what, "wait for it, or cancel it"));
    }
    if let Some(tag) = &group.suspension_tag {
        let what = format!("carries the suspension tag of another release: {tag}");
        let hint = "see whether that release still runs; if not, resume the processes that the tag names and remove it";
        findings.push(Finding::refuse(&group.name, what, hint));
    }
    for source in &group.unsupported {
        let what = format!("has {source} attached, which this version does not handle");
        findings.push(Finding::refuse(
            &group.name,
            what,
            "move the service to target groups",
        ));
    }
}

/// Warns of what is left alone.
fn notes(group: &GroupSnapshot, findings: &mut Vec<Finding>) {
    let mut note = |what: String| findings.push(Finding::warn(&group.name, what));
    if !group.suspended.is_empty() {
        let names: Vec<&str> = group.suspended.iter().map(String::as_str).collect();
        note(format!("already suspended, left alone: {}", names.join(", ")));
    }
    if !group.suspended_by_aws.is_empty() {
        let names: Vec<&str> = group.suspended_by_aws.iter().map(String::as_str).collect();
        note(format!(
            "{} suspended by AWS itself, because launches kept failing: see the group's activity history",
            names.join(", ")
        ));
    }
    if group.warm_pool {
        note(
            "has a warm pool: its instances are left alone, and start what the launch template starts"
                .to_owned(),
        );
    }
    if let Some(lifetime_s) = group.max_instance_lifetime_s {
        let days = lifetime_s / 86_400;
        note(format!(
            "replaces instances after {days} days: one that is replaced in mid-roll is dropped and not missed"
        ));
    }
}
