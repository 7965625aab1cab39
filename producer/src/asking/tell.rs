//! Tells every worker to change something.

use drawgate_schemas::{Ask, Reply};
use serde::Serialize;

use super::ask::{AskFailed, ask_everyone};
use crate::ending::Ending;
use crate::exit::Exit;
use crate::options::{BrokerArgs, Format};
use crate::system::SystemError;
use crate::{printer, view};

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TellFailed {
    #[error(transparent)]
    Ask(#[from] AskFailed),
    /// No worker changed anything.
    #[error("{what}: nothing was changed: {why}")]
    NotChanged {
        /// The command's name.
        what: &'static str,
        /// The reason of each worker.
        why: String,
        /// The command with which a person sees the state.
        look: &'static str,
    },
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for TellFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Ask(error) => error.exit(),
            Self::NotChanged { .. } => Exit::Rejected,
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Ask(error) => error.hint(),
            Self::NotChanged { look, .. } => Some((*look).to_owned()),
            Self::System(error) => error.hint(),
        }
    }
}

/// A change that every worker is told to make.
pub(crate) struct Telling {
    /// The question that carries it.
    pub(crate) ask: Ask,
    /// The command's name.
    pub(crate) what: &'static str,
    /// The command with which a person sees the state, when nothing was changed.
    pub(crate) look: &'static str,
}

/// The result of one worker, for programs.
#[derive(Serialize)]
struct Told<'a> {
    worker: &'a str,
    changed: bool,
    /// What follows from the change, or why nothing was changed.
    detail: &'a str,
}

/// The command succeeds if at least one worker changed something: the others may not release to that
/// environment.
pub(crate) async fn tell(telling: Telling, format: Format, broker: &BrokerArgs) -> Result<Exit, TellFailed> {
    let Telling { ask, what, look } = telling;
    let answers = ask_everyone(ask, what, broker).await?;
    let (mut changed, mut whys) = (false, Vec::new());
    for answer in &answers {
        let (is_changed, detail) = match &answer.reply {
            Reply::Changed { what } => (true, what),
            Reply::NotChanged { why } => (false, why),
            Reply::Refused { reason } => (false, reason),
            _ => continue,
        };
        changed |= is_changed;
        let worker = answer.worker.as_str();
        match format {
            Format::Json => {
                printer::json(&Told {
                    worker,
                    changed: is_changed,
                    detail,
                })?;
            }
            Format::Text if is_changed => printer::narrate(&view::clean(&format!("{worker}: {detail}"))),
            Format::Text => whys.push(format!("{worker}: {detail}")),
        }
    }
    match (changed, format) {
        (true, _) => {
            whys.iter().for_each(|why| printer::narrate(&view::clean(why)));
            Ok(Exit::Succeeded)
        }
        (false, Format::Json) => Ok(Exit::Rejected),
        (false, Format::Text) => Err(TellFailed::NotChanged {
            what,
            why: whys.join("; "),
            look,
        }),
    }
}
