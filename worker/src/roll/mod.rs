//! Rolling releases: one lane per target, one driver per open release.
//!
//! ```text
//!   intake -> Lanes ---- lane staging.search-api: lease, queue of open releases
//!               |            |- driver of the first:  shell of the core's machine: append, perform, append, ...
//!               |            `- driver of the second: resolves its tag, then waits in the queue
//!               `------- lane production.search-api: ...
//! ```

mod admission;
mod context;
mod control;
mod driver;
mod journal_log;
mod lane;
mod lane_lease;
mod lanes;
mod limits;
mod locks;
mod perform;
mod pulse;
mod queue;

pub use context::PolicySource;
pub use control::Taken;
pub use driver::Driven;
pub use lanes::Lanes;
