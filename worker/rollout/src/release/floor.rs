//! How many healthy targets must be left when another host is taken out.

use super::fold::Release;
use crate::fleet::{HostPlan, Plan};

impl Release {
    /// The floor of a target group: the plan's, less the hosts that left the fleet meanwhile, which nobody
    /// can bring back.
    pub fn floor(&self, target_group: &str) -> u32 {
        let Some(plan) = &self.plan else { return u32::MAX };
        let floor = plan
            .target_groups
            .get(target_group)
            .map_or(0, |group| group.floor);
        self.less_gone(plan, floor, target_group, |_| true)
    }

    /// The floor of a target group in one availability zone; 0 where its zones are not told apart.
    pub fn zone_floor(&self, target_group: &str, zone: &str) -> u32 {
        let Some(plan) = &self.plan else { return u32::MAX };
        let group = plan.target_groups.get(target_group);
        let floor = group
            .and_then(|group| group.zone_floors.get(zone))
            .copied()
            .unwrap_or(0);
        self.less_gone(plan, floor, target_group, |host| host.zone == zone)
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

    /// Whether a host is out and becoming healthy again. A host that was registered again during rollback and
    /// did not become healthy does not count: its health is what the load balancer says.
    pub fn comes_back(&self, host: &HostPlan) -> bool {
        self.is_out(host) && !self.is_sick_on_its_rollback(host)
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
            targets.any(|target| target.target_group == target_group && target.state_before == "healthy")
        };
        let gone = plan
            .hosts
            .iter()
            .filter(|host| self.gone.contains(&host.instance) && counts(host) && was_healthy(host))
            .count();
        let least = floor.min(u32::from(!plan.definition.roll.allow_outage));
        floor
            .saturating_sub(u32::try_from(gone).unwrap_or(u32::MAX))
            .max(least)
    }
}
