//! Errors of calls to AWS, sorted by what the caller may conclude from them.
//!
//! | variant       | did it happen?        | what to do                            |
//! |---------------|-----------------------|---------------------------------------|
//! | `Refused`     | no, and it never will | stop, say it                          |
//! | `Throttled`   | no                    | the same again, later                 |
//! | `NotAccepted` | no                    | the same again, with new credentials  |
//! | `NotSent`     | no                    | the same again, later                 |
//! | `Unknown`     | perhaps               | look before anything else             |
//! | `Invalid`     | no: nothing was asked | a fault of the worker's               |
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
    /// AWS does not accept the credentials of the call: they have expired, or AWS does not know them, or the
    /// signature is not theirs. That says nothing of the call, which had no effect: with the next credentials
    /// it may be done. A release that was rolled back for it would meet the same answer again at once.
    #[error("{operation} was made with credentials that AWS does not accept: {code}: {message}")]
    NotAccepted {
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
            | Self::NotAccepted { operation, .. }
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
            Self::Throttled { .. }
                | Self::NotAccepted { .. }
                | Self::NotSent { .. }
                | Self::Unanswered { .. }
        )
    }

    /// True when AWS did not accept the credentials of the call.
    pub fn is_about_credentials(&self) -> bool {
        matches!(self, Self::NotAccepted { .. })
    }

    /// True when AWS refused the call, or the call was invalid.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Invalid { .. })
    }

    /// True when AWS said that the resource does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code().is_some_and(|code| NOT_FOUND.contains(&code))
    }

    /// True when AWS refused the call because the caller is not allowed to make it.
    pub fn is_denied(&self) -> bool {
        self.code().is_some_and(|code| DENIED.contains(&code))
    }

    /// True when AWS refused the call because a quota is full.
    pub fn is_limit(&self) -> bool {
        self.code().is_some_and(|code| LIMITS.contains(&code))
    }

    /// True when the call was a dry run, and AWS would have made it.
    pub fn is_dry_run(&self) -> bool {
        self.code() == Some("DryRunOperation")
    }

    /// True when AWS refused a call for the sake of a target that does not exist, does not run, or is not in
    /// the target group.
    pub fn is_invalid_target(&self) -> bool {
        self.code() == Some("InvalidTarget")
    }

    /// True when AWS may have refused a call for the sake of one of several things that it was about: the
    /// call without that thing may succeed.
    pub(super) fn may_be_of_one(&self) -> bool {
        match self {
            Self::Refused { .. } => !self.is_not_found() && !self.is_denied(),
            _ => false,
        }
    }

    /// AWS's error code, where AWS gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } | Self::Throttled { code, .. } | Self::NotAccepted { code, .. } => {
                Some(code)
            }
            _ => None,
        }
    }

    /// What to do, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { operation, code, .. } if DENIED.contains(&code.as_str()) => Some(format!(
                "allow `{operation}` in the IAM policy of the worker's role"
            )),
            Self::NotAccepted { .. } => Some(
                "renew the worker's AWS credentials, and check this host's clock; the worker asks for credentials \
                 anew by itself, and has to be restarted only for those in environment variables"
                    .to_owned(),
            ),
            Self::NotSent { .. } => Some(
                "check the region, the credentials (instance profile) and the route to the AWS endpoint"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// Codes for "this does not exist", as CloudWatch and Elastic Load Balancing have them.
const NOT_FOUND: [&str; 4] = [
    "LoadBalancerNotFound",
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

/// Codes for "no more of these". Each service has its own.
const LIMITS: [&str; 3] = ["LimitExceeded", "LimitExceededException", "LimitExceededFault"];

/// Codes for credentials that AWS does not accept, each service's own. Sessions are renewed by their provider
/// or by a person, and keys that were replaced are too; a new key is known to AWS within seconds; and the SDK
/// corrects the time of its next signature where the clock is wrong.
const NOT_ACCEPTED: [&str; 10] = [
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Codes for "later": rate limits, and what is busy with another change. AWS checks these before it acts,
/// whatever status they come with. Full quotas (`LimitExceeded` and its like) do not pass by waiting.
const LATER: [&str; 19] = [
    "BandwidthLimitExceeded",
    // EC2, for tags of one instance that are written at once.
    "ConcurrentTagAccess",
    // CloudWatch, for tags of one alarm.
    "ConcurrentModificationException",
    "EC2ThrottledException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    // The next three are Auto Scaling's, for groups with another change under way.
    "ResourceContention",
    "ResourceInUse",
    "ScalingActivityInProgress",
    "SlowDown",
    "Throttling",
    "ThrottledException",
    "ThrottlingException",
    "TooManyRequestsException",
    // Parameter Store, also for a parameter that is created within 30 s of its deletion (AWS Systems Manager
    // API Reference, "DeleteParameter").
    "TooManyUpdates",
    "TransactionInProgressException",
];

/// Codes for a request that AWS did not read to its end, or whose answer it did not send: as good as an
/// answer that is lost, although their status is below 500.
const CUT_SHORT: [&str; 3] = [
    "RequestAbortedException",
    "RequestTimeout",
    "RequestTimeoutException",
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
    let known = code.unwrap_or("no code");
    let code = known.to_owned();
    match status {
        _ if LATER.contains(&known) => AwsError::Throttled {
            operation,
            code,
            message,
        },
        _ if NOT_ACCEPTED.contains(&known) => AwsError::NotAccepted {
            operation,
            code,
            message,
        },
        429 => AwsError::Throttled {
            operation,
            code,
            message,
        },
        408 | 500.. => server_failure(operation, effect, status, code, message),
        _ if CUT_SHORT.contains(&known) => server_failure(operation, effect, status, code, message),
        _ => AwsError::Refused {
            operation,
            code,
            message,
        },
    }
}

fn server_failure(
    operation: &'static str,
    effect: Effect,
    status: u16,
    code: String,
    message: String,
) -> AwsError {
    let failure = ServerFailure {
        status,
        code,
        message,
    };
    lost(operation, effect, Arc::new(failure))
}

#[cfg(test)]
mod tests;
