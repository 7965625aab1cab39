//! `drawgate retry`: a release that did not succeed, once more.

use drawgate_schemas::{Outcome, ReleaseState};

use super::again::{again, before};
use crate::cli::{PublishArgs, RetryArgs};
use crate::error::CommandError;
use crate::exit::Exit;

/// Publishes the very same version again, under a new id.
pub(crate) async fn retry(args: &RetryArgs) -> Result<Exit, CommandError> {
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
        return Err(CommandError::NothingBefore { why });
    }
    let reason = match &args.reason {
        Some(reason) => Some(reason.clone()),
        None => format!("release {} once more", args.release).parse().ok(),
    };
    let published = PublishArgs {
        reason,
        sequence: view.request.sequence,
        force: view.request.force,
        emergency: view.request.emergency.clone(),
        wait: args.wait,
        format: args.format,
        broker: args.broker.clone(),
        ..PublishArgs::of_nothing()
    };
    again(&view.request, view.digest.as_ref(), published).await
}
