//! `drawgate freeze` and `drawgate thaw`: told to every worker.

use drawgate_schemas::Ask;
use jiff::Timestamp;

use super::consent::is_meant;
use super::telling::{TellFailed, Telling, tell};
use crate::cli::{FreezeArgs, ThawArgs};
use crate::ending::Ending;
use crate::exit::Exit;
use crate::system::SystemError;

/// Where a person sees what is frozen.
const LOOK: &str = "drawgate status says what is frozen";

/// Why nothing was frozen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FreezeFailed {
    /// Telling the workers.
    #[error(transparent)]
    Tell(#[from] TellFailed),
    /// Nobody said that a freeze of everything is meant.
    #[error("nothing was frozen")]
    NotMeant,
    /// This machine.
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

/// No release begins until then.
pub(crate) async fn freeze(args: &FreezeArgs) -> Result<Exit, FreezeFailed> {
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

/// Ends a freeze before its time.
pub(crate) async fn thaw(args: &ThawArgs) -> Result<Exit, TellFailed> {
    let ask = Ask::Thaw {
        environment: args.environment.clone(),
    };
    let telling = Telling {
        ask,
        what: "thaw",
        look: LOOK,
    };
    tell(telling, args.format, &args.broker).await
}
