//! `drawgate publish`.

mod args;

pub(crate) use args::PublishArgs;

use crate::ending::Ending;
use crate::exit::Exit;
use crate::origin::{self, FillError, Source};
use crate::printer;
use crate::request::{Draft, Message};
use crate::sending::{SendFailed, Sending, made, release};
use crate::system::{self, SystemError};
use crate::view;

/// Why a request was not published, or not followed to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishFailed {
    /// A part of the request is missing or wrong.
    #[error(transparent)]
    Fill(#[from] FillError),
    #[error(transparent)]
    Send(#[from] SendFailed),
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for PublishFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Fill(error) => error.exit(),
            Self::Send(error) => error.exit(),
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Fill(error) => error.hint(),
            Self::Send(error) => error.hint(),
            Self::System(error) => error.hint(),
        }
    }
}

/// Publishes a release, and follows it if that was asked for.
pub(crate) async fn run(args: PublishArgs) -> Result<Exit, PublishFailed> {
    let dry_run = args.dry_run;
    let sending = Sending {
        wait: args.wait.then_some(args.timeout),
        may_be_old: args.id.is_some(),
        format: args.format,
        broker: args.broker.clone(),
    };
    let mut draft = Draft::from(args);
    let (selection, sources) = origin::fill(&mut draft, &system::folder()?, &origin::variable)?;
    if dry_run {
        return Ok(show_only(&made(&draft, &selection)?, &sources)?);
    }
    Ok(release(&draft, &selection, &sending).await?)
}

/// Shows the message, and where its parts came from, without sending it.
fn show_only(message: &Message, sources: &[Source]) -> Result<Exit, SystemError> {
    // Writing plain data cannot fail.
    printer::data(&serde_json::to_string_pretty(&message.request).unwrap_or_default())?;
    for Source { part, value, by } in sources {
        printer::narrate(&view::clean(&format!("{part:<14} {value}  ({by})")));
    }
    printer::narrate("nothing was sent");
    Ok(Exit::Succeeded)
}
