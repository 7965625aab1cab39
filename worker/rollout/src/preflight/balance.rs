//! Target groups: how many healthy targets each must keep.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use crate::definition::{RollPolicy, ServiceDefinition};
use crate::fleet::{FleetSnapshot, HostPlan, TargetGroupPlan, TargetGroupSnapshot};

/// Every target group that a host of the fleet is in, with its floor.
pub(super) fn target_groups(
    snapshot: &FleetSnapshot,
    hosts: &[HostPlan],
    definition: &ServiceDefinition,
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, TargetGroupPlan> {
    let used = |group: &&TargetGroupSnapshot| hosts.iter().any(|host| is_in(host, group));
    let mut plans = BTreeMap::new();
    for group in snapshot.target_groups.iter().filter(used) {
        let plan = TargetGroupPlan {
            name: group.name.clone(),
            deregistration_delay_s: group.deregistration_delay_s,
            healthy_after_s: match group.passes_connections {
                true => group.health_check_interval_s * group.healthy_threshold,
                false => group.health_check_interval_s,
            },
            check_interval_s: group.health_check_interval_s,
            passes_connections: group.passes_connections,
            floor: floor(group, hosts, &definition.roll, findings),
            zone_floors: zone_floors(group, hosts, &definition.roll, findings),
            slow_start_s: group.slow_start_s,
            keeps_connections: group.keeps_connections,
        };
        plans.insert(group.arn.clone(), plan);
    }
    plans
}

fn is_in(host: &HostPlan, group: &TargetGroupSnapshot) -> bool {
    host.targets.iter().any(|target| target.target_group == group.arn)
}

fn is_healthy_in(host: &HostPlan, group: &TargetGroupSnapshot) -> bool {
    let mut targets = host.targets.iter();
    targets.any(|target| target.target_group == group.arn && target.state_before == "healthy")
}

/// The floor: the targets that were healthy at the start, less those that may be out.
fn floor(
    group: &TargetGroupSnapshot,
    hosts: &[HostPlan],
    roll: &RollPolicy,
    findings: &mut Vec<Finding>,
) -> u32 {
    let floor = group
        .healthy
        .saturating_sub(roll.max_unavailable.of(group.healthy));
    if floor > 0 || group.healthy == 0 || roll.allow_outage {
        return floor;
    }
    // A sick host goes first, because taking it out costs nothing, and is there for the others when they are
    // taken out.
    let sick = |host: &HostPlan| is_in(host, group) && !is_healthy_in(host, group);
    if !hosts.iter().any(sick) {
        let most = roll.max_unavailable;
        let what = format!("{} healthy, max_unavailable {most}", group.healthy);
        let hint = "nobody would be served: lower max_unavailable, or say allow_outage = true";
        findings.push(Finding::refuse(&group.name, what, hint));
    }
    1
}

/// With cross-zone balancing off, a zone's share of the traffic goes to that zone's targets alone (Elastic
/// Load Balancing, "Cross-zone load balancing"): each zone needs a floor of its own.
fn zone_floors(
    group: &TargetGroupSnapshot,
    hosts: &[HostPlan],
    roll: &RollPolicy,
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, u32> {
    if !group.zonal {
        return BTreeMap::new();
    }
    let zones: BTreeSet<&str> = hosts
        .iter()
        .filter(|host| is_in(host, group))
        .map(|host| host.zone.as_str())
        .collect();
    let mut floors = BTreeMap::new();
    for zone in zones {
        let of_zone = || {
            hosts
                .iter()
                .filter(|host| host.zone == zone && is_in(host, group))
        };
        let healthy = of_zone().filter(|host| is_healthy_in(host, group)).count();
        let healthy = u32::try_from(healthy).unwrap_or(u32::MAX);
        let mut floor = healthy.saturating_sub(roll.max_unavailable.of(healthy));
        if floor == 0 && healthy > 0 && !roll.allow_outage {
            floor = 1;
            if healthy == 1 && of_zone().count() == 1 {
                let what = format!("has one healthy target in {zone}, and cross-zone balancing is off");
                let hint = "the zone would serve nobody meanwhile: add a host there, turn cross-zone balancing on, or \
                            say allow_outage = true";
                findings.push(Finding::refuse(&group.name, what, hint));
            }
        }
        floors.insert(zone.to_owned(), floor);
    }
    floors
}
