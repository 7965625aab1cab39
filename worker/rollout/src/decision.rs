//! What `decide` answers.

use jiff::Timestamp;

use crate::record::Record;
use crate::step::Step;

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
    /// Nothing until the release's turn in its lane has come: then append `Started`.
    AwaitTurn,
    /// Nothing before that moment, unless something happens.
    WakeAt(Timestamp),
}
