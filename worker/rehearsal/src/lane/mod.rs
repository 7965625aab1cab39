//! Two releases of one target and their queue: the worker's lane and its two drivers, in virtual time.
//!
//! Each release has a fleet of its own to roll. The model loses nothing by that: only one release of a lane
//! rolls at a time, which is judged here; and a release, or an operator, leaves the fleet as the next release
//! finds it, which the oracle of the roll judges.

mod drive;
pub mod explore;
mod members;
mod oracle;
mod scenario;

pub use drive::Place;
pub use members::{Lane, Member};
pub use scenario::{Asked, Scenario, scenarios};
