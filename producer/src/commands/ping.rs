//! `drawgate ping`: which workers are there.

use drawgate_schemas::{Ask, Reply};

use crate::asking::{AskFailed, ask_everyone};
use crate::cli::PingArgs;
use crate::exit::Exit;
use crate::options::Format;
use crate::{printer, view};

/// Shows every worker that answers. A worker that takes no releases in ends the command with the code for an
/// operator.
pub(crate) async fn ping(args: &PingArgs) -> Result<Exit, AskFailed> {
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
            Format::Text => printer::data(&view::clean(&view::pong(&answer.worker, &answer.reply)))?,
        }
    }
    Ok(exit)
}
