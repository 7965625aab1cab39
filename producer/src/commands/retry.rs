//! `drawgate retry`: releases again what did not succeed.

use clap::Args;
use drawgate_schemas::limits::LONG_TEXT_CHARS;
use drawgate_schemas::{Outcome, ReleaseId, ReleaseState, Text};

use crate::asking::AskFailed;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::options::{BrokerArgs, Format};
use crate::request::Draft;
use crate::sending::{NothingBefore, SendFailed, Sending, again, before};

/// Release once more what a release asked for that did not succeed, under a new id.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// The release that did not succeed
    #[arg(value_name = "ID")]
    pub(crate) release: ReleaseId,
    /// Why, for the people who watch
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<Text<LONG_TEXT_CHARS>>,
    /// Follow the release to its end; the exit code says how it ended
    #[arg(long)]
    pub(crate) wait: bool,
    /// text: for people. json: one object, or with --wait one event a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

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
pub(crate) async fn run(args: &RetryArgs) -> Result<Exit, RetryFailed> {
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
