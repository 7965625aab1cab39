//! `drawgate retry`: releases again what did not succeed.

use drawgate_schemas::{Outcome, ReleaseState};

use crate::asking::AskFailed;
use crate::cli::RetryArgs;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::request::Draft;
use crate::sending::{NothingBefore, SendFailed, Sending, again, before};

/// Why nothing was retried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RetryFailed {
    /// Asking for the release failed.
    #[error(transparent)]
    Ask(#[from] AskFailed),
    /// There is nothing that could be released again.
    #[error(transparent)]
    NothingBefore(#[from] NothingBefore),
    #[error(transparent)]
    Send(#[from] SendFailed),
}

impl Ending for RetryFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Ask(error) => error.exit(),
            Self::NothingBefore(error) => error.exit(),
            Self::Send(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Ask(error) => error.hint(),
            Self::NothingBefore(error) => error.hint(),
            Self::Send(error) => error.hint(),
        }
    }
}

/// Publishes the same version again, under a new id.
pub(crate) async fn retry(args: &RetryArgs) -> Result<Exit, RetryFailed> {
    let view = before(args.release, "retry", &args.broker).await?;
    let why_not = match view.state {
        ReleaseState::Ended {
            outcome: Outcome::Succeeded,
        } => Some("has succeeded"),
        ReleaseState::Ended { .. } => None,
        ReleaseState::Waiting { .. } | ReleaseState::Running => Some("has not ended"),
    };
    if let Some(why) = why_not {
        let why = format!("{} {why}", args.release);
        return Err(NothingBefore { why }.into());
    }
    let reason = match &args.reason {
        Some(reason) => Some(reason.clone()),
        None => format!("release {} once more", args.release).parse().ok(),
    };
    let draft = Draft {
        reason,
        sequence: view.request.sequence,
        force: view.request.force,
        emergency: view.request.emergency.clone(),
        ..Draft::default()
    };
    let sending = Sending::of(args.wait, args.format, &args.broker);
    Ok(again(&view.request, view.digest.as_ref(), draft, &sending).await?)
}
