//! Maps a step to the effect that performs it.

use drawgate_rollout::{Evidence, Failure, HostPlan, ON_BASTION, Phase, Release, Step, StepOutcome};
use drawgate_schemas::Direction;
use tokio::time::Instant;

use super::connections::Effects;
use super::membership::Membership;
use super::outcome::within;
use super::task::Task;
use crate::clock::RollClock;

impl Effects {
    /// Performs a step once. Without an answer by the deadline the outcome is unknown.
    pub async fn perform(
        &self,
        release: &Release,
        step: &Step,
        deadline: Instant,
        clock: RollClock,
    ) -> StepOutcome {
        self.note_in_use(release);
        let performed = Box::pin(self.perform_unbounded(release, step, deadline, clock));
        within(deadline, performed).await
    }

    async fn perform_unbounded(
        &self,
        release: &Release,
        step: &Step,
        deadline: Instant,
        clock: RollClock,
    ) -> StepOutcome {
        match step {
            Step::Resolve => return Box::pin(self.resolve(release)).await,
            Step::Inspect => return Box::pin(self.inspect(release)).await,
            _ => {}
        }
        let Some(plan) = release.plan.as_deref() else {
            return StepOutcome::Refused {
                failure: Failure::new("there is no plan yet"),
            };
        };
        let task = Task {
            release,
            plan,
            deadline,
            clock,
        };
        match step {
            // Locks and lease are the ledger's: the driver of the release takes them.
            Step::Resolve
            | Step::Control
            | Step::Inspect
            | Step::Lock
            | Step::TakeLease
            | Step::GiveLeaseBack => StepOutcome::already(),
            Step::Suspend { group } => Box::pin(self.suspension(task).suspend(group)).await,
            Step::Resume { group } => Box::pin(self.suspension(task).resume(group)).await,
            Step::LetReplace { group } => Box::pin(self.suspension(task).let_replace(group)).await,
            Step::AwaitFloor => Box::pin(self.target_health(task).await_floor()).await,
            Step::SuspendAgain { group } => Box::pin(self.suspension(task).suspend_again(group)).await,
            Step::Silence if plan.mutes() => Box::pin(self.muting(task).mute()).await,
            Step::Silence => Box::pin(self.silencing(task).silence()).await,
            Step::Unsilence if plan.mutes() => Box::pin(self.muting(task).unmute()).await,
            Step::Unsilence => Box::pin(self.silencing(task).unsilence()).await,
            Step::Canary => Box::pin(self.canary(task)).await,
            Step::ProvePermissions => Box::pin(self.prove_permissions(task)).await,
            Step::ReserveDesired => Box::pin(self.desired_version(task).reserve()).await,
            Step::PublishDesired => Box::pin(self.desired_version(task).publish()).await,
            Step::RestoreDesired => Box::pin(self.desired_version(task).restore()).await,
            Step::DetectJoined => Box::pin(self.detect_joined(task)).await,
            Step::Renew => Box::pin(self.muting(task).mute()).await,
            Step::Watch => Box::pin(self.watch_alarms(task)).await,
            Step::WatchHosts => Box::pin(self.hosts_watch(task).watch()).await,
            Step::Bake => Box::pin(self.bake(task)).await,
            Step::RunAfter => Box::pin(self.after(task)).await,
            Step::Confirm => Box::pin(self.confirm(task)).await,
            Step::CreateBefore { instance } | Step::RunBefore { instance } => {
                match release.host(instance) {
                    // Not `on_member`: if the host goes away during `[before]`, how far it came is not known.
                    Some(host) => Box::pin(self.before(task, step, host)).await,
                    None => StepOutcome::Refused {
                        failure: Failure::new("not a host of this release"),
                    },
                }
            }
            Step::Stage { instance } | Step::CleanUp { instance } | Step::Host { instance, .. } => {
                match release.host(instance) {
                    Some(host) => self.on_member(task, step, host).await,
                    None => StepOutcome::Refused {
                        failure: Failure::new("not a host of this release"),
                    },
                }
            }
        }
    }

    /// A host that does not answer may be gone: then its leftovers do not matter, and the release does not
    /// wait for it.
    async fn on_member(&self, task: Task<'_>, step: &Step, host: &HostPlan) -> StepOutcome {
        let outcome = Box::pin(self.on_host(task, step, host)).await;
        if outcome.failure().is_none() || host.instance == ON_BASTION {
            return outcome;
        }
        match Box::pin(self.membership(&host.instance, host.group.as_deref())).await {
            Ok(Membership::Gone { why, .. }) => {
                self.hosts.close_those(|id| id == host.instance).await;
                StepOutcome::Done {
                    evidence: Evidence::Gone { why },
                }
            }
            _ => outcome,
        }
    }

    async fn on_host(&self, task: Task<'_>, step: &Step, host: &HostPlan) -> StepOutcome {
        let Step::Host { direction, phase, .. } = step else {
            return match step {
                Step::Stage { .. } => Box::pin(self.stage(task, host)).await,
                _ => Box::pin(self.clean_up(task, host)).await,
            };
        };
        if host.instance == ON_BASTION {
            return Box::pin(self.on_host_in_turn(task, host, *phase, *direction)).await;
        }
        // Between its phases, which may be minutes apart, its connection is kept before others.
        self.host(host).has_turn(true);
        let outcome = Box::pin(self.on_host_in_turn(task, host, *phase, *direction)).await;
        if *phase == Phase::AwaitHealthy && outcome.failure().is_none() {
            self.host(host).has_turn(false);
        }
        outcome
    }

    async fn on_host_in_turn(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        phase: Phase,
        direction: Direction,
    ) -> StepOutcome {
        if let (Phase::Swap, Some(command)) = (phase, task.plan.definition.command()) {
            return Box::pin(self.run_swap(task, host, command, direction)).await;
        }
        let registration = self.registration(task);
        match (phase, direction) {
            (Phase::Create, _) => Box::pin(self.create(task, host)).await,
            (Phase::Deregister, _) => Box::pin(registration.deregister(host, direction)).await,
            (Phase::Drain, _) => Box::pin(registration.drain(host, direction)).await,
            (Phase::Swap, Direction::Forward) => Box::pin(self.swap_forward(task, host)).await,
            (Phase::Swap, Direction::Back) => Box::pin(self.swap_back(task, host)).await,
            (Phase::Verify, _) => Box::pin(self.verify(task, host, direction)).await,
            (Phase::SetRestartPolicy, _) => Box::pin(self.set_restart_policy(task, host, direction)).await,
            (Phase::Register, _) => Box::pin(registration.register(host, direction)).await,
            (Phase::AwaitHealthy, _) => Box::pin(registration.await_healthy(host, direction)).await,
        }
    }
}
