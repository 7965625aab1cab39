//! `drawgate completions`.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::cli::Cli;
use crate::exit::Exit;
use crate::printer;
use crate::system::SystemError;

/// Writes the script for a shell.
pub(crate) fn completions(shell: Shell) -> Result<Exit, SystemError> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "drawgate", &mut script);
    printer::data(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Succeeded)
}
