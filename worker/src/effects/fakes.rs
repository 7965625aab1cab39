//! What the unit tests of the steps share: a release with its plan, and faults for the fakes of the ports.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use drawgate_rehearsal::World;
use drawgate_rehearsal::sim::Sim;
use drawgate_rollout::{Release, StepOutcome};
use tokio::time::{Duration, Instant};

use super::task::Task;
use crate::aws::AwsError;
use crate::clock::RollClock;

/// What becomes of the next call of an operation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Refused,
    Throttled,
    /// Done, and its answer is lost.
    Lost,
}

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
    pub(super) fn write(
        &self,
        operation: &'static str,
        what: &str,
        act: impl FnOnce(),
    ) -> Result<(), AwsError> {
        self.made.lock().unwrap().push(format!("{operation} {what}"));
        let fault = self.faults.lock().unwrap().remove(operation);
        let (code, message) = ("Said".to_owned(), "so".to_owned());
        match fault {
            Some(Fault::Refused) => Err(AwsError::Refused {
                operation,
                code,
                message,
            }),
            Some(Fault::Throttled) => Err(AwsError::Throttled {
                operation,
                code,
                message,
            }),
            Some(Fault::Lost) => {
                act();
                let source = Arc::new(std::io::Error::other("connection reset"));
                Err(AwsError::Unknown { operation, source })
            }
            None => {
                act();
                Ok(())
            }
        }
    }

    /// The writes since the last look, in their order.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.made.lock().unwrap())
    }
}

/// A release of two hosts that has rolled both.
pub(super) fn release(world: World) -> Release {
    Sim::new(world).finish().release().clone()
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
