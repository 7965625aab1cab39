//! Errors of calls to AWS, sorted by what the caller may conclude from them.
//!
//! | variant     | did it happen?        | what to do                      |
//! |-------------|-----------------------|---------------------------------|
//! | `Refused`   | no, and it never will | stop, say it                    |
//! | `Throttled` | no                    | the same again, later           |
//! | `NotSent`   | no                    | the same again, later           |
//! | `Unknown`   | perhaps               | look before anything else       |
//! | `Invalid`   | no: nothing was asked | a fault of the worker's         |
//!
//! A read has no effect, so its lost answer is as harmless as `NotSent`: nothing happened, ask again. It is
//! called `Unanswered` to keep the message honest.

use std::error::Error;
use std::sync::Arc;

/// The cause underneath, shared so that the error can be handed to several waiters.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why a call to AWS gave no result. `operation` is always `service:Operation`, as IAM policies write it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AwsError {
    /// AWS refused. The call had no effect, and the same call will be refused again.
    #[error("{operation} was refused: {code}: {message}")]
    Refused {
        /// `service:Operation`.
        operation: &'static str,
        /// AWS's error code.
        code: String,
        /// AWS's own words.
        message: String,
    },
    /// AWS asked to come back later. The call had no effect.
    #[error("{operation} has to wait: {code}: {message}")]
    Throttled {
        /// `service:Operation`.
        operation: &'static str,
        /// AWS's error code.
        code: String,
        /// AWS's own words.
        message: String,
    },
    /// The request was never sent: no credentials, no route, connection refused. The call had no effect.
    #[error("{operation} could not be sent")]
    NotSent {
        /// `service:Operation`.
        operation: &'static str,
        /// The error that was in the way.
        #[source]
        source: Cause,
    },
    /// A read got no usable answer. Reads have no effect, so the caller can ask again.
    #[error("{operation} got no answer")]
    Unanswered {
        /// `service:Operation`.
        operation: &'static str,
        /// How the answer was lost.
        #[source]
        source: Cause,
    },
    /// A write was sent and its answer is lost, or AWS failed while it worked on it: the write may have
    /// happened.
    #[error("{operation} may or may not have happened")]
    Unknown {
        /// `service:Operation`.
        operation: &'static str,
        /// How the answer was lost.
        #[source]
        source: Cause,
    },
    /// The call would have meant something other than it says (an empty process list means *all*), or AWS's
    /// listing does not end. Nothing was sent, or nothing was changed.
    #[error("{operation} was not made: {reason}")]
    Invalid {
        /// `service:Operation`.
        operation: &'static str,
        /// What is wrong with the call.
        reason: &'static str,
    },
}

/// A server's failure in the server's own words, as the cause of `Unknown` and `Unanswered`.
#[derive(Debug, thiserror::Error)]
#[error("HTTP {status}: {code}: {message}")]
pub(super) struct ServerFailure {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
}

impl AwsError {
    /// The error of a listing that did not end within its bound.
    pub(super) fn too_long(operation: &'static str) -> Self {
        Self::Invalid {
            operation,
            reason: "its listing goes on for more pages than any quota allows",
        }
    }

