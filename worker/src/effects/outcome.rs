//! Turns an adapter's error into the outcome that the core may conclude from it.

use std::error::Error;

use drawgate_rollout::{Failure, Obstacle, StepOutcome};
use tokio::time::{Instant, timeout_at};

use crate::aws::AwsError;
pub(super) use crate::error_chain as chain;
use crate::host::HostError;

/// The value of a part of an effect, or the outcome that ends the whole effect early.
pub(super) type Effect<T> = Result<T, StepOutcome>;

fn failure(error: &dyn Error, hint: Option<String>) -> Failure {
    let failure = Failure::new(chain(error));
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// Sorts an adapter's error into an outcome.
pub(super) trait Sorted<T> {
    /// The value, or the outcome that the error amounts to.
    fn sorted(self) -> Effect<T>;
}

impl<T> Sorted<T> for Result<T, AwsError> {
    fn sorted(self) -> Effect<T> {
        self.map_err(|error| {
            let failure = failure(&error, error.hint());
            match () {
                () if error.is_unknown() => StepOutcome::Unknown { failure },
                () if error.is_about_credentials() => StepOutcome::Transient {
                    failure: failure.with_obstacle(Obstacle::Credentials),
                },
                () if error.is_transient() => StepOutcome::Transient { failure },
                () => StepOutcome::Refused { failure },
            }
        })
    }
}

impl<T> Sorted<T> for Result<T, HostError> {
    fn sorted(self) -> Effect<T> {
        self.map_err(|error| {
            let failure = failure(&error, error.hint().map(str::to_owned));
            match () {
                () if error.is_unknown() => StepOutcome::Unknown { failure },
                () if error.is_transient() => StepOutcome::Transient { failure },
                () => StepOutcome::Refused { failure },
            }
        })
    }
}

/// A definite no, with this text.
pub(super) fn refused<T>(what: impl AsRef<str>) -> Effect<T> {
    Err(StepOutcome::Refused {
        failure: Failure::new(what),
    })
}

pub(super) fn not_yet<T>(what: impl AsRef<str>) -> Effect<T> {
    Err(StepOutcome::Transient {
        failure: Failure::new(what),
    })
}

/// Performs an effect until the deadline: without an answer by then the outcome is unknown.
pub(super) async fn within(deadline: Instant, effect: impl Future<Output = StepOutcome>) -> StepOutcome {
    let unknown = |_| StepOutcome::Unknown {
        failure: Failure::new("no answer within its time"),
    };
    timeout_at(deadline, effect).await.unwrap_or_else(unknown)
}

/// The outcome of an effect, however it ended.
pub(super) fn either(effect: Effect<StepOutcome>) -> StepOutcome {
    effect.unwrap_or_else(|outcome| outcome)
}
