//! `drawgate ping`: which workers are there.

mod args;
mod view;

use drawgate_schemas::{Ask, Reply};

pub(crate) use args::PingArgs;

use crate::asking::{AskFailed, ask_everyone};
use crate::exit::Exit;
use crate::options::Format;
use crate::printer;
use crate::view::clean;

/// Shows every worker that answers. A worker that takes no releases in ends the command with the code for an
/// operator.
pub(crate) async fn run(args: &PingArgs) -> Result<Exit, AskFailed> {
    let mut answers = ask_everyone(Ask::Ping, "ping", &args.broker).await?;
    answers.sort_by(|one, other| one.worker.cmp(&other.worker));
    let mut exit = Exit::Succeeded;
    for answer in &answers {
        let unsendable = match &answer.reply {
            Reply::Pong(pong) => pong.not_ready.as_deref(),
            Reply::Refused { reason } => Some(reason.as_str()),
            _ => continue,
        };
        if unsendable.is_some() {
            exit = Exit::NeedsOperator;
        }
        match args.format {
            Format::Json => printer::json(answer)?,
            Format::Text => printer::data(&clean(&view::pong(&answer.worker, &answer.reply)))?,
        }
    }
    Ok(exit)
}
