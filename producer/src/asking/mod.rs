//! Asks the workers: one that has a release, or all of them.
//!
//! ```text
//!   ask       a question, over a connection of its own
//!   release   all pages of one release
//!   lane      the releases of a lane, from whichever worker has the newest
//!   tell      a change that every worker is told to make
//! ```

mod ask;
mod lane;
mod release;
mod tell;

pub(crate) use ask::{AskFailed, ask_everyone, ask_for, known, over_a_connection};
pub(crate) use lane::lane_history;
pub(crate) use release::whole_release;
pub(crate) use tell::{TellFailed, Telling, tell};
