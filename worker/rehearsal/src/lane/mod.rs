//! Two releases of one target, and the queue that they wait in: what the worker's lane and its two drivers do, in virtual time.
//!
//! Each release has a fleet of its own to roll. That is no loss: of a lane's releases one rolls at a time, which is judged here, and it
//! leaves the fleet as the next one finds it, or an operator does, which the oracle of the roll judges.

mod drive;
pub mod explore;
mod members;
mod oracle;
mod scenario;

pub use drive::Place;
pub use members::{Lane, Member};
pub use scenario::{Asked, Scenario, scenarios};
