//! How many healthy targets must be left when another host is taken out.

use jiff::Timestamp;

use super::fold::Release;
use crate::fleet::{HostPlan, Plan};

impl Release {
    /// The floor of a target group: the plan's, less the hosts that left the fleet meanwhile, which nobody
    /// can bring back. The group's own thresholds do not fall with them.
    pub fn floor(&self, target_group: &str) -> u32 {
        let Some(plan) = &self.plan else { return u32::MAX };
        let Some(group) = plan.target_groups.get(target_group) else {
            return 0;
        };
        let floor = self.less_gone(plan, group.floor, target_group, |_| true);
        match group.zone_floors.is_empty() {
            true => floor.max(self.own_floor(plan, target_group, group.floor, group.registered, |_| true)),
            false => floor,
        }
    }

    /// The floor of a target group in one availability zone; 0 where its zones are not told apart.
    pub fn zone_floor(&self, target_group: &str, zone: &str) -> u32 {
        let Some(plan) = &self.plan else { return u32::MAX };
        let group = plan.target_groups.get(target_group);
        let floor = group
            .and_then(|group| group.zone_floors.get(zone))
            .copied()
            .unwrap_or(0);
        let in_zone = |host: &HostPlan| host.zone == zone;
        let registered = count(plan.hosts_in(target_group).filter(|host| in_zone(host)));
        let own = self.own_floor(plan, target_group, floor, registered, in_zone);
        self.less_gone(plan, floor, target_group, in_zone).max(own)
    }

    /// The floor of a target group during rollback: the plan's, or less where fewer targets are healthy now.
    /// A host that is sick by itself was not taken out by us, and must not keep the others half-way.
    /// `healthy` counts the targets in service, `out` the hosts that we have out and that are becoming
    /// healthy: of their sum, as many as `max_unavailable` says may be out. The last healthy target is not
    /// taken, unless none was healthy at the start or `allow_outage` says so.
    pub fn floor_on_rollback(&self, target_group: &str, healthy: u32, out: u32) -> u32 {
        self.floor(target_group).min(self.most_kept(healthy, out))
    }

    /// The same for a zone that has a floor of its own. Its last healthy target may be taken while other
    /// zones serve, because the load balancer sends nobody to a zone without one.
    pub fn zone_floor_on_rollback(&self, target_group: &str, zone: &str, healthy: u32, out: u32) -> u32 {
        match healthy.saturating_add(out) {
            0 | 1 => 0,
            _ => self
                .zone_floor(target_group, zone)
                .min(self.most_kept(healthy, out)),
        }
    }

    fn most_kept(&self, healthy: u32, out: u32) -> u32 {
        let Some(plan) = &self.plan else { return u32::MAX };
        let roll = &plan.definition.roll;
        let all = healthy.saturating_add(out);
        let floor = all.saturating_sub(roll.max_unavailable.of(all));
        floor.max(u32::from(!roll.allow_outage))
    }

    /// Whether a host is out and becoming healthy again. A host that cannot go back, or was registered again during
    /// rollback and did not become healthy, does not count: its health is what the load balancer says.
    pub fn comes_back(&self, host: &HostPlan, now: Timestamp) -> bool {
        self.is_out(host) && !self.is_lost_on_its_rollback(host, now)
    }

    /// What the group's own thresholds ask for of the targets that are still registered; 0 where the plan's
    /// floor, `planned`, does not keep them, because nobody was healthy at the start.
    fn own_floor(
        &self,
        plan: &Plan,
        target_group: &str,
        planned: u32,
        registered: u32,
        counts: impl Fn(&HostPlan) -> bool,
    ) -> u32 {
        let group = plan.target_groups.get(target_group);
        let threshold = group.map(|group| group.threshold).unwrap_or_default();
        if threshold.floor(registered) > planned {
            return 0;
        }
        let gone = |host: &&HostPlan| self.gone.contains(&host.instance) && counts(host);
        let gone = count(plan.hosts_in(target_group).filter(gone));
        threshold.floor(registered.saturating_sub(gone))
    }

    fn less_gone(
        &self,
        plan: &Plan,
        floor: u32,
        target_group: &str,
        counts: impl Fn(&HostPlan) -> bool,
    ) -> u32 {
        let was_healthy = |host: &HostPlan| {
            let mut targets = host.targets.iter();
            targets.any(|target| target.target_group == target_group && target.was_healthy())
        };
        let gone = |host: &&HostPlan| self.gone.contains(&host.instance) && counts(host) && was_healthy(host);
        let gone = count(plan.hosts.iter().filter(gone));
        let least = floor.min(u32::from(!plan.definition.roll.allow_outage));
        floor.saturating_sub(gone).max(least)
    }
}

fn count<'h>(hosts: impl Iterator<Item = &'h HostPlan>) -> u32 {
    u32::try_from(hosts.count()).unwrap_or(u32::MAX)
}
