//! The journal: the steps of a roll, what each of them is, and the records that are written of them.

pub(crate) mod properties;
pub(crate) mod record;
pub(crate) mod step;

pub use properties::{
    About, Attempt, Calls, Fleet, Moment, OnRollback, OnShutdown, Patience, Properties, Reaches, Sees,
    StepEvents, Way,
};
pub use record::{Cause, Entry, Evidence, Record, StepOutcome};
pub use step::{Phase, Step};
