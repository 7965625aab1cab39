//! `drawgate rollback`: releases an earlier version.

mod args;
mod choice;

pub(crate) use args::RollbackArgs;

use choice::{Chosen, LOOKED_AT, chosen};

use crate::asking::{AskFailed, lane_history};
use crate::consent::is_meant;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::origin::{self, FillError};
use crate::request::Draft;
use crate::sending::{NothingBefore, SendFailed, Sending, again};
use crate::system::{self, SystemError};

/// Why nothing was rolled back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RollbackFailed {
    /// The service is not named, and `drawgate.toml` does not give it.
    #[error(transparent)]
    Service(#[from] FillError),
    /// Asking for the earlier releases failed.
    #[error(transparent)]
    Ask(#[from] AskFailed),
    /// There is nothing that could be released again.
    #[error(transparent)]
    NothingBefore(#[from] NothingBefore),
    /// The person did not confirm the rollback.
    #[error("nothing was released")]
    NotMeant,
    #[error(transparent)]
    Send(#[from] SendFailed),
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for RollbackFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Service(error) => error.exit(),
            Self::Ask(error) => error.exit(),
            Self::NothingBefore(error) => error.exit(),
            Self::NotMeant => Exit::Usage,
            Self::Send(error) => error.exit(),
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Service(error) => error.hint(),
            Self::Ask(error) => error.hint(),
            Self::NothingBefore(error) => error.hint(),
            Self::NotMeant => Some("drawgate rollback … --yes".to_owned()),
            Self::Send(error) => error.hint(),
            Self::System(error) => error.hint(),
        }
    }
}

/// Finds the version to go back to, and releases it after the person has confirmed.
pub(crate) async fn run(args: &RollbackArgs) -> Result<Exit, RollbackFailed> {
    let environment = &args.lane.environment;
    let service = origin::service(args.lane.service.as_ref(), &system::folder()?)?;
    let lane = lane_history("rollback", environment, &service, LOOKED_AT, &args.broker).await?;
    let releases = lane.releases;
    let nothing = |why: String| NothingBefore { why };
    let Chosen { past, digest, force } = chosen(&releases, args.to).map_err(nothing)?;
    let version = past.request.version_name();
    let question = format!(
        "release {version} ({digest}) of {} again on {environment}?",
        past.request.id
    );
    if !is_meant(&question, args.yes)? {
        return Err(RollbackFailed::NotMeant);
    }
    let reason = match &args.reason {
        Some(reason) => Some(reason.clone()),
        None => format!("back to {version}, of release {}", past.request.id)
            .parse()
            .ok(),
    };
    // The request has no build number: its version is older than one that has succeeded, and goes back all
    // the same.
    let draft = Draft {
        reason,
        force,
        emergency: args.emergency.clone(),
        ..Draft::default()
    };
    let sending = Sending::of(args.wait, args.format, &args.broker);
    Ok(again(&past.request, Some(digest), draft, &sending).await?)
}
