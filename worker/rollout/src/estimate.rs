//! How long a plan will take, and which settings cost most of that time, known before anything is touched.
//!
//! ```text
//!   two at a time   |== host 1 ==|== host 3 ==|
//!                   |===== host 2 =====|=== host 4 ===| bake |
//!                                                             ^ expected
//! ```
//! Hosts begin as `decide` lets them begin: in their order, the canary first, as many at once as the plan
//! allows. A host takes the time that the load balancer makes it wait, and [`HOST_MS`] for the rest. A pull
//! or a hook is in no sum, because nobody can know its time before.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::fleet::{HostPlan, Plan, TargetGroupPlan};
use crate::limits::HOST_MS;

/// How long a plan will take, and where the time goes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Hosts in the order in which they go out.
    pub hosts: Vec<HostEstimate>,
    /// When the canary has been watched for long enough, in milliseconds from the first host's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_until_ms: Option<u64>,
    /// The end of the last host and of the bake, in milliseconds from the first host's start.
    pub expected_ms: u64,
    /// The parts of that time, the largest first.
    pub costs: Vec<Cost>,
}

/// One host's time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostEstimate {
    /// The EC2 instance's id.
    pub instance: String,
    /// When it goes out, in milliseconds from the first host's start.
    pub from_ms: u64,
    /// How long until it counts as good again.
    pub takes_ms: u64,
    /// The parts of that time, in their order.
    pub parts: Vec<Cost>,
}

impl HostEstimate {
    fn until_ms(&self) -> u64 {
        self.from_ms.saturating_add(self.takes_ms)
    }
}

/// A part of the time, by what sets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// What would have to be changed: a key of the service's file, or a setting of a target group.
    pub setting: String,
    pub ms: u64,
}

impl Cost {
    fn of(setting: impl Into<String>, ms: u64) -> Option<Self> {
        let setting = setting.into();
        (ms > 0).then_some(Self { setting, ms })
    }
}

impl Plan {
    /// How long the plan will take, and where the time goes.
    pub fn estimate(&self) -> Estimate {
        let (mut hosts, mut waits) = (Vec::new(), Vec::new());
        let mut from_ms = 0;
        let mut canary_until_ms = None;
        let mut rest = self.hosts.as_slice();
        if let Some(canary) = self.definition.roll.canary {
            let sick = rest.iter().filter(|host| !host.was_healthy()).count();
            let (first, others) = rest.split_at(rest.len().min(sick + canary.instances as usize));
            from_ms = self.wave(first, from_ms, &mut hosts);
            waits.extend(critical(&hosts));
            waits.extend(Cost::of("roll.canary.bake", canary.bake_ms));
            from_ms = from_ms.saturating_add(canary.bake_ms);
            canary_until_ms = Some(from_ms);
            rest = others;
        }
        let before = hosts.len();
        let hosts_until_ms = self.wave(rest, from_ms, &mut hosts);
        waits.extend(critical(hosts.get(before..).unwrap_or_default()));
        let bake_ms = self.definition.alarms.bake_ms;
        waits.extend(Cost::of("alarms.bake", bake_ms));
        Estimate {
            hosts,
            canary_until_ms,
            expected_ms: hosts_until_ms.saturating_add(bake_ms),
            costs: summed(waits),
        }
    }

    /// Lets these hosts begin from `from_ms` on; returns the end of the last one.
    fn wave(&self, wave: &[HostPlan], from_ms: u64, begun: &mut Vec<HostEstimate>) -> u64 {
        let mut now_ms = from_ms;
        let mut out: Vec<(u64, &str)> = Vec::new();
        for host in wave {
            loop {
                out.retain(|(until_ms, _)| *until_ms > now_ms);
                let elsewhere = out.iter().any(|(_, zone)| *zone != host.zone);
                let waits =
                    out.len() >= self.at_once() as usize || (self.definition.roll.zone_by_zone && elsewhere);
                let next = out.iter().map(|(until_ms, _)| *until_ms).min();
                match next.filter(|_| waits) {
                    Some(next_ms) => now_ms = next_ms,
                    None => break,
                }
            }
            let estimate = self.host_estimate(host, now_ms);
            // A host that takes no time at all still has its place.
            out.push((estimate.until_ms().max(now_ms + 1), &host.zone));
            begun.push(estimate);
        }
        let last = begun.iter().map(HostEstimate::until_ms).max();
        last.unwrap_or(from_ms).max(from_ms)
    }

