//! What can become of something asked of a host, sorted by what the caller may conclude from it.
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

/// Why a host did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HostError {
    /// Nothing happened: the host or its engine was not reached, or a look was lost, which has no effect.
    #[error("{host}: {stage} failed ({operation})")]
    Unreachable {
        /// Instance id and address.
        host: String,
        /// What was asked.
        operation: &'static str,
        /// How far it came.
        stage: Stage,
        /// The way out, where there is a known one.
        hint: Option<String>,
        /// What was in the way.
        #[source]
        source: Cause,
    },
    /// The engine said no.
    #[error("{host}: {operation} was refused: {message}")]
    Refused {
        /// Instance id and address.
        host: String,
        /// What was asked.
        operation: &'static str,
        /// The engine's HTTP status; `None` where it failed in the middle of its answer, as pulls do.
        status: Option<u16>,
        /// The engine's own words.
        message: String,
    },
    /// It was asked and the answer is lost: it may have happened.
    #[error("{host}: {operation} may or may not have happened")]
    Unknown {
        /// Instance id and address.
        host: String,
        /// What was asked.
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
        /// What came instead.
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
    /// True when it may have happened: look at the host before anything else.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }

    /// True when nothing happened and it may work a moment later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NoAnswer { .. })
    }

    /// True when the engine said a definite no.
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

    /// How far it came, for a host that was not reached.
    pub fn stage(&self) -> Option<Stage> {
        match self {
            Self::Unreachable { stage, .. } => Some(*stage),
            _ => None,
        }
    }

    /// The way out, where there is a known one.
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
    /// It only looks, or can be repeated without harm.
    Read,
    /// It changes something.
    Write,
}

/// A plain sentence as a cause.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Reason(pub(super) String);

/// The cause of everything that took too long.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs_f32())]
pub(super) struct TookTooLong(pub(super) std::time::Duration);
