//! The commands of the worker.

pub mod check;
pub mod doctor;
mod layout;
pub mod notify;
pub mod plan;
mod print;
pub mod rehearse;
pub mod run;
mod setup;

use std::io;
use std::path::PathBuf;

use drawgate_config::ConfigErrors;
use drawgate_rollout::Failure;

use crate::ledger::LedgerError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration has mistakes; its text names each.
    #[error("{0}")]
    Config(ConfigErrors),
    /// An argument is not valid.
    #[error("{0}")]
    Usage(String),
    /// The ledger could not be opened.
    #[error("the ledger {path} could not be opened", path = path.display())]
    Ledger {
        path: PathBuf,
        #[source]
        source: LedgerError,
    },
    /// The directory for sockets could not be made.
    #[error("no directory for sockets could be made in {path}", path = path.display())]
    Sockets {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The settings for the broker are not usable.
    #[error("the broker")]
    Bus(#[source] crate::bus::BusError),
    /// Chat cannot be posted to.
    #[error("chat is not configured")]
    NoChat,
    /// The webhook of chat is not usable.
    #[error("chat")]
    Chat(#[source] crate::chat::ChatError),
    /// A snapshot cannot be read.
    #[error("{path} is not the snapshot of a fleet", path = path.display())]
    Snapshot {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The fleet could not be inspected.
    #[error("{}", .0.what)]
    Fleet(Failure),
    /// The process could not listen for signals.
    #[error("signals cannot be listened to")]
    Signals(#[source] std::io::Error),
}

impl CommandError {
    /// 2 for errors that the caller can fix in the input, 1 for the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) | Self::NoChat | Self::Snapshot { .. } => 2,
            _ => 1,
        }
    }

    /// The remedy, where there is a known one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(_) => {
                Some("drawgate-worker check says the same without starting anything".to_owned())
            }
            Self::NoChat => Some("write webhook_file in [chat] of worker.toml".to_owned()),
            Self::Snapshot { .. } => Some("drawgate-worker plan --format json writes one".to_owned()),
            Self::Fleet(failure) => failure.hint.clone(),
            Self::Ledger { .. } => Some("see ledger in worker.toml: a path on a local disk".to_owned()),
            _ => None,
        }
    }
}
