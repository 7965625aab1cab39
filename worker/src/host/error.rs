//! The errors of requests to a host, sorted by what the caller may conclude from them.
//!
//! | variant       | did it happen?                          | what to do                |
//! |---------------|-----------------------------------------|---------------------------|
//! | `Unreachable` | no, or it had no effect                 | the same again, bounded   |
//! | `Refused`     | no: the engine answered and said so     | stop, say it              |
//! | `Unknown`     | perhaps                                 | look before anything else |
//! | `NoAnswer`    | the host was reached, its service silent| a failed verification     |

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The cause underneath, shared so that the error can be handed to several waiters.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why a request to a host failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HostError {
    /// Nothing happened: the host or its engine was not reached, or a look was lost, which has no effect.
    #[error("{host}: {stage} failed ({operation})")]
    Unreachable {
        /// Instance id and address.
        host: String,
        /// The operation.
        operation: &'static str,
        /// How far the request came.
        stage: Stage,
        /// What to do, where that is known.
        hint: Option<String>,
        /// The error that was in the way.
        #[source]
        source: Cause,
    },
    /// The engine refused.
    #[error("{host}: {operation} was refused: {message}")]
    Refused {
        /// Instance id and address.
        host: String,
        /// The operation.
        operation: &'static str,
        /// The engine's HTTP status; `None` where it failed in the middle of its answer, as pulls do.
        status: Option<u16>,
        /// The engine's own words.
        message: String,
    },
    /// The request was made and its answer is lost: it may have happened.
    #[error("{host}: {operation} may or may not have happened")]
    Unknown {
        /// Instance id and address.
        host: String,
        /// The operation.
        operation: &'static str,
        /// How the answer was lost.
        #[source]
        source: Cause,
    },
    /// The host was reached, but nothing on that port answered as HTTP in time.
    #[error("{host}: no answer on port {port}")]
    NoAnswer {
        /// Instance id and address.
        host: String,
        /// Port on the host.
        port: u16,
        /// The error in place of an answer.
        #[source]
        source: Cause,
    },
}

/// How far a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The SSH connection.
    Ssh,
    /// Forwarding the Docker socket through it.
    Forwarding,
    /// The Docker engine behind the socket.
    Engine,
    /// A plain command over SSH.
    Command,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssh => "the SSH connection",
            Self::Forwarding => "forwarding of the Docker socket over SSH",
            Self::Engine => "the Docker engine",
            Self::Command => "a command over SSH",
        })
    }
}

impl HostError {
    /// True when the request may have happened: look at the host before anything else.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }

    /// True when nothing happened, and the same request may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NoAnswer { .. })
    }

    /// True when the engine refused.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// The engine's HTTP status, where it gave one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => *status,
            _ => None,
        }
    }

    /// How far the request came, for a host that was not reached.
    pub fn stage(&self) -> Option<Stage> {
        match self {
            Self::Unreachable { stage, .. } => Some(*stage),
            _ => None,
        }
    }

    /// What to do, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Unreachable { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}

/// Whether a request changes something on the host that would have to be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// The request only looks, or can be repeated without harm.
    Read,
    /// The request changes something.
    Write,
}

/// A plain sentence as a cause.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Reason(pub(super) String);

/// The cause of a request that took too long.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs_f32())]
pub(super) struct TookTooLong(pub(super) std::time::Duration);
