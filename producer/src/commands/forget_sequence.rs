//! `drawgate forget-sequence`: has every worker forget a lane's build numbers.

use clap::Args;
use drawgate_schemas::limits::LONG_TEXT_CHARS;
use drawgate_schemas::{Ask, Text};

use crate::asking::{TellFailed, Telling, tell};
use crate::ending::Ending;
use crate::exit::Exit;
use crate::options::{BrokerArgs, Format, LaneArgs};
use crate::origin::{self, FillError};
use crate::system::{self, SystemError};

const EXAMPLES: &str = "\
Examples:
  drawgate forget-sequence --environment production --service search-api \\
    --reason 'builds come from GitHub now, which counts from 1'

A CI's counter orders the runs of one workflow. Where that is renamed, made anew or moved to another CI, it
starts again, and every build would be superseded by those of before. Releases that have succeeded by now
supersede nobody any more; one that waits or rolls counts as before. It is told on the event bus and in chat,
and drawgate history shows it. [orders] in worker.toml says who may.";

/// Forget the build numbers of a service on an environment: its counter has started again.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ForgetSequenceArgs {
    /// Which lane.
    #[command(flatten)]
    pub(crate) lane: LaneArgs,
    /// Why, for the people who release it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Text<LONG_TEXT_CHARS>,
    /// text: for people. json: one object per worker and line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// Why nothing was forgotten.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForgetSequenceFailed {
    /// The service is not named, and `drawgate.toml` does not give it.
    #[error(transparent)]
    Service(#[from] FillError),
    /// Telling the workers failed.
    #[error(transparent)]
    Tell(#[from] TellFailed),
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for ForgetSequenceFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Service(error) => error.exit(),
            Self::Tell(error) => error.exit(),
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Service(error) => error.hint(),
            Self::Tell(error) => error.hint(),
            Self::System(error) => error.hint(),
        }
    }
}

/// Forgets a lane's build numbers, because its counter has started again.
pub(crate) async fn run(args: &ForgetSequenceArgs) -> Result<Exit, ForgetSequenceFailed> {
    let service = origin::service(args.lane.service.as_ref(), &system::folder()?)?;
    let ask = Ask::ForgetSequence {
        environment: args.lane.environment.clone(),
        service,
        reason: args.reason.clone(),
    };
    let telling = Telling {
        ask,
        what: "forget-sequence",
        look: "drawgate history says what was released there, and what was forgotten",
    };
    Ok(tell(telling, args.format, &args.broker).await?)
}
