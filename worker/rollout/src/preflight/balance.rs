//! Target groups: how many healthy targets each must keep, by the service's file and by the group's own
//! thresholds (`threshold.rs`).

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use super::threshold;
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
        if group.has_server_ids {
            findings.push(server_ids(group));
        }
        let (floor, most_out) = floor(group, hosts, &definition.roll, findings);
        let plan = TargetGroupPlan {
            name: group.name.clone(),
            deregistration_delay_s: group.deregistration_delay_s,
            healthy_after_s: match group.passes_connections {
                true => group.health_check_interval_s * group.healthy_threshold,
                false => group.health_check_interval_s,
            },
            check_interval_s: group.health_check_interval_s,
            passes_connections: group.passes_connections,
            floor,
            zone_floors: zone_floors(group, hosts, &definition.roll, findings),
            others: group.others.clone(),
            slow_start_s: group.slow_start_s,
            keeps_connections: group.keeps_connections,
            threshold: group.dns_failover.and(group.unhealthy_state_routing),
            registered: threshold::registered(group),
            most_out,
        };
        plans.insert(group.arn.clone(), plan);
    }
    plans
}

/// A target group that no release takes a target out of.
pub(crate) fn server_ids(group: &TargetGroupSnapshot) -> Finding {
    let what = "is a QUIC target group, and its targets would lose their server ids";
    let hint = "a release takes targets out and registers them again, which it cannot do with their server ids: \
                take the fleet out of this target group, or roll it by other means";
    Finding::refuse(&group.name, what, hint)
}

fn is_in(host: &HostPlan, group: &TargetGroupSnapshot) -> bool {
    host.targets.iter().any(|target| target.target_group == group.arn)
}

fn is_healthy_in(host: &HostPlan, group: &TargetGroupSnapshot) -> bool {
    let mut targets = host.targets.iter();
    targets.any(|target| target.target_group == group.arn && target.was_healthy())
}

/// A sick host goes first, because taking it out costs nothing, and is there for the others when they are
/// taken out.
fn is_sick_in(host: &HostPlan, group: &TargetGroupSnapshot) -> bool {
    let mut targets = host.targets.iter();
    targets.any(|of| of.target_group == group.arn && of.can_be_healthy() && !of.was_healthy())
}

/// The floor: the targets that were healthy at the start, less those that may be out; with the hosts that may
/// be out at once, where the group's own thresholds allow fewer.
fn floor(
    group: &TargetGroupSnapshot,
    hosts: &[HostPlan],
    roll: &RollPolicy,
    findings: &mut Vec<Finding>,
) -> (u32, Option<u32>) {
    let most = roll.max_unavailable.of(group.healthy);
    let floor = group.healthy.saturating_sub(most);
    let sick = count(hosts.iter().filter(|host| is_sick_in(host, group)));
    if !group.zonal && group.healthy > 0 {
        let (healthy, registered) = (group.healthy, threshold::registered(group));
        let at = threshold::Place {
            zone: None,
            registered,
            healthy,
            sick,
            most,
        };
        if let Some((own, most_out)) = threshold::judge(group, &at, findings) {
            return (own.max(floor), most_out);
        }
    }
    if floor > 0 || group.healthy == 0 || roll.allow_outage {
        return (floor, None);
    }
    if sick == 0 {
        let most = roll.max_unavailable;
        let what = format!("{} healthy, max_unavailable {most}", group.healthy);
        let hint = "nobody would be served: lower max_unavailable, or say allow_outage = true";
        findings.push(Finding::refuse(&group.name, what, hint));
    }
    (1, None)
}

fn count<T>(those: impl Iterator<Item = T>) -> u32 {
    u32::try_from(those.count()).unwrap_or(u32::MAX)
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
        // Other services' targets serve the zone too.
        let others = || group.others.iter().filter(|other| other.zone == zone);
        let healthy = count(of_zone().filter(|host| is_healthy_in(host, group)))
            + count(others().filter(|other| other.healthy));
        let most = roll.max_unavailable.of(healthy);
        let mut floor = healthy.saturating_sub(most);
        let at = threshold::Place {
            zone: Some(zone),
            registered: count(of_zone()) + count(others()),
            healthy,
            sick: count(of_zone().filter(|host| is_sick_in(host, group))),
            most,
        };
        let own = (healthy > 0)
            .then(|| threshold::judge(group, &at, findings))
            .flatten();
        if let Some((own, _)) = own {
            floor = floor.max(own);
        } else if floor == 0 && healthy > 0 && !roll.allow_outage {
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
