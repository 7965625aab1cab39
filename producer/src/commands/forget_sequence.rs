//! `drawgate forget-sequence`: has every worker forget a lane's build numbers.

use drawgate_schemas::Ask;

use crate::asking::{TellFailed, Telling, tell};
use crate::cli::ForgetSequenceArgs;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::origin::{self, FillError};
use crate::system::{self, SystemError};

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
pub(crate) async fn forget_sequence(args: &ForgetSequenceArgs) -> Result<Exit, ForgetSequenceFailed> {
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
