//! `drawgate completions`.

use clap::Args;
use clap_complete::{Shell, generate};

use crate::exit::Exit;
use crate::printer;
use crate::system::SystemError;

const EXAMPLES: &str = "\
Examples:
  drawgate completions bash > /etc/bash_completion.d/drawgate
  drawgate completions zsh > \"${fpath[1]}/_drawgate\"";

/// Print a script that completes commands and options in a shell.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Writes the script for a shell. `command_line` is the whole command line that it completes.
pub(crate) fn run(args: &CompletionsArgs, mut command_line: clap::Command) -> Result<Exit, SystemError> {
    let mut script = Vec::new();
    generate(args.shell, &mut command_line, "drawgate", &mut script);
    printer::data(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Succeeded)
}