    /// `service:Operation`.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Refused { operation, .. }
            | Self::Throttled { operation, .. }
            | Self::NotSent { operation, .. }
            | Self::Unanswered { operation, .. }
            | Self::Unknown { operation, .. }
            | Self::Invalid { operation, .. } => operation,
        }
    }

    /// True when the call may have happened: look at AWS before anything else.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }

    /// True when the call did not happen, or had no effect, and may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Throttled { .. } | Self::NotSent { .. } | Self::Unanswered { .. }
        )
    }

    /// True when AWS refused the call, or the call was invalid.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Invalid { .. })
    }

    /// True when AWS said that the resource does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code().is_some_and(|code| NOT_FOUND.contains(&code))
    }

    /// AWS's error code, where AWS gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } | Self::Throttled { code, .. } => Some(code),
            _ => None,
        }
    }

    /// What to do, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { operation, code, .. } if DENIED.contains(&code.as_str()) => Some(format!(
                "allow `{operation}` in the IAM policy of the worker's role"
            )),
            Self::Refused { code, .. } if BAD_CREDENTIALS.contains(&code.as_str()) => {
                Some("the worker's AWS credentials are expired or not valid: renew them".to_owned())
            }
            Self::NotSent { .. } => Some(
                "check the region, the credentials (instance profile) and the route to the AWS endpoint"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// Codes for "this does not exist", as CloudWatch has them.
const NOT_FOUND: [&str; 3] = [
    "ResourceNotFound",
    "ResourceNotFoundException",
    "TargetGroupNotFound",
];

/// Codes for "not allowed". Each service has its own.
const DENIED: [&str; 4] = [
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "Client.UnauthorizedOperation",
];

/// Codes for credentials that AWS does not accept.
const BAD_CREDENTIALS: [&str; 8] = [
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "RequestExpired",
    "IncompleteSignature",
];

/// Codes for "later": rate limits, and what is busy with another change. AWS checks these before it acts.
/// `TooManyUpdates` is Parameter Store's, also for a parameter that is created within 30 s of its deletion
/// (AWS Systems Manager API Reference, "DeleteParameter").
const LATER: [&str; 18] = [
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "ResourceContention",
    "ResourceContentionFault",
    "ScalingActivityInProgress",
    "SlowDown",
    "Throttling",
    "ThrottledException",
    "ThrottlingException",
    "TooManyRequestsException",
    "TooManyUpdates",
    "TransactionInProgressException",
];

/// Whether a call changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// The call only reads.
    Read,
    /// The call changes something.
    Write,
}

/// The error of a call whose answer is lost.
pub(super) fn lost(operation: &'static str, effect: Effect, source: Cause) -> AwsError {
    match effect {
        Effect::Read => AwsError::Unanswered { operation, source },
        Effect::Write => AwsError::Unknown { operation, source },
    }
}

/// The error of a call that AWS answered with an error.
pub(super) fn answered(
    operation: &'static str,
    effect: Effect,
    status: u16,
    code: Option<&str>,
    message: Option<&str>,
) -> AwsError {
    let message = message.unwrap_or("no message").to_owned();
    let known = code.unwrap_or("no code").to_owned();
    match status {
        _ if LATER.contains(&known.as_str()) => AwsError::Throttled {
            operation,
            code: known,
            message,
        },
        429 => AwsError::Throttled {
            operation,
            code: known,
            message,
        },
        500.. => lost(
            operation,
            effect,
            Arc::new(ServerFailure {
                status,
                code: known,
                message,
            }),
        ),
        _ => AwsError::Refused {
            operation,
            code: known,
            message,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATION: &str = "autoscaling:SuspendProcesses";

    fn write(status: u16, code: &str) -> AwsError {
        answered(OPERATION, Effect::Write, status, Some(code), Some("said so"))
    }

    #[test]
    fn a_no_is_refused_and_names_the_operation() {
        let error = write(400, "ValidationError");
        assert!(error.is_refused() && !error.is_transient() && !error.is_unknown());
        assert_eq!(
            error.to_string(),
            "autoscaling:SuspendProcesses was refused: ValidationError: said so"
        );
        assert_eq!(error.hint(), None);
    }

    #[test]
    fn denied_names_the_action_to_allow() {
        for code in DENIED {
            let hint = write(403, code).hint().unwrap();
            assert!(hint.contains(OPERATION), "{hint}");
        }
    }

    #[test]
    fn throttling_did_not_happen_whatever_its_status() {
        for (status, code) in [
            (400, "Throttling"),
            (503, "RequestLimitExceeded"),
            (429, "anything"),
        ] {
            let error = write(status, code);
            assert!(error.is_transient() && !error.is_unknown(), "{error:?}");
        }
    }

    #[test]
    fn a_server_failure_is_unknown_on_write_and_transient_on_read() {
        assert!(write(500, "InternalFailure").is_unknown());
        let read = answered(OPERATION, Effect::Read, 503, None, None);
        assert!(read.is_transient() && !read.is_unknown());
    }
}
