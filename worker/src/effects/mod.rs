//! What a roll does to the world. One file per subject; every effect looks, acts, and confirms, so that
//! performing it twice is harmless, and sorts its result: a definite no, not yet, or not known.
//!
//! Nothing here decides what comes next: that is `drawgate_rollout::decide`.

mod alarms;
mod canary;
mod command;
mod confirm;
mod connections;
mod container;
mod desired;
mod engine_seen;
#[cfg(test)]
mod fakes;
mod floor;
mod healthcheck;
mod hooks;
mod hosts_watch;
mod inspect;
mod joined;
mod lease;
mod login_cache;
mod logins;
mod marks;
mod membership;
mod mute;
mod names;
mod outcome;
mod outside_docker;
mod perform;
mod permissions;
mod platforms;
mod ports;
mod registration;
mod scaling;
mod secrets;
mod sources;
mod stage;
mod target_groups;
mod target_health;
mod task;
mod verify;
mod watch;

pub use connections::Effects;
pub use inspect::{Inspection, snapshot};
pub use lease::LeaseOwner;
pub use marks::{LeaseHolder, Leftovers};
pub(crate) use names::labels;
pub use sources::{Credentials, Definitions, Login};
