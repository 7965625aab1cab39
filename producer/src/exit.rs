//! The exit codes of the process.

use std::process::ExitCode;

use drawgate_schemas::Outcome;

/// Exit codes. They are part of the interface, because scripts branch on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The release succeeded, or the command did what was asked for.
    Succeeded = 0,
    /// The release failed; every touched host runs its original version again.
    Restored = 1,
    /// The command line or a setting is wrong; nothing was sent.
    Usage = 2,
    /// The worker refused the request.
    Rejected = 3,
    /// The release stopped half-way, and a person must look.
    NeedsOperator = 4,
    /// The broker, or a worker behind it, could not be reached.
    Broker = 5,
    /// This program stopped waiting; the release goes on.
    GaveUp = 6,
    /// A person cancelled the release.
    Cancelled = 7,
    /// A newer release took the place of this one.
    Superseded = 8,
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Self::Succeeded,
            Outcome::RolledBack | Outcome::Failed => Self::Restored,
            Outcome::Rejected => Self::Rejected,
            Outcome::NeedsOperator => Self::NeedsOperator,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::Superseded => Self::Superseded,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
