//! Rolling releases: one lane per target, one driver per open release.
//!
//! ```text
//!   intake -> Lanes ---- lane staging.search-api: lease, line of open releases
//!               |            |- driver of the first:  its turn; decide, perform, append, decide, ...
//!               |            `- driver of the second: resolves its tag, then waits for its turn
//!               `------- lane production.search-api: ...
//! ```

mod driver;
mod lane;
mod lanes;
mod limits;
mod locks;
mod orders;

pub use driver::Driven;
pub(crate) use driver::number;
pub use lanes::Lanes;
pub use orders::Taken;
