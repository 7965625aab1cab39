//! The worker as a library, so that its parts can be tested alone.

pub mod answers;
pub mod aws;
pub mod bus;
mod causes;
pub mod chat;
pub mod clock;
pub mod commands;
pub mod descriptors;
pub mod desired;
pub mod effects;
mod events;
pub mod host;
pub mod intake;
pub mod ledger;
pub mod program;
mod registry;
pub mod roll;
mod sanitize;
mod service_manager;
mod status;

pub use causes::{Causes, error_chain};
