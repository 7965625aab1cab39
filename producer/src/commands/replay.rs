//! `drawgate replay`: releases an ended release again, or sends a message from a file.

use std::path::Path;

use drawgate_schemas::{ReleaseId, ReleaseState};
use jiff::Timestamp;

use crate::asking::AskFailed;
use crate::cli::ReplayArgs;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::message_file::{self, MessageFileError};
use crate::request::{Draft, quoted};
use crate::sending::{NothingBefore, SendFailed, Sending, again, before};

/// Why nothing was replayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayFailed {
    /// Asking for the release failed.
    #[error(transparent)]
    Ask(#[from] AskFailed),
    /// There is nothing that could be released again.
    #[error(transparent)]
    NothingBefore(#[from] NothingBefore),
    /// The message in a file cannot be read or sent.
    #[error(transparent)]
    MessageFile(#[from] MessageFileError),
    #[error(transparent)]
    Send(#[from] SendFailed),
}

impl Ending for ReplayFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Ask(error) => error.exit(),
            Self::NothingBefore(error) => error.exit(),
            Self::MessageFile(error) => error.exit(),
            Self::Send(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Ask(error) => error.hint(),
            Self::NothingBefore(error) => error.hint(),
            Self::MessageFile(error) => error.hint(),
            Self::Send(error) => error.hint(),
        }
    }
}

/// Replays the named release or file.
pub(crate) async fn replay(args: &ReplayArgs) -> Result<Exit, ReplayFailed> {
    match (&args.file, args.release) {
        (Some(file), _) => message_of(file, args).await,
        (None, Some(release)) => release_of(release, args).await,
        // The command line requires one of the two.
        (None, None) => Ok(Exit::Usage),
    }
}

/// Publishes the same version under a new id, whatever the outcome of the release.
async fn release_of(release: ReleaseId, args: &ReplayArgs) -> Result<Exit, ReplayFailed> {
    let view = before(release, "replay", &args.broker).await?;
    if !matches!(view.state, ReleaseState::Ended { .. }) {
        let why = format!("{release} has not ended");
        return Err(NothingBefore { why }.into());
    }
    let reason = match &args.reason {
        Some(reason) => Some(reason.clone()),
        None => format!("replay of release {release}").parse().ok(),
    };
    let draft = Draft {
        reason,
        sequence: view.request.sequence,
        force: args.force,
        ..Draft::default()
    };
    let sending = Sending::of(args.wait, args.format, &args.broker);
    Ok(again(&view.request, view.digest.as_ref(), draft, &sending).await?)
}

/// Sends the message in the file under its own id: a second release under that id is not made.
async fn message_of(file: &Path, args: &ReplayArgs) -> Result<Exit, ReplayFailed> {
    let message = message_file::read(file, Timestamp::now())?;
    let sending = Sending::of(args.wait, args.format, &args.broker).under_a_used_id();
    let wait = if args.wait { " --wait" } else { "" };
    let again = || format!("drawgate replay --file {}{wait}", quoted(&file.to_string_lossy()));
    Ok(sending.send(&again, &message).await?)
}
