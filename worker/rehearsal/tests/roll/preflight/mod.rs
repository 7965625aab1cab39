//! What preflight refuses, what it lets pass with a warning, and the plan that it makes.

mod alarms;
mod balance;
mod docker;
mod fleet;
mod options;
mod permissions;
mod scaling;

use drawgate_rollout::definition::Process;
use drawgate_rollout::{Finding, FleetSnapshot, HostView, Plan, Severity, plan};

use crate::world::{ALARM, TARGET_GROUP, World, definition, digest, request};

fn planned(snapshot: &FleetSnapshot) -> Result<Plan, Vec<Finding>> {
    plan(&request(), Some(&digest('d')), &definition(), snapshot)
}

fn three() -> FleetSnapshot {
    World::new(3, 1).snapshot()
}

/// Asserts that the fleet of three with one thing changed is refused, with this finding and a hint.
fn refuses(change: impl FnOnce(&mut FleetSnapshot), subject: &str, what: &str) {
    finds(change, subject, what, Severity::Refuse);
}

/// Asserts the same of what is waited for.
fn awaits(change: impl FnOnce(&mut FleetSnapshot), subject: &str, what: &str) {
    finds(change, subject, what, Severity::Wait);
}

fn finds(change: impl FnOnce(&mut FleetSnapshot), subject: &str, what: &str, severity: Severity) {
    let mut snapshot = three();
    change(&mut snapshot);
    let findings = planned(&snapshot).unwrap_err();
    let found = findings
        .iter()
        .find(|finding| finding.subject == subject && finding.what.contains(what))
        .unwrap_or_else(|| panic!("no {what:?} about {subject} in {findings:#?}"));
    assert_eq!(found.severity, severity);
    assert!(
        found.hint.as_ref().is_some_and(|hint| !hint.is_empty()),
        "{found:?} says no way out"
    );
}

/// Asserts that the fleet of three with one thing changed passes, with this warning.
fn warns(change: impl FnOnce(&mut FleetSnapshot), line: &str) -> Plan {
    let mut snapshot = three();
    change(&mut snapshot);
    let plan = planned(&snapshot).unwrap();
    assert!(
        plan.warnings.iter().any(|warning| warning == line),
        "{:#?}",
        plan.warnings
    );
    plan
}

fn view(snapshot: &mut FleetSnapshot) -> (&mut Option<u64>, &mut drawgate_rollout::ContainerSnapshot) {
    match &mut snapshot.hosts[0].view {
        HostView::Reached {
            disk_free_bytes,
            container: Some(container),
            ..
        } => (disk_free_bytes, container),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_fleet_that_is_fit_is_planned_without_a_word() {
    let plan = planned(&three()).unwrap();
    assert_eq!(plan.warnings, Vec::<String>::new());
    assert_eq!(plan.hosts.len(), 3);
    assert_eq!(plan.groups[0].suspend, Process::DEFAULT);
    assert_eq!(plan.target_groups[TARGET_GROUP].floor, 2);
    assert_eq!(plan.target_groups[TARGET_GROUP].healthy_after_s, 5);
    assert_eq!(plan.alarms[0].name, ALARM);
    assert_eq!(
        plan.pinned(),
        format!("{}@{}", crate::world::REPOSITORY, digest('d'))
    );
    assert_eq!(plan.version_name, "main-42");
}

#[test]
fn all_that_refuses_is_said_at_once_and_before_warnings() {
    let mut snapshot = three();
    snapshot.alarms[0].state = "ALARM".to_owned();
    snapshot.alarms[0].actions_enabled = false;
    *view(&mut snapshot).0 = None;
    snapshot.groups[0].refresh = Some("r-1".to_owned());
    snapshot.hosts[1].targets[0].state = "draining".to_owned();
    let findings = planned(&snapshot).unwrap_err();
    let severities: Vec<Severity> = findings.iter().map(|finding| finding.severity).collect();
    use Severity::{Refuse, Warn};
    assert_eq!(severities, [Refuse, Refuse, Warn, Warn]);
}
