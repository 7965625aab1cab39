//! What the SDK is told of each attempt at a call: whether it was sent, and whether it is made again.

use aws_sdk_autoscaling::config::interceptors::{BeforeTransmitInterceptorContextRef, InterceptorContext};
use aws_sdk_autoscaling::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_autoscaling::error::BoxError;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason,
};
use aws_smithy_types::retry::ErrorKind as RetryKind;

use super::limiter::Admission;

tokio::task_local! {
    /// What the current call may send, and whether anything of it has been handed to the HTTP client. The
    /// SDK's own error does not tell missing credentials from a connection that broke after sending.
    pub(super) static ADMITTED: Admission;
}

#[derive(Debug)]
pub(super) struct NoteAttempt;

impl Intercept for NoteAttempt {
    fn name(&self) -> &'static str {
        "drawgate-note-attempt"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Outside a call's scope there is no admission, and none is needed.
        let _ = ADMITTED.try_with(Admission::attempt);
        Ok(())
    }
}

/// Lets the SDK repeat only throttled calls, which AWS has not begun, and when the limiter says so; the
/// caller repeats everything else. Without this, a step of many calls would begin anew for each throttled
/// call.
#[derive(Debug)]
pub(super) struct OnlyThrottled;

impl ClassifyRetry for OnlyThrottled {
    fn name(&self) -> &'static str {
        "drawgate-only-throttled"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }

    fn classify_retry(&self, _: &InterceptorContext) -> RetryAction {
        RetryAction::RetryForbidden
    }

    fn classify_retry_v2(&self, _: &InterceptorContext, previous: &RetryAction) -> RetryAction {
        match previous {
            RetryAction::RetryIndicated(RetryReason::RetryableError {
                kind: RetryKind::ThrottlingError,
                ..
            }) => {
                // This is asked for every attempt, also for the last one, and more than once: by the retry
                // strategy and by the check for poisoned connections. No interceptor could tell, because an
                // operation's error has a type of its own there.
                let wait = ADMITTED.try_with(Admission::throttled);
                wait.map_or(RetryAction::NoActionIndicated, |wait| {
                    RetryAction::retryable_error_with_explicit_delay(RetryKind::ThrottlingError, wait)
                })
            }
            _ => RetryAction::RetryForbidden,
        }
    }
}
