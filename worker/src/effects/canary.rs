//! The canary step: watches the first hosts for a while before the other hosts follow.

use std::time::Duration;

use drawgate_rollout::{HostPlan, Release, Step, StepOutcome};
use drawgate_schemas::Direction;
use tokio::time::{Instant, sleep_until};

use super::connections::Effects;
use super::membership::Membership;
use super::outcome::{Effect, either, refused};
use super::task::Task;

impl Effects {
    pub(super) async fn canary(&self, task: Task<'_>) -> StepOutcome {
        either(self.try_canary(task).await)
    }

    /// Looks once per poll interval until the bake time is over, and once in any case. The bake time counts
    /// from the step's first intent, so a worker that takes the release over waits only for the rest.
    async fn try_canary(&self, task: Task<'_>) -> Effect<StepOutcome> {
        let poll = Duration::from_millis(task.plan.definition.roll.poll_interval_ms);
        let until = Instant::now() + left(task);
        loop {
            let look_at = Instant::now();
            for host in task.release.hosts().filter(|host| is_in(task.release, host)) {
                self.is_well(task, host, look_at).await?;
            }
            if Instant::now() >= until {
                return Ok(StepOutcome::done());
            }
            sleep_until((look_at + poll).min(until)).await;
        }
    }

    /// A canary that left the fleet says nothing about the version: neither its container nor its targets are
    /// required.
    async fn is_well(&self, task: Task<'_>, host: &HostPlan, look_at: Instant) -> Effect<()> {
        let Err(why) = self.looks_well(task, host, look_at).await else {
            return Ok(());
        };
        let membership = Box::pin(self.membership(&host.instance, host.group.as_deref())).await?;
        match membership {
            Membership::Gone { .. } => Ok(()),
            Membership::InService | Membership::Awaited(_) => Err(why),
        }
    }

    async fn looks_well(&self, task: Task<'_>, host: &HostPlan, look_at: Instant) -> Effect<()> {
        self.still_serves(task, host, Direction::Forward, &mut None)
            .await?;
        let awaited: Vec<_> = host
            .targets
            .iter()
            .filter(|target| target.can_be_healthy())
            .collect();
        match self
            .target_health(task)
            .first_unhealthy(host, &awaited, look_at)
            .await?
        {
            None => Ok(()),
            Some(unhealthy) => refused(format!("{}: {}", host.instance, unhealthy.why)),
        }
    }
}

/// Whether a host runs the new version, was healthy with it, and is still in the fleet.
fn is_in(release: &Release, host: &HostPlan) -> bool {
    release.is_through(&host.instance, Direction::Forward) && !release.gone.contains(&host.instance)
}

fn left(task: Task<'_>) -> Duration {
    let bake_ms = task
        .plan
        .definition
        .roll
        .canary
        .map_or(0, |canary| canary.bake_ms);
    let passed_ms = task
        .release
        .steps
        .get(&Step::Canary)
        .map_or(0, |state| task.since_ms(state.begun_at));
    Duration::from_millis(bake_ms.saturating_sub(passed_ms))
}
