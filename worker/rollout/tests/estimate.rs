//! How long a plan takes, host by host, and what of it costs most.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use drawgate_rollout::definition::Canary;
use drawgate_rollout::{Entry, Estimate, Plan, Record};

/// A plan of `hosts` hosts, every other one in zone `b`. Each host drains for 30 s, is swapped and verified
/// in 2 s, is healthy 10 s later and has to stay so for 10 s: 52 s.
fn plan(hosts: usize) -> Plan {
    let journal = include_str!("../../rehearsal/tests/journals/0.1.0-first-succeeded.jsonl");
    let mut entries = journal
        .lines()
        .map(|line| serde_json::from_str::<Entry>(line).unwrap());
    let mut plan = entries
        .find_map(|entry| match entry.record {
            Record::Outcome { outcome, .. } => match outcome.evidence() {
                Some(drawgate_rollout::Evidence::Planned { plan }) => Some(plan.as_ref().clone()),
                _ => None,
            },
            _ => None,
        })
        .unwrap();
    for group in plan.target_groups.values_mut() {
        group.deregistration_delay_s = 30;
        group.healthy_after_s = 10;
    }
    plan.definition.roll.min_drain_ms = 5_000;
    plan.definition.roll.min_healthy_time_ms = 10_000;
    plan.definition.roll.max_unavailable = 1.into();
    let one = plan.hosts[0].clone();
    let numbered = (0..hosts).map(|n| {
        let mut host = one.clone();
        host.instance = format!("i-{n}");
        host.zone = ["a", "b"][n % 2].to_owned();
        host
    });
    plan.hosts = numbered.collect();
    plan
}

fn starts_s(estimate: &Estimate) -> Vec<u64> {
    estimate.hosts.iter().map(|host| host.from_ms / 1000).collect()
}

fn costs_s(estimate: &Estimate) -> Vec<(&str, u64)> {
    let costs = estimate.costs.iter();
    costs
        .map(|cost| (cost.setting.as_str(), cost.ms / 1000))
        .collect()
}

#[test]
fn one_after_the_other() {
    let plan = plan(3);
    let estimate = plan.estimate();
    assert_eq!(starts_s(&estimate), [0, 52, 104]);
    assert_eq!(estimate.expected_ms, 156_000);
    let group = &plan.target_groups.values().next().unwrap().name;
    assert_eq!(
        costs_s(&estimate),
        [
            (format!("deregistration delay of {group}").as_str(), 90),
            (format!("health checks of {group}").as_str(), 30),
            ("roll.min_healthy_time", 30),
            ("swap and verification", 6),
        ]
    );
}

#[test]
fn as_many_at_once_as_may_be_out() {
    let mut plan = plan(5);
    plan.definition.roll.max_unavailable = 2.into();
    let estimate = plan.estimate();
    assert_eq!(starts_s(&estimate), [0, 0, 52, 52, 104]);
    assert_eq!(estimate.expected_ms, 156_000);
    // Three hosts follow one another, not five.
    assert_eq!(estimate.costs[0].ms, 90_000);
}

#[test]
fn two_zones_are_never_out_together() {
    let mut plan = plan(4);
    plan.definition.roll.max_unavailable = 2.into();
    plan.definition.roll.zone_by_zone = true;
    plan.hosts.sort_by_key(|host| host.zone.clone());
    assert_eq!(starts_s(&plan.estimate()), [0, 0, 52, 52]);
    plan.definition.roll.max_unavailable = 3.into();
    assert_eq!(starts_s(&plan.estimate()), [0, 0, 52, 52]);
}

#[test]
fn after_the_canary_is_watched_and_the_bake_comes_last() {
    let mut plan = plan(3);
    plan.definition.roll.max_unavailable = 2.into();
    plan.definition.roll.canary = Some(Canary {
        instances: 1,
        bake_ms: 120_000,
    });
    plan.definition.alarms.bake_ms = 300_000;
    let estimate = plan.estimate();
    assert_eq!(starts_s(&estimate), [0, 172, 172]);
    assert_eq!(estimate.canary_until_ms, Some(172_000));
    assert_eq!(estimate.expected_ms, (172 + 52 + 300) * 1000);
    assert_eq!(
        costs_s(&estimate)[..2],
        [("alarms.bake", 300), ("roll.canary.bake", 120)]
    );
}

#[test]
fn a_host_in_no_target_group_waits_for_no_drain() {
    let mut plan = plan(2);
    for host in &mut plan.hosts {
        host.targets.clear();
    }
    let estimate = plan.estimate();
    assert_eq!(
        costs_s(&estimate),
        [("roll.min_healthy_time", 20), ("swap and verification", 4)]
    );
    assert_eq!(estimate.expected_ms, 24_000);
}

#[test]
fn the_estimate_has_an_end_where_nothing_is_waited_for() {
    let empty = plan(0).estimate();
    assert_eq!((empty.expected_ms, empty.costs.len()), (0, 0));
    let many = plan(200).estimate();
    assert_eq!(many.expected_ms, 200 * 52_000);
}
