//! How long a step takes in virtual time.

use drawgate_rollout::{Phase, Step};

use super::Sim;

/// Time for a pull. On a real host nobody knows it beforehand.
const PULL_MS: u64 = 20_000;

impl Sim {
    /// The time that a step takes. Steps of hosts with a higher number take a little longer, so that no two
    /// of them end at the same moment.
    pub(super) fn takes_ms(&self, step: &Step) -> u64 {
        let n = step.instance().map_or(0, |instance| self.world.number(instance));
        let host = || {
            let plan = self.release().plan.as_deref()?;
            Some((plan, self.release().host(step.instance()?)?))
        };
        let base = match step {
            Step::Stage { .. } => PULL_MS,
            Step::Canary => {
                let canary = self.world.definition.roll.canary;
                canary.map_or(0, |canary| canary.bake_ms)
            }
            Step::Lock => 200,
            Step::Host {
                phase: Phase::Drain, ..
            } => host().map_or(0, |(plan, host)| plan.drain_ms(host)),
            // The step waits for a sick host as long as it may.
            Step::Host {
                instance,
                phase: Phase::AwaitHealthy,
                ..
            } if self.world.hosts.get(instance).is_some_and(|host| host.sick) => {
                self.world.definition.roll.healthy_timeout_ms
            }
            Step::Host {
                phase: Phase::Verify, ..
            } => 1_000 + host().map_or(0, |(plan, _)| plan.verified_after_ms()),
            Step::Host {
                phase: Phase::AwaitHealthy,
                ..
            } => host().map_or(0, |(plan, host)| {
                plan.healthy_after_ms(host) + plan.min_healthy_ms(host)
            }),
            _ => 1_000,
        };
        base.max(100) + 137 * n
    }
}
