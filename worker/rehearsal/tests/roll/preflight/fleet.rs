//! Which instances are the fleet, how many they may be, and the order in which they are rolled.

use drawgate_rollout::{FleetSnapshot, TargetSnapshot, plan};
use drawgate_schemas::limits;

use super::{awaits, planned, refuses, three};
use crate::world::{World, definition, digest, id, request};

#[test]
fn a_target_that_is_being_deregistered_refuses() {
    let draining = |snapshot: &mut FleetSnapshot| snapshot.hosts[0].targets[0].state = "draining".to_owned();
    refuses(draining, "i-1", "is being deregistered");
}

#[test]
fn an_instance_on_its_way_in_is_waited_for() {
    let lifecycle = |state: &'static str| {
        move |snapshot: &mut FleetSnapshot| snapshot.groups[0].members[0].lifecycle = state.to_owned()
    };
    for state in ["Pending", "Pending:Wait", "Pending:Proceed"] {
        awaits(lifecycle(state), "i-1", "is still being launched");
    }
    awaits(
        |snapshot| snapshot.hosts[0].state = "pending".to_owned(),
        "i-1",
        "is still being launched",
    );
}

#[test]
fn a_dead_instance_that_is_still_in_service_is_waited_for() {
    for state in ["stopped", "shutting-down", "terminated", "stopping"] {
        awaits(
            |snapshot| snapshot.hosts[0].state = state.to_owned(),
            "i-1",
            &format!("is {state} in EC2"),
        );
    }
}

#[test]
fn an_instance_that_is_no_member_is_left_alone() {
    for state in [
        "Standby",
        "Terminating",
        "Terminating:Wait",
        "Detached",
        "Warmed:Stopped",
    ] {
        let mut snapshot = three();
        snapshot.groups[0].members[0].lifecycle = state.to_owned();
        let plan = planned(&snapshot).unwrap();
        assert_eq!(
            plan.warnings,
            [format!("i-1: is {state} in its group: left alone")]
        );
        let hosts: Vec<&str> = plan.hosts.iter().map(|host| host.instance.as_str()).collect();
        assert_eq!(hosts, ["i-2", "i-3"]);
    }
}

#[test]
fn a_running_instance_without_a_group_is_a_member() {
    let mut snapshot = three();
    snapshot.groups.clear();
    assert_eq!(planned(&snapshot).unwrap().hosts.len(), 3);
}

#[test]
fn a_fleet_without_hosts_refuses() {
    refuses(
        |snapshot| snapshot.hosts.clear(),
        "staging.api",
        "no instance in service",
    );
}

#[test]
fn a_fleet_that_is_too_large_refuses() {
    let snapshot = World::new(limits::HOSTS + 1, 1).snapshot();
    let findings = planned(&snapshot).unwrap_err();
    assert_eq!(
        findings[0].what,
        "501 hosts; at most 500 are rolled in one release"
    );
    let mut definition = definition();
    definition.roll.max_roll_ms = 24 * 3_600_000;
    let snapshot = World::new(limits::HOSTS, 1).snapshot();
    assert!(plan(&request(), Some(&digest('d')), &definition, &snapshot).is_ok());
}

#[test]
fn unhealthy_hosts_come_first_and_then_it_goes_by_id() {
    let mut snapshot = World::new(5, 1).snapshot();
    snapshot.hosts.reverse();
    for (n, state) in [(2, "unhealthy"), (4, "initial")] {
        let host = snapshot
            .hosts
            .iter_mut()
            .find(|host| host.instance == id(n))
            .unwrap();
        host.targets[0].state = state.to_owned();
    }
    let plan = planned(&snapshot).unwrap();
    let order: Vec<&str> = plan.hosts.iter().map(|host| host.instance.as_str()).collect();
    assert_eq!(order, ["i-2", "i-4", "i-1", "i-3", "i-5"]);
}

#[test]
fn a_host_is_unhealthy_when_one_of_its_targets_is() {
    let mut snapshot = three();
    let second = TargetSnapshot {
        port: 9090,
        state: "unhealthy".to_owned(),
        ..snapshot.hosts[2].targets[0].clone()
    };
    snapshot.hosts[2].targets.push(second);
    assert_eq!(planned(&snapshot).unwrap().hosts[0].instance, "i-3");
}
