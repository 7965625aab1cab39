//! `drawgate dead-letters list`.

use jiff::Timestamp;

use super::args::ListArgs;
use super::failed::DeadLettersFailed;
use super::json::Shown;
use super::queue::{look, say_empty};
use super::view;
use crate::exit::Exit;
use crate::options::Format;
use crate::printer;

/// Lists the letters, the oldest first.
pub(super) async fn run(args: &ListArgs) -> Result<Exit, DeadLettersFailed> {
    let (letters, more) = look("list", &args.broker).await?;
    let now = Timestamp::now();
    match args.format {
        Format::Json => {
            for letter in &letters {
                printer::json(&Shown::of(letter, now))?;
            }
        }
        Format::Text if letters.is_empty() => {}
        Format::Text => {
            for row in view::dead_letters(&letters, now) {
                printer::data(&row)?;
            }
        }
    }
    if letters.is_empty() {
        say_empty();
    }
    if more > 0 {
        printer::narrate(&format!("{more} more lie behind these"));
    }
    Ok(Exit::Succeeded)
}
