//! How long a step takes in virtual time.

use drawgate_rollout::{HostPlan, Phase, Plan, Step, limits};

use super::Sim;
use crate::mutant::Mutant;

/// Time for a pull. On a real host nobody knows it beforehand.
const PULL_MS: u64 = 20_000;

/// More hosts than are out together as a rule. In a fleet of hundreds the last host would otherwise take minutes
/// longer than the first, which no load balancer asks for.
const OUT_TOGETHER: u64 = 16;

/// Spreads the first checks of hosts over the interval: prime to a hundred, so that hundred hosts in a row have
/// hundred different ones.
const FIRST_CHECKS: u64 = 37;

impl Sim {
    /// The time that a step takes. Steps of hosts with a higher number take a little longer, so that no two of
    /// those that are out together end at the same moment.
    pub(crate) fn takes_ms(&self, step: &Step) -> u64 {
        let n = step.instance().map_or(0, |instance| self.world.number(instance));
        let host = || {
            let plan = self.release().plan.as_deref()?;
            Some((plan, self.release().host(step.instance()?)?))
        };
        let base = match step {
            Step::Stage { .. } => PULL_MS,
            Step::Canary => {
                let canary = self.world.definition.roll.canary;
                self.left_of(canary.map_or(0, |canary| canary.bake_ms), step)
            }
            Step::Lock => 200,
            Step::Host {
                phase: Phase::Drain, ..
            } => self.left_of(host().map_or(0, |(plan, host)| plan.drain_ms(host)), step),
            // A worker that takes `initial` for healthy does not wait.
            Step::Host {
                phase: Phase::AwaitHealthy,
                ..
            } if self.mutant == Some(Mutant::TakesInitialForHealthy) => 1_000,
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
            } => host().map_or(0, |(plan, host)| self.settles_ms(plan, host, n)),
            _ => 1_000,
        };
        base.max(100) + 137 * (n % OUT_TOGETHER)
    }

    /// What is left of a wait that begins with the first attempt at a step, at a later attempt.
    fn left_of(&self, wait_ms: u64, step: &Step) -> u64 {
        let state = self.release().steps.get(step);
        let waited_ms = state.map_or(0, |state| limits::between_ms(state.begun_at, self.now));
        wait_ms.saturating_sub(waited_ms)
    }

    /// How long host number `n` takes to settle, by the load balancer's own clock and not by the plan's
    /// estimate: the moment of the first check differs from host to host, checks come at every interval from
    /// then on, and after the one that makes the target healthy the host has to pass another.
    fn settles_ms(&self, plan: &Plan, host: &HostPlan, n: u64) -> u64 {
        let roll = &plan.definition.roll;
        let groups = &self.world.fleet.target_groups;
        let (mut healthy_ms, mut stays_ms) = (0, roll.min_healthy_time_ms);
        for target in host.targets.iter().filter(|target| target.can_be_healthy()) {
            let Some(group) = groups.iter().find(|group| group.arn == target.target_group) else {
                continue;
            };
            let interval_ms = group.health_check_interval_s * 1000;
            let first_ms = interval_ms * (n * FIRST_CHECKS % 100) / 100;
            healthy_ms = healthy_ms.max(match group.passes_connections {
                false => first_ms,
                true => {
                    let others = group.healthy_threshold.saturating_sub(1);
                    roll.nlb_registration_ms + first_ms + others * interval_ms
                }
            });
            stays_ms = stays_ms.max(interval_ms).max(group.slow_start_s * 1000);
        }
        healthy_ms + stays_ms
    }
}
