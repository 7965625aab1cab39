//! What a command needs from the machine that it runs on.

use std::io;
use std::path::PathBuf;

use crate::ending::Ending;
use crate::exit::Exit;

/// The machine refused what the command needs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SystemError {
    /// The reader of stdout has gone, or its file cannot grow.
    #[error("stdout cannot be written to")]
    Stdout(#[source] io::Error),
    /// The machine gave no signals, no folder or no runtime.
    #[error("the system does not let drawgate run")]
    Refused(#[source] io::Error),
}

impl Ending for SystemError {
    fn exit(&self) -> Exit {
        match self {
            Self::Stdout(_) => Exit::GaveUp,
            Self::Refused(_) => Exit::Broker,
        }
    }
}

/// The folder that the command was called in.
pub(crate) fn folder() -> Result<PathBuf, SystemError> {
    std::env::current_dir().map_err(SystemError::Refused)
}
