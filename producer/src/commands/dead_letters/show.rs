//! `drawgate dead-letters show`.

use jiff::Timestamp;

use super::args::ShowLetterArgs;
use super::failed::DeadLettersFailed;
use super::json::Shown;
use super::queue::look;
use super::view;
use crate::exit::Exit;
use crate::options::Format;
use crate::printer;
use crate::view::Layout;

/// Shows one letter.
pub(super) async fn run(args: &ShowLetterArgs) -> Result<Exit, DeadLettersFailed> {
    let (letters, more) = look("show", &args.broker).await?;
    let Some(letter) = letters.iter().find(|letter| letter.id == args.letter) else {
        let ids = vec![args.letter.clone()];
        return Err(DeadLettersFailed::Unknown { ids, more });
    };
    let now = Timestamp::now();
    if args.body {
        printer::bytes(&letter.body)?;
        return Ok(Exit::Succeeded);
    }
    match args.format {
        Format::Json => printer::json(&Shown::with_message(letter, now))?,
        Format::Text => {
            let layout = Layout {
                width: printer::stdout_columns(),
                times: false,
                colour: false,
            };
            for row in view::dead_letter(letter, now, &layout) {
                printer::data(&row)?;
            }
        }
    }
    Ok(Exit::Succeeded)
}
