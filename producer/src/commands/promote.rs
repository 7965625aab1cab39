//! `drawgate promote`: releases to one environment what has succeeded in another.

use drawgate_schemas::{Outcome, ReleaseState};

use crate::asking::{AskFailed, lane_history};
use crate::cli::PromoteArgs;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::origin::{self, FillError};
use crate::request::Draft;
use crate::sending::{NothingBefore, SendFailed, Sending, again};
use crate::system::{self, SystemError};

/// Why nothing was promoted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromoteFailed {
    /// The service is not named, and `drawgate.toml` does not give it.
    #[error(transparent)]
    Service(#[from] FillError),
    /// Asking for the earlier releases failed.
    #[error(transparent)]
    Ask(#[from] AskFailed),
    /// There is nothing that could be released again.
    #[error(transparent)]
    NothingBefore(#[from] NothingBefore),
    #[error(transparent)]
    Send(#[from] SendFailed),
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for PromoteFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Service(error) => error.exit(),
            Self::Ask(error) => error.exit(),
            Self::NothingBefore(error) => error.exit(),
            Self::Send(error) => error.exit(),
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Service(error) => error.hint(),
            Self::Ask(error) => error.hint(),
            Self::NothingBefore(error) => error.hint(),
            Self::Send(error) => error.hint(),
            Self::System(error) => error.hint(),
        }
    }
}

/// How many releases are asked for, because a worker reads each from its whole journal.
const LOOKED_AT: u32 = 100;

/// Publishes to one environment the digest that has succeeded last in the other.
pub(crate) async fn promote(args: &PromoteArgs) -> Result<Exit, PromoteFailed> {
    let service = origin::service(args.service.as_ref(), &system::folder()?)?;
    let lane = lane_history("promote", &args.from, &service, LOOKED_AT, &args.broker).await?;
    let releases = lane.releases;
    let succeeded = ReleaseState::Ended {
        outcome: Outcome::Succeeded,
    };
    let Some(past) = releases.iter().find(|past| past.state == succeeded) else {
        let why = format!("no release of {} has succeeded in {} yet", service, args.from);
        return Err(NothingBefore { why }.into());
    };
    let mut request = past.request.clone();
    request.environment = args.to.clone();
    let reason = match &args.reason {
        Some(reason) => Some(reason.clone()),
        None => format!("succeeded in {}, as release {}", args.from, request.id)
            .parse()
            .ok(),
    };
    let draft = Draft {
        reason,
        sequence: request.sequence,
        force: args.force,
        emergency: args.emergency.clone(),
        ..Draft::default()
    };
    let sending = Sending::of(args.wait, args.format, &args.broker);
    Ok(again(&request, past.digest.as_ref(), draft, &sending).await?)
}
