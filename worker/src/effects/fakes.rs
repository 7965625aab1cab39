//! What the unit tests of the steps share: a release with its plan, and faults for the fakes of the ports.

mod cloudwatch;
mod parameters;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use drawgate_rehearsal::World;
use drawgate_rehearsal::sim::Sim;
use drawgate_rollout::{AlarmPlan, Release, StepOutcome};
use tokio::time::{Duration, Instant};

pub(super) use self::cloudwatch::CloudWatch;
pub(super) use self::parameters::Parameters;
use super::task::Task;
use crate::aws::AwsError;
use crate::clock::RollClock;

/// What becomes of the next call of an operation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Refused,
    /// Refused, with this code.
    RefusedAs(&'static str),
    Throttled,
    /// Done, and its answer is lost.
    Lost,
}

/// The ways in which a write can fail, and how the outcome of each is told.
pub(super) const FAULTS: [(Fault, &str); 3] = [
    (Fault::Refused, "refused: "),
    (Fault::Throttled, "transient: "),
    (Fault::Lost, "unknown: "),
];

/// The calls that a fake was asked for, and the faults it is told to have.
#[derive(Debug, Default)]
pub(super) struct Calls {
    made: Mutex<Vec<String>>,
    faults: Mutex<BTreeMap<&'static str, Fault>>,
}

impl Calls {
    pub(super) fn fail_once(&self, operation: &'static str, fault: Fault) {
        self.faults.lock().unwrap().insert(operation, fault);
    }

    /// Notes a write and does it, unless it is to fail.
    pub(super) fn write<T>(
        &self,
        operation: &'static str,
        what: &str,
        act: impl FnOnce() -> T,
    ) -> Result<T, AwsError> {
        self.made.lock().unwrap().push(format!("{operation} {what}"));
        let Some(fault) = self.faults.lock().unwrap().remove(operation) else {
            return Ok(act());
        };
        let (code, message) = ("Said".to_owned(), "so".to_owned());
        Err(match fault {
            Fault::Refused => AwsError::Refused {
                operation,
                code,
                message,
            },
            Fault::RefusedAs(code) => AwsError::Refused {
                operation,
                code: code.to_owned(),
                message,
            },
            Fault::Throttled => AwsError::Throttled {
                operation,
                code,
                message,
            },
            Fault::Lost => {
                act();
                let source = Arc::new(std::io::Error::other("connection reset"));
                AwsError::Unknown { operation, source }
            }
        })
    }

    /// The writes since the last look, in their order.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.made.lock().unwrap())
    }
}

/// An answer from before the last writes, and which of the next looks get it.
#[derive(Debug)]
pub(super) struct Old<T>(Mutex<Option<(T, Range<u32>)>>);

impl<T> Default for Old<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Old<T> {
    /// The next looks get it.
    pub(super) fn answer(&self, old: T, looks: u32) {
        self.answer_these(old, 0..looks);
    }

    /// The nth of the next looks gets it, counted from 0.
    pub(super) fn answer_nth(&self, old: T, nth: u32) {
        self.answer_these(old, nth..nth + 1);
    }

    fn answer_these(&self, old: T, looks: Range<u32>) {
        *self.0.lock().unwrap() = Some((old, looks));
    }

    /// What the next look sees where this is true now.
    pub(super) fn or(&self, now: T) -> T {
        match self.0.lock().unwrap().as_mut() {
            Some((old, looks)) if looks.end > 0 => {
                let is_old = looks.start == 0;
                *looks = looks.start.saturating_sub(1)..looks.end - 1;
                if is_old { old.clone() } else { now }
            }
            _ => now,
        }
    }
}

/// A release of two hosts that has rolled both.
pub(super) fn release(world: World) -> Release {
    Sim::new(world).finish().release().clone()
}

/// The same, with a plan to silence these alarms.
pub(super) fn release_with_alarms(world: World, names: &[&str]) -> Release {
    let mut release = release(world);
    let alarm = |name: &&str| AlarmPlan {
        name: (*name).to_owned(),
        arn: (*name).to_owned(),
        off_before: false,
    };
    let mut plan = release.plan.as_deref().unwrap().clone();
    plan.alarms = names.iter().map(alarm).collect();
    release.plan = Some(plan.into());
    release
}

pub(super) fn task(release: &Release) -> Task<'_> {
    Task {
        release,
        plan: release.plan.as_deref().unwrap(),
        deadline: Instant::now() + Duration::from_secs(60),
        clock: RollClock::set(release.accepted_at),
    }
}

/// The kind of an outcome and the text of its failure.
pub(super) fn told(outcome: &StepOutcome) -> String {
    let kind = match outcome {
        StepOutcome::Done { .. } => "done",
        StepOutcome::AlreadyDone { .. } => "already_done",
        StepOutcome::Refused { .. } => "refused",
        StepOutcome::Transient { .. } => "transient",
        StepOutcome::Unknown { .. } => "unknown",
    };
    match outcome.failure() {
        Some(failure) => format!("{kind}: {}", failure.what),
        None => kind.to_owned(),
    }
}
