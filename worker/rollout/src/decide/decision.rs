//! What `decide` answers.

use drawgate_schemas::ReleaseId;
use jiff::Timestamp;

use crate::journal::{Record, Step};

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Append an intent, perform the step, append its outcome.
    Perform {
        step: Step,
        /// The performance ends by this moment; an outcome that is not known by then is unknown.
        deadline: Timestamp,
    },
    /// Append this record, and decide anew.
    Append(Record),
    /// Fetch what is known of another release of the target, and decide anew with it.
    LookAt(ReleaseId),
    /// Wait until the queue changes. Only its place in the queue keeps this release from beginning, so it
    /// supersedes others.
    AwaitSlot,
    /// Wait until this moment, unless something happens earlier.
    WakeAt(Timestamp),
}
