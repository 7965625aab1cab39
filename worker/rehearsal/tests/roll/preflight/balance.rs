//! How many healthy targets must stay.

use drawgate_rollout::plan;

use super::{planned, refuses, three};
use crate::world::{TARGET_GROUP, World, definition, digest, request};

#[test]
fn all_hosts_at_once_refuses_unless_an_outage_is_allowed() {
    let snapshot = World::new(1, 1).snapshot();
    let findings = planned(&snapshot).unwrap_err();
    let whats: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(
        whats,
        ["max_unavailable is 1 of 1 hosts", "1 healthy, max_unavailable 1"]
    );
    let mut allowed = definition();
    allowed.roll.allow_outage = true;
    let plan = plan(&request(), Some(&digest('d')), &allowed, &snapshot).unwrap();
    assert_eq!(plan.target_groups[TARGET_GROUP].floor, 0);
}

#[test]
fn a_target_group_that_would_serve_nobody_refuses() {
    refuses(
        |snapshot| snapshot.target_groups[0].healthy = 1,
        "web",
        "1 healthy, max_unavailable 1",
    );
}

#[test]
fn sick_hosts_go_first_and_serve_when_the_last_healthy_leaves() {
    let mut snapshot = three();
    snapshot.target_groups[0].healthy = 1;
    for host in &mut snapshot.hosts[1..] {
        host.targets[0].state = "unhealthy".to_owned();
    }
    let plan = planned(&snapshot).unwrap();
    assert_eq!(plan.hosts.last().unwrap().instance, snapshot.hosts[0].instance);
    assert_eq!(plan.target_groups[TARGET_GROUP].floor, 1);
}

#[test]
fn a_target_group_that_serves_nobody_now_costs_nothing() {
    let mut snapshot = three();
    snapshot.target_groups[0].healthy = 0;
    assert_eq!(planned(&snapshot).unwrap().target_groups[TARGET_GROUP].floor, 0);
}

#[test]
fn a_target_group_that_no_host_is_in_is_not_planned() {
    let mut snapshot = three();
    let mut other = snapshot.target_groups[0].clone();
    (other.arn, other.healthy) = ("arn:other".to_owned(), 1);
    snapshot.target_groups.push(other);
    assert_eq!(planned(&snapshot).unwrap().target_groups.len(), 1);
}
