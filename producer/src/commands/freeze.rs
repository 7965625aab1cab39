//! `drawgate freeze` and `drawgate thaw`: every worker is told.

use drawgate_schemas::Ask;
use jiff::Timestamp;

use crate::asking::{TellFailed, Telling, tell};
use crate::cli::{FreezeArgs, ThawArgs};
use crate::consent::is_meant;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::system::SystemError;

/// Where a person finds the freezes, when nothing was changed.
const LOOK: &str = "drawgate status says what is frozen";

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