    fn host_estimate(&self, host: &HostPlan, from_ms: u64) -> HostEstimate {
        let drain_ms = self.drain_ms(host);
        // The next hosts wait for the last of those that are out together.
        let healthy_after_ms = self.largest(host, |group| group.all_healthy_after_ms(self.out_together()));
        let parts: Vec<Cost> = [
            Cost::of(self.sets_drain(host, drain_ms), drain_ms),
            Cost::of("swap and verification", HOST_MS),
            Cost::of("interval of the image's HEALTHCHECK", self.verified_after_ms()),
            Cost::of("roll.nlb_registration", self.registration_ms(host)),
            Cost::of(self.sets_checks(host, healthy_after_ms), healthy_after_ms),
            Cost::of(self.sets_settling(host), self.min_healthy_ms(host)),
        ]
        .into_iter()
        .flatten()
        .collect();
        HostEstimate {
            instance: host.instance.clone(),
            from_ms,
            takes_ms: parts.iter().map(|part| part.ms).sum(),
            parts,
        }
    }

    fn sets_drain(&self, host: &HostPlan, drain_ms: u64) -> String {
        let delay = self.slowest(host, "deregistration delay of", drain_ms, |group| {
            group.deregistration_delay_s * 1000
        });
        let least = match self.definition.roll.min_drain_ms == drain_ms {
            true => "roll.min_drain",
            false => "roll.nlb_min_drain",
        };
        delay.unwrap_or_else(|| least.to_owned())
    }

    fn sets_checks(&self, host: &HostPlan, healthy_after_ms: u64) -> String {
        let checks = self.slowest(host, "health checks of", healthy_after_ms, |group| {
            group.all_healthy_after_ms(self.out_together())
        });
        checks.unwrap_or_default()
    }

    fn out_together(&self) -> u32 {
        let hosts = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        self.at_once().min(hosts)
    }

    fn sets_settling(&self, host: &HostPlan) -> String {
        let settles_ms = self.min_healthy_ms(host);
        let slow_start = self.slowest(host, "slow start of", settles_ms, |group| {
            group.slow_start_s * 1000
        });
        let second = || {
            self.slowest(host, "a second health check of", settles_ms, |group| {
                group.check_interval_s * 1000
            })
        };
        let in_file = || "roll.min_healthy_time".to_owned();
        slow_start.or_else(second).unwrap_or_else(in_file)
    }

    /// Names the target group in use that makes a host wait for so long.
    fn slowest(
        &self,
        host: &HostPlan,
        what: &str,
        ms: u64,
        ms_of: impl Fn(&TargetGroupPlan) -> u64,
    ) -> Option<String> {
        let mut groups = self.groups_in_use(host);
        let slowest = groups.find(|group| ms > 0 && ms_of(group) == ms);
        slowest.map(|group| format!("{what} {}", group.name))
    }
}

/// The time of the last host, and of the hosts that it had to wait for, in parts.
fn critical(hosts: &[HostEstimate]) -> Vec<Cost> {
    let mut parts = Vec::new();
    let mut next = hosts.iter().max_by_key(|host| host.until_ms());
    while let Some(host) = next {
        parts.extend(host.parts.iter().cloned());
        // Strictly earlier, or a fleet whose hosts take no time would have no end.
        next = hosts
            .iter()
            .find(|earlier| earlier.until_ms() == host.from_ms && earlier.from_ms < host.from_ms);
    }
    parts
}

/// One cost for each setting, the largest first.
fn summed(costs: Vec<Cost>) -> Vec<Cost> {
    let mut by_setting: BTreeMap<String, u64> = BTreeMap::new();
    for cost in costs {
        *by_setting.entry(cost.setting).or_default() += cost.ms;
    }
    let mut costs: Vec<Cost> = by_setting
        .into_iter()
        .map(|(setting, ms)| Cost { setting, ms })
        .collect();
    costs.sort_by_key(|cost| std::cmp::Reverse(cost.ms));
    costs
}
