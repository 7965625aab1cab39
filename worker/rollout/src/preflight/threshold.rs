//! The target group's own thresholds: below them the load balancer takes a zone out of DNS, or sends requests to
//! unhealthy targets too (Elastic Load Balancing, "Target group health"). A roll must not bring that about.

use super::finding::Finding;
use crate::fleet::{HealthThreshold, TargetGroupSnapshot};

/// The targets that a threshold is about: the whole group, or one zone's where its targets serve that zone
/// alone.
pub(super) struct Place<'z> {
    pub(super) zone: Option<&'z str>,
    /// Registered targets.
    pub(super) registered: u32,
    /// Healthy ones among them.
    pub(super) healthy: u32,
    /// Hosts of the fleet that are not healthy: they are rolled first, and are healthy then.
    pub(super) sick: u32,
    /// Hosts that may be out by the service's file.
    pub(super) most: u32,
}

/// Registered targets of a group. Snapshots of earlier versions know of the healthy ones alone.
pub(super) fn registered(group: &TargetGroupSnapshot) -> u32 {
    group.registered.max(group.healthy)
}

/// The floor that the group's own thresholds ask for, where they allow fewer hosts out than the service's file,
/// with the hosts that may be out then. Refuses where that is none.
pub(super) fn judge(
    group: &TargetGroupSnapshot,
    place: &Place<'_>,
    findings: &mut Vec<Finding>,
) -> Option<(u32, Option<u32>)> {
    let Asked {
        floor,
        attribute,
        value,
        below,
    } = most_asked(group, place.registered)?;
    let room = (place.healthy + place.sick).saturating_sub(floor);
    if room >= place.most {
        return Some((floor, None)).filter(|_| place.healthy < floor + place.most);
    }
    let of = match place.zone {
        None => format!("{} registered targets", place.registered),
        Some(zone) => format!("{} registered targets in {zone}", place.registered),
    };
    let asks = format!("{attribute} is {value}: {floor} of {of} must stay healthy");
    if room > 0 {
        let what = format!(
            "{asks}, so {room} at most are out at once, and not max_unavailable, {}",
            place.most
        );
        findings.push(Finding::warn(&group.name, what));
        return Some((floor, Some(room)));
    }
    let what = format!("{asks}, and {} are: no host can be taken out", place.healthy);
    let hint = format!("{below}: add a host, or lower that attribute of the target group for the release");
    findings.push(Finding::refuse(&group.name, what, hint));
    Some((floor, None))
}

/// What one of the group's attributes asks for.
struct Asked {
    floor: u32,
    attribute: String,
    /// Its value, for a person.
    value: String,
    /// What the load balancer does where it is not kept.
    below: &'static str,
}

/// The attribute that asks for most, if one asks for more than one healthy target.
fn most_asked(group: &TargetGroupSnapshot, registered: u32) -> Option<Asked> {
    let actions = [
        (
            "dns_failover",
            group.dns_failover,
            "below it the load balancer is taken out of DNS",
        ),
        (
            "unhealthy_state_routing",
            group.unhealthy_state_routing,
            "below it the load balancer sends requests to unhealthy targets too",
        ),
    ];
    let mut most: Option<Asked> = None;
    for (action, threshold, below) in actions {
        let HealthThreshold { count, percentage } = threshold;
        let alone = [
            (
                "count",
                HealthThreshold { count, percentage: 0 },
                count.to_string(),
            ),
            (
                "percentage",
                HealthThreshold { count: 0, percentage },
                format!("{percentage} %"),
            ),
        ];
        for (kind, threshold, value) in alone {
            let floor = threshold.floor(registered);
            if floor > most.as_ref().map_or(0, |most| most.floor) {
                let attribute = format!("target_group_health.{action}.minimum_healthy_targets.{kind}");
                most = Some(Asked {
                    floor,
                    attribute,
                    value,
                    below,
                });
            }
        }
    }
    most
}
