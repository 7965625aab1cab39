//! What `decide` answers.

use drawgate_schemas::ReleaseId;
use jiff::Timestamp;

use crate::journal::{Record, Step};

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Append an intent, perform the step, append its outcome.
    Perform {
        /// Which step.
        step: Step,
        /// The performance ends by then; what is not known by then is unknown.
        deadline: Timestamp,
    },
    /// Append this, and decide anew.
    Append(Record),
    /// Look at another release of the target, and ask again with what is known of it.
    LookAt(ReleaseId),
    /// Nothing before the queue changes: the release's place in it is all that stands before it, and it supersedes others.
    AwaitSlot,
    /// Nothing before that moment, unless something happens.
    WakeAt(Timestamp),
}
