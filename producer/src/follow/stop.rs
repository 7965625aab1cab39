//! Stopping a command that waits.

use std::fmt;
use std::time::Duration;

use drawgate_schemas::ReleaseId;
use tokio::signal::unix::{SignalKind, signal};

use crate::ending::Ending;
use crate::exit::Exit;
use crate::system::SystemError;

/// How far a command had come when it was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing was sent.
    Before,
    /// The message was sent, and the broker has not confirmed it.
    Publishing,
    /// The broker has confirmed the message.
    Published,
}

/// What stopped a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Ctrl-C, or a signal to end.
    Interrupted,
    /// The `--timeout` was over.
    TimedOut,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted => "interrupted",
            Self::TimedOut => "--timeout has passed",
        })
    }
}

/// A command was stopped before its end.
#[derive(Debug, thiserror::Error)]
#[error("{}", stopped(*stop, *stage))]
pub(crate) struct Stopped {
    pub(crate) release: ReleaseId,
    /// What stopped it.
    pub(crate) stop: Stop,
    /// How far the command had come.
    pub(crate) stage: Stage,
    /// The command that publishes the same request.
    pub(crate) again: Option<String>,
}

fn stopped(stop: Stop, stage: Stage) -> String {
    match stage {
        Stage::Before => format!("{stop}; nothing was published"),
        Stage::Publishing => {
            format!("{stop} before the broker confirmed: it is unknown whether the message arrived")
        }
        Stage::Published => format!("{stop}: stopped waiting; the release goes on"),
    }
}

impl Ending for Stopped {
    fn exit(&self) -> Exit {
        Exit::GaveUp
    }

    fn hint(&self) -> Option<String> {
        match self.stage {
            Stage::Before => None,
            Stage::Publishing => self.again.as_ref().map(|again| {
                format!("publishing the same request again is harmless, its id is accepted once:\n  {again}")
            }),
            Stage::Published => Some(format!("drawgate watch {} follows it again", self.release)),
        }
    }
}

/// Waits for a signal that ends this process, or until the time is over.
pub(crate) async fn stop(timeout: Option<Duration>) -> Result<Stop, SystemError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(SystemError::Refused)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(SystemError::Refused)?;
    let time_over = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => {
            interrupt.map(|()| Stop::Interrupted).map_err(SystemError::Refused)
        }
        _ = terminate.recv() => Ok(Stop::Interrupted),
        _ = hangup.recv() => Ok(Stop::Interrupted),
        () = time_over => Ok(Stop::TimedOut),
    }
}
