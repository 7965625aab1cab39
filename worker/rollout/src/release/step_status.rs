//! The status of a step: what came of it so far, and whether it is tried again.

use drawgate_schemas::Direction;
use jiff::Timestamp;

use super::fold::Release;
use super::patience;
use super::steps::StepState;
use crate::failure::Failure;
use crate::fleet::HostPlan;
use crate::journal::{Patience, Phase, Step, StepOutcome};
use crate::limits::{self, after, backoff_ms};

/// The status of a step, for `decide`.
#[derive(Debug, Clone, PartialEq)]
pub enum StepStatus<'a> {
    Fresh,
    /// An intent without an outcome.
    Running,
    Done,
    /// Not done yet; not to be tried before this moment.
    Again {
        at: Timestamp,
    },
    /// Not done, and not tried any more.
    Failed(&'a Failure),
}

impl Release {
    /// The status of a step.
    pub fn step_status(&self, step: &Step, now: Timestamp) -> StepStatus<'_> {
        let Some(state) = self.steps.get(step) else {
            return StepStatus::Fresh;
        };
        let Some(last) = &state.last else {
            return StepStatus::Running;
        };
        match last {
            StepOutcome::Done { .. } | StepOutcome::AlreadyDone { .. } => StepStatus::Done,
            StepOutcome::Refused { failure } => self.after_refusal(step, state, failure),
            _ if *step == Step::Watch => self.after_blindness(state, last, now),
            _ if *step == Step::WatchHosts => StepStatus::Again {
                at: watched_again_at(state),
            },
            StepOutcome::Transient { failure } | StepOutcome::Unknown { failure } => {
                self.after_setback(step, state, failure, now)
            }
        }
    }

    /// The status of a watch that ended without reading the alarms. A watch is patient by itself while it
    /// cannot read them, so that its failure is final. A watch that was broken off begins anew, but not for
    /// ever.
    fn after_blindness<'a>(
        &self,
        state: &StepState,
        last: &'a StepOutcome,
        now: Timestamp,
    ) -> StepStatus<'a> {
        let given_up_at = after(state.patient_from, patience::patience_ms(&Step::Watch, self));
        match last {
            // After a takeover the watch begins at once, because nothing goes on unwatched.
            StepOutcome::Unknown { .. } if state.last_at == state.patient_from => {
                StepStatus::Again { at: state.last_at }
            }
            StepOutcome::Unknown { .. } if now < given_up_at => StepStatus::Again {
                at: after(state.last_at, limits::BACKOFF_LAST_MS),
            },
            outcome => outcome.failure().map_or(StepStatus::Done, StepStatus::Failed),
        }
    }

    fn after_refusal<'a>(&self, step: &Step, state: &StepState, failure: &'a Failure) -> StepStatus<'a> {
        if step.restores() && state.refusals < limits::RESTORE_REFUSALS {
            return StepStatus::Again {
                at: after(state.last_at, backoff_ms(state.attempts)),
            };
        }
        StepStatus::Failed(failure)
    }

    fn after_setback<'a>(
        &self,
        step: &Step,
        state: &StepState,
        failure: &'a Failure,
        now: Timestamp,
    ) -> StepStatus<'a> {
        let not_passed = matches!(state.last, Some(StepOutcome::Transient { .. }));
        if let Some((attempts, interval_ms)) = self.counted_attempts(step).filter(|_| not_passed) {
            if state.attempts >= attempts {
                return StepStatus::Failed(failure);
            }
            return StepStatus::Again {
                at: after(state.last_at, interval_ms),
            };
        }
        // The floor alone rolls no release back: `sick.rs` bounds how long the roll waits for it.
        if goes(step, Direction::Forward) && state.kept().is_some() && state.attempts < limits::ATTEMPTS {
            return StepStatus::Again {
                at: after(state.last_at, limits::kept_again_ms(state.attempts)),
            };
        }
        // What may have happened is looked at once more, however late it is.
        let may_have_happened = !not_passed && !step.reads() && !step.is_bounded_wait();
        let looked_at_ms = if may_have_happened { limits::CALL_MS } else { 0 };
        let patient_from = state.patient_from.max(self.floor_rose_at(step, state));
        let patience_ms = patience::patience_after_ms(step, state, self);
        let given_up_at = after(patient_from, patience_ms.saturating_add(looked_at_ms));
        // An attempt of a bounded wait ends a little before its time, to tell what it saw last. The time left
        // is too short for another attempt, which would tell less.
        let too_little_ms = match &self.plan {
            Some(plan) if step.is_bounded_wait() => 1_000 + 2 * plan.definition.roll.poll_interval_ms,
            _ => 0,
        };
        if after(now, too_little_ms) >= given_up_at || state.attempts >= limits::ATTEMPTS {
            return StepStatus::Failed(failure);
        }
        // The step itself waits for the lock: a pause would only let another release take it first.
        let pause_ms = match step {
            Step::Lock => 0,
            _ if state.kept().is_some() => limits::kept_again_ms(state.attempts),
            _ => backoff_ms(state.attempts),
        };
        StepStatus::Again {
            at: after(state.last_at, pause_ms),
        }
    }

    /// When the last host came back into service, for a host that the floor keeps from going back: what kept it
    /// may be over since then.
    fn floor_rose_at(&self, step: &Step, state: &StepState) -> Timestamp {
        if !goes(step, Direction::Back) || state.kept().is_none() {
            return state.patient_from;
        }
        let awaits = |host: &HostPlan| {
            let awaits = Step::on_host(&host.instance, Direction::Back, Phase::AwaitHealthy);
            self.steps
                .get(&awaits)
                .filter(|_| self.done(&awaits))
                .map(|state| state.last_at)
        };
        self.hosts()
            .filter_map(awaits)
            .max()
            .unwrap_or(state.patient_from)
    }

    /// The number of attempts and the time between them, for a step that has them in the service's file.
    fn counted_attempts(&self, step: &Step) -> Option<(u32, u64)> {
        let definition = &self.plan.as_ref()?.definition;
        match step.properties().patience {
            Patience::Verify => Some((definition.verify.attempts, definition.verify.interval_ms)),
            Patience::After => {
                let after = definition.after.as_ref()?;
                Some((after.attempts, after.interval_ms))
            }
            _ => None,
        }
    }

    /// Whether a step was begun, whatever came of it.
    pub fn begun(&self, step: &Step) -> bool {
        self.steps.contains_key(step)
    }

    /// Whether a step has come to a good end.
    pub fn done(&self, step: &Step) -> bool {
        let last = self.steps.get(step).and_then(|state| state.last.as_ref());
        last.is_some_and(|outcome| outcome.evidence().is_some())
    }

    /// Whether the last attempt of a step was refused.
    pub fn was_refused(&self, step: &Step) -> bool {
        let last = self.steps.get(step).and_then(|state| state.last.as_ref());
        matches!(last, Some(StepOutcome::Refused { .. }))
    }

    /// Set when another worker has taken the fleet while no driver ran this release: nothing more may be done
    /// to the fleet then.
    pub fn lost_to_another(&self) -> Option<&Failure> {
        let another = self.leased_to_another.as_ref();
        another.filter(|_| self.changed_anything())
    }

    /// Whether anything that could be left behind was changed, or may have been.
    pub fn changed_anything(&self) -> bool {
        self.steps.change_anything()
    }

    /// When the bake is over, if it has begun. After a takeover an unfinished bake begins anew.
    pub fn bakes_until(&self) -> Option<Timestamp> {
        let state = self.steps.get(&Step::Bake)?;
        let plan = self.plan.as_ref()?;
        Some(after(state.patient_from, plan.definition.alarms.bake_ms))
    }
}

/// Whether this is a phase of a host in that direction.
fn goes(step: &Step, towards: Direction) -> bool {
    matches!(step, Step::Host { direction, .. } if *direction == towards)
}

/// When a watch over hosts that was broken off begins anew: at once after a takeover, because nothing goes on
/// unwatched. It is never given up, because a host that cannot be seen says nothing against the version.
fn watched_again_at(state: &StepState) -> Timestamp {
    match state.last_at == state.patient_from {
        true => state.last_at,
        false => after(state.last_at, limits::BACKOFF_LAST_MS),
    }
}
