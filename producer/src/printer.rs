//! The one place that writes to stdout and stderr. stdout is data, stderr is narration.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::env_vars::EnvVars;
use crate::system::SystemError;

/// Writes one line of data. A pipe whose reader has ended, as `head` does, is no error: the reader has read
/// what it wanted.
///
/// # Errors
/// [`SystemError::Stdout`], for instance when a file cannot grow.
pub(crate) fn data(line: &str) -> Result<(), SystemError> {
    match live(line) {
        Err(SystemError::Stdout(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes one object for programs, on one line.
///
/// # Errors
/// [`SystemError::Stdout`], for instance when a file cannot grow.
pub(crate) fn json(value: &impl Serialize) -> Result<(), SystemError> {
    let line = serde_json::to_string(value).map_err(|error| SystemError::Refused(error.into()))?;
    data(&line)
}

/// Writes one line of data of a command that goes on.
///
/// # Errors
/// [`SystemError::Stdout`], for instance when the reader of a pipe has ended: nobody reads what would come
/// next.
pub(crate) fn live(line: &str) -> Result<(), SystemError> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(SystemError::Stdout)
}

/// Writes bytes of data as they are.
///
/// # Errors
/// [`SystemError::Stdout`], for instance when the reader of a pipe has ended.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), SystemError> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(SystemError::Stdout)
}

/// Writes one line of narration. A closed stderr is no error, because the exit code still tells the result.
pub(crate) fn narrate(line: &str) {
    let _closed = writeln!(io::stderr().lock(), "{line}");
}

/// What stderr can show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    /// Whether a person watches, so that lines may be drawn anew.
    pub(crate) live: bool,
    /// Whether the terminal shows colours and they are wanted.
    pub(crate) colour: bool,
}

impl Screen {
    /// Looks at stderr and at the environment.
    pub(crate) fn of_stderr() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = set(EnvVars::TERM).is_some_and(|term| term == "dumb");
        let live = io::stderr().is_terminal() && !dumb;
        Self {
            live,
            colour: live && set(EnvVars::NO_COLOR).is_none(),
        }
    }
}

/// Columns of the terminal behind stderr, asked anew because people resize it; 80 where it does not say, or
/// says less than 40.
pub(crate) fn columns() -> usize {
    columns_of(io::stderr()).unwrap_or(80)
}

/// Columns of the terminal behind stdout; `None` where stdout is not a terminal, or has less than 40.
pub(crate) fn stdout_columns() -> Option<usize> {
    columns_of(io::stdout())
}

fn columns_of(stream: impl std::os::fd::AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns >= 40)
}
