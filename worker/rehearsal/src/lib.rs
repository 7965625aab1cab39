//! A simulated fleet and queue: what a roll would do, tried in virtual time. Pure: no clock, no IO, no async.
//!
//! ```text
//!   World    a fleet: instances, targets, scaling, hosts with containers, alarms; the effect of each step,
//!            and what fate does to the fleet
//!   Sim      the worker's loop around `decide`, on such a fleet: it may be killed, given commands,
//!            and left waiting
//!   oracle   the rules that hold whichever way a roll goes; it looks at the fleet and not at the journal
//!   explore  every way that a roll can go within bounds; larger fleets by chance
//!   Script   what is to go wrong in one rehearsal
//!   Mutant   a mistake made on purpose: the oracle has to see each
//! ```
#![allow(
    clippy::unwrap_used,
    reason = "a model of what cannot fail: where it does, the model is wrong, and says so at once"
)]

mod check;
pub mod explore;
pub mod lane;
mod mutant;
pub mod oracle;
pub mod pair;
mod random;
mod script;
pub mod sim;
pub mod time;
pub mod world;

pub use mutant::Mutant;
pub use random::Random;
pub use script::{Script, rehearse};
pub use world::World;
