//! How many healthy targets must stay.

use drawgate_rollout::{HealthThreshold, OtherTarget, Phase, plan};
use drawgate_schemas::Outcome;

use super::{planned, refuses, three};
use crate::driver::Sim;
use crate::forward;
use crate::world::{Fault, TARGET_GROUP, World, definition, digest, request};

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
fn a_target_group_whose_targets_have_server_ids_refuses() {
    refuses(
        |snapshot| snapshot.target_groups[0].has_server_ids = true,
        "web",
        "is a QUIC target group, and its targets would lose their server ids",
    );
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

/// The attribute of a target group for one of its own thresholds.
fn attribute(action: &str, kind: &str) -> String {
    format!("target_group_health.{action}.minimum_healthy_targets.{kind}")
}

fn threshold(count: u32, percentage: u32) -> HealthThreshold {
    HealthThreshold { count, percentage }
}

#[test]
fn trap_13_a_threshold_of_the_group_refuses() {
    let named = attribute("dns_failover", "count");
    refuses(
        |snapshot| snapshot.target_groups[0].dns_failover = threshold(3, 0),
        "web",
        &format!(
            "{named} is 3: 3 of 3 registered targets must stay healthy, and 3 are: no host can be taken out"
        ),
    );
    // 67 % of three targets are three.
    let named = attribute("unhealthy_state_routing", "percentage");
    refuses(
        |snapshot| snapshot.target_groups[0].unhealthy_state_routing = threshold(1, 67),
        "web",
        &format!("{named} is 67 %: 3 of 3 registered targets"),
    );
    // It is about registered targets, of which some are unhealthy and belong to nobody here.
    refuses(
        |snapshot| {
            snapshot.target_groups[0].registered = 5;
            snapshot.target_groups[0].dns_failover = threshold(1, 50);
        },
        "web",
        "is 50 %: 3 of 5 registered targets must stay healthy, and 3 are",
    );
}

#[test]
fn a_threshold_of_one_is_what_allow_outage_is_about() {
    let mut snapshot = World::new(1, 1).snapshot();
    snapshot.target_groups[0].dns_failover = threshold(1, 50);
    let mut allowed = definition();
    allowed.roll.allow_outage = true;
    let plan = plan(&request(), Some(&digest('d')), &allowed, &snapshot).unwrap();
    assert_eq!(plan.target_groups[TARGET_GROUP].floor, 0);
}

#[test]
fn a_threshold_of_the_group_keeps_more_than_the_file() {
    let mut snapshot = World::new(10, 1).snapshot();
    snapshot.target_groups[0].dns_failover = threshold(1, 80);
    let mut quick = definition();
    quick.roll.max_unavailable = 5.into();
    let plan = plan(&request(), Some(&digest('d')), &quick, &snapshot).unwrap();
    let group = &plan.target_groups[TARGET_GROUP];
    assert_eq!((group.floor, plan.at_once()), (8, 2));
    let warning = format!(
        "web: {} is 80 %: 8 of 10 registered targets must stay healthy, so 2 at most are out at once, and not \
         max_unavailable, 5",
        attribute("dns_failover", "percentage")
    );
    assert_eq!(plan.warnings, [warning]);
    let starts: Vec<u64> = plan.estimate().hosts.iter().map(|host| host.from_ms).collect();
    assert_eq!(starts.iter().filter(|from| **from == 0).count(), 2, "{starts:?}");
}

#[test]
fn a_sick_host_that_is_rolled_first_makes_room() {
    let mut snapshot = three();
    snapshot.target_groups[0].healthy = 2;
    snapshot.target_groups[0].dns_failover = threshold(2, 0);
    snapshot.hosts[1].targets[0].state = "unhealthy".to_owned();
    let plan = planned(&snapshot).unwrap();
    assert_eq!(plan.target_groups[TARGET_GROUP].floor, 2);
    // A target that no load balancer uses makes none.
    snapshot.hosts[1].targets[0].state = "unused".to_owned();
    let findings = planned(&snapshot).unwrap_err();
    assert!(
        findings[0].what.contains("and 2 are: no host can be taken out"),
        "{findings:?}"
    );
}

#[test]
fn a_threshold_is_for_each_zone_that_serves_itself() {
    let mut snapshot = World::new(4, 1).snapshot();
    snapshot.target_groups[0].zonal = true;
    snapshot.target_groups[0].unhealthy_state_routing = threshold(2, 0);
    let findings = planned(&snapshot).unwrap_err();
    let whats: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
    let named = attribute("unhealthy_state_routing", "count");
    let of = |zone| {
        format!(
            "{named} is 2: 2 of 2 registered targets in {zone} must stay healthy, and 2 are: no host can be taken out"
        )
    };
    assert_eq!(whats, [of("eu-west-1a"), of("eu-west-1b")]);
    let mut snapshot = World::new(6, 1).snapshot();
    snapshot.target_groups[0].zonal = true;
    snapshot.target_groups[0].unhealthy_state_routing = threshold(2, 0);
    let group = planned(&snapshot).unwrap().target_groups[TARGET_GROUP].clone();
    assert_eq!(group.zone_floors.values().collect::<Vec<_>>(), [&2, &2]);
}

/// In one zone another service has as many targets as the fleet: half of the zone's are five of ten there.
#[test]
fn trap_13_a_zones_floor_counts_the_targets_of_other_services() {
    let floors = |healthy: bool| {
        let mut snapshot = World::new(10, 1).snapshot();
        let zone = snapshot.hosts[0].zone.clone();
        let other = |n: usize| OtherTarget {
            id: format!("i-other-{n}"),
            port: 8080,
            zone: zone.clone(),
            healthy,
        };
        let group = &mut snapshot.target_groups[0];
        group.zonal = true;
        group.unhealthy_state_routing = threshold(0, 50);
        group.others = (0..5).map(other).collect();
        planned(&snapshot).map(|plan| plan.target_groups[TARGET_GROUP].zone_floors[&zone])
    };
    // Ten healthy ones, less one that may be out.
    assert_eq!(floors(true).unwrap(), 9);
    // All five of the fleet's must stay.
    let findings = floors(false).unwrap_err();
    assert!(
        findings[0].what.contains("5 of 10 registered targets"),
        "{findings:?}"
    );
}

#[test]
fn the_threshold_does_not_fall_with_the_hosts_that_leave() {
    let at_leaving = |count| {
        let mut world = World::new(4, 1).with(forward(1, Phase::Register), Fault::Gone, 1);
        world.fleet_mut().target_groups[0].dns_failover = threshold(count, 0);
        world.definition.roll.sick_wait_ms = 0;
        Sim::new(world).finish()
    };
    let sim = at_leaving(2);
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert_eq!(sim.release().floor(TARGET_GROUP), 2);
    // Three of the four are left, and three have to be.
    let sim = at_leaving(3);
    assert_eq!(sim.outcome(), Outcome::RolledBack, "{}", sim.ended().summary);
    assert_eq!(sim.attempts(&forward(3, Phase::Swap)), 0);
}
