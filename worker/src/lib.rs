//! The worker as a library, so that its parts can be tested alone.

pub mod answers;
pub mod aws;
pub mod bus;
pub mod chat;
pub mod clock;
pub mod commands;
pub mod config;
pub mod descriptors;
pub mod effects;
mod events;
pub mod host;
pub mod intake;
pub mod ledger;
pub mod program;
mod registry;
pub mod roll;
mod service_manager;
mod shown;
mod status;
pub mod wanted;

/// An error with its causes, on one line.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
