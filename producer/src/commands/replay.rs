//! `drawgate replay`: releases an ended release again, or sends a message from a file.

use std::path::{Path, PathBuf};

use clap::Args;
use drawgate_schemas::limits::LONG_TEXT_CHARS;
use drawgate_schemas::{ReleaseId, ReleaseState, Text};
use jiff::Timestamp;

use crate::asking::AskFailed;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::message_file::{self, MessageFileError};
use crate::options::{BrokerArgs, Format};
use crate::request::{Draft, quoted};
use crate::sending::{NothingBefore, SendFailed, Sending, again, before};

const EXAMPLES: &str = "\
Examples:
  A release that has ended, whatever its outcome, under a new id:
    drawgate replay 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c --wait

  A message that was kept while the broker was out of reach:
    drawgate publish --dry-run > message.json
    drawgate replay --file message.json --wait

A message from a file keeps its id: replayed twice, it is released once.";

/// Release a release once more that has ended, whatever its outcome, or publish a message from a file.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// A release that has ended: the same version is released once more, by its digest, under a new id
    #[arg(value_name = "ID", required_unless_present = "file")]
    pub(crate) release: Option<ReleaseId>,
    /// A message as `publish --dry-run` writes it, sent as it is; - reads it from stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["release", "force", "reason"])]
    pub(crate) file: Option<PathBuf>,
    /// Release it although a later build waits or was released, and although every host runs this image already
    #[arg(long)]
    pub(crate) force: bool,
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
pub(crate) async fn run(args: &ReplayArgs) -> Result<Exit, ReplayFailed> {
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
