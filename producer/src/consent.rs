//! Asks a person for consent.

use std::io::{BufRead as _, IsTerminal as _};

use crate::printer;
use crate::system::SystemError;

/// Asks the person at the terminal, unless `--yes` was given. Without a terminal only `--yes` is consent.
pub(crate) fn is_meant(question: &str, yes: bool) -> Result<bool, SystemError> {
    if yes || !std::io::stdin().is_terminal() {
        return Ok(yes);
    }
    printer::narrate(&format!("{question} [y/N]"));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(SystemError::Refused)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
