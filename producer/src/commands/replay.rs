//! `drawgate replay`: a release that has ended, once more; or a message out of a file.

use std::path::Path;

use drawgate_schemas::{ReleaseId, ReleaseState};
use jiff::Timestamp;

use super::again::{again, before};
use super::publish;
use crate::cli::{PublishArgs, ReplayArgs};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::message_file;

/// Publishes what is named.
pub(crate) async fn replay(args: &ReplayArgs) -> Result<Exit, CommandError> {
    match (&args.file, args.release) {
        (Some(file), _) => message_of(file, args).await,
        (None, Some(release)) => release_of(release, args).await,
        // One of them is required on the command line.
        (None, None) => Ok(Exit::Usage),
    }
}

/// The very same version under a new id, whatever became of it.
async fn release_of(release: ReleaseId, args: &ReplayArgs) -> Result<Exit, CommandError> {
    let view = before(release, "replay", &args.broker).await?;
    if !matches!(view.state, ReleaseState::Ended { .. }) {
        let why = format!("{release} has not ended");
        return Err(CommandError::NothingBefore { why });
    }
    let reason = match &args.reason {
        Some(reason) => Some(reason.clone()),
        None => format!("replay of release {release}").parse().ok(),
    };
    let published = PublishArgs {
        reason,
        sequence: view.request.sequence,
        force: args.force,
        wait: args.wait,
        format: args.format,
        broker: args.broker.clone(),
        ..PublishArgs::of_nothing()
    };
    again(&view.request, view.digest.as_ref(), published).await
}

/// The message as it stands there, under its own id: a release of that id is not made a second time.
async fn message_of(file: &Path, args: &ReplayArgs) -> Result<Exit, CommandError> {
    let message = message_file::read(file, Timestamp::now())?;
    let published = PublishArgs {
        id: Some(message.request.id),
        wait: args.wait,
        format: args.format,
        broker: args.broker.clone(),
        ..PublishArgs::of_nothing()
    };
    let wait = if args.wait { " --wait" } else { "" };
    let again = || {
        format!(
            "drawgate replay --file {}{wait}",
            crate::cli::quoted(&file.to_string_lossy())
        )
    };
    publish::sent(&published, &again, &message).await
}
