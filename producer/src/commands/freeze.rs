//! `drawgate freeze`: every worker is told.

use std::time::Duration;

use clap::Args;
use drawgate_schemas::limits::LONG_TEXT_CHARS;
use drawgate_schemas::{Ask, Environment, Text};
use jiff::Timestamp;

use crate::asking::{TellFailed, Telling, tell};
use crate::consent::is_meant;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::options::{BrokerArgs, Format, duration};
use crate::system::SystemError;

const EXAMPLES: &str = "\
Examples:
  drawgate freeze --environment production --for 2h --reason 'db upgrade'
  drawgate freeze --until 2026-01-02T08:00:00Z --reason 'holidays' --yes
  drawgate thaw --environment production

Releases that roll already go on to their end; those that wait begin when the freeze is over.
A worker that is away does not hear of it: look at the names of those that answer.";

/// Let no release begin for a while, in one environment or in all.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, group = clap::ArgGroup::new("end").required(true))]
pub(crate) struct FreezeArgs {
    /// Which environment; every one where absent
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<Environment>,
    /// For how long from now, e.g. 2h
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, group = "end")]
    pub(crate) lasting: Option<Duration>,
    /// Until when, e.g. 2026-01-02T08:00:00Z
    #[arg(long, value_name = "TIME", group = "end")]
    pub(crate) until: Option<Timestamp>,
    /// Why, for the people whose releases wait
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Text<LONG_TEXT_CHARS>,
    /// Do not ask whether it is meant
    #[arg(long)]
    pub(crate) yes: bool,
    /// text: for people. json: one object per worker and line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// Where a person finds the freezes, when nothing was changed.
pub(super) const LOOK: &str = "drawgate status says what is frozen";

/// Why nothing was frozen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FreezeFailed {
    /// Telling the workers failed.
    #[error(transparent)]
    Tell(#[from] TellFailed),
    /// The person did not confirm a freeze of every environment.
    #[error("nothing was frozen")]
    NotMeant,
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for FreezeFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Tell(error) => error.exit(),
            Self::NotMeant => Exit::Usage,
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Tell(error) => error.hint(),
            Self::NotMeant => Some("drawgate freeze … --yes, or --environment NAME".to_owned()),
            Self::System(error) => error.hint(),
        }
    }
}

/// Freezes an environment, or every one: no release begins until the freeze ends.
pub(crate) async fn run(args: &FreezeArgs) -> Result<Exit, FreezeFailed> {
    let until = match (args.until, args.lasting) {
        (Some(until), _) => until,
        (None, Some(lasting)) => Timestamp::now().saturating_add(lasting).unwrap_or(Timestamp::MAX),
        (None, None) => Timestamp::now(),
    };
    let question = format!("freeze every environment until {until:.0}?");
    if args.environment.is_none() && !is_meant(&question, args.yes)? {
        return Err(FreezeFailed::NotMeant);
    }
    let ask = Ask::Freeze {
        environment: args.environment.clone(),
        until,
        reason: args.reason.clone(),
    };
    let telling = Telling {
        ask,
        what: "freeze",
        look: LOOK,
    };
    Ok(tell(telling, args.format, &args.broker).await?)
}
