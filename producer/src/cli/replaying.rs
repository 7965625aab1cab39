//! The command line of what is done once more: `dead-letters`, `replay`, `retry` and `rollback`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use drawgate_schemas::limits::LONG_TEXT_CHARS;
use drawgate_schemas::{ReleaseId, Text};

use crate::broker::LetterId;
use crate::options::{BrokerArgs, Format, LaneArgs};

pub(super) const ROLLBACK_EXAMPLES: &str = "\
Examples:
  drawgate rollback --environment production --service search-api --wait
  drawgate rollback --environment production --service search-api --to ID --yes

It is a release like any other, of that very digest: with approval, preflight, and a rollback of its own.";

pub(super) const DEAD_LETTERS_EXAMPLES: &str = "\
Examples:
  drawgate dead-letters list
  drawgate dead-letters show 5c1f2e9b0d7c
  drawgate dead-letters drop 5c1f2e9b0d7c

  What a worker refused because of a mistake in it, repaired:
    drawgate dead-letters show 5c1f2e9b0d7c --body > message.json
    editor message.json
    drawgate dead-letters replay 5c1f2e9b0d7c --with message.json

  What was refused because of something that has been mended since:
    drawgate dead-letters replay --all

Nothing is taken off the queue by looking at it.";

const REPLAY_LETTER_EXAMPLES: &str = "\
Examples:
  drawgate dead-letters replay 5c1f2e9b0d7c 01936a5e7c2e
  drawgate dead-letters replay --all
  drawgate dead-letters replay 5c1f2e9b0d7c --with message.json

A dead letter is taken off the queue once the broker has confirmed the message
that takes its place. Where one of the named cannot be sent as it is, nothing is
sent; with --all it stays, and the others are replayed (exit code 3).";

pub(super) const REPLAY_EXAMPLES: &str = "\
Examples:
  A release that has ended, whatever its outcome, under a new id:
    drawgate replay 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c --wait

  A message that was kept while the broker was out of reach:
    drawgate publish --dry-run > message.json
    drawgate replay --file message.json --wait

A message from a file keeps its id: replayed twice, it is released once.";

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetterCommand {
    /// List them, the oldest first
    List(ListArgs),
    /// Show one: who published it, why it was refused, and the message itself
    Show(ShowLetterArgs),
    /// Publish them again, as they are or repaired, to where they say they belong
    #[command(after_help = REPLAY_LETTER_EXAMPLES)]
    Replay(ReplayLettersArgs),
    /// Delete them for good
    Drop(DropArgs),
}

/// The arguments of `dead-letters list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// text: for people. json: one object per dead letter and line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `dead-letters show`.
#[derive(Debug, Args)]
pub(crate) struct ShowLetterArgs {
    /// Which, as `list` shows it
    #[arg(value_name = "ID")]
    pub(crate) letter: LetterId,
    /// Only the message, byte for byte as it was sent
    #[arg(long, conflicts_with = "format")]
    pub(crate) body: bool,
    /// text: for people. json: one object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// Which dead letters.
#[derive(Debug, Args)]
pub(crate) struct ChosenArgs {
    /// Which, as `list` shows them
    #[arg(value_name = "ID", required_unless_present = "all")]
    pub(crate) letters: Vec<LetterId>,
    /// Every one that is there
    #[arg(long, conflicts_with = "letters")]
    pub(crate) all: bool,
}

/// The arguments of `dead-letters replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayLettersArgs {
    /// Which.
    #[command(flatten)]
    pub(crate) chosen: ChosenArgs,
    /// The repaired message, sent in the place of the one ID; - reads it from stdin
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    pub(crate) with: Option<PathBuf>,
    /// text: for people. json: one object per dead letter and line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `dead-letters drop`.
#[derive(Debug, Args)]
pub(crate) struct DropArgs {
    /// Which.
    #[command(flatten)]
    pub(crate) chosen: ChosenArgs,
    /// Do not ask whether it is meant
    #[arg(long)]
    pub(crate) yes: bool,
    /// text: for people. json: one object per dead letter and line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `replay`.
#[derive(Debug, Args)]
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

/// The arguments of `retry`.
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

/// The arguments of `rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// Which lane.
    #[command(flatten)]
    pub(crate) lane: LaneArgs,
    /// A release that succeeded: what it released is released again
    #[arg(long, value_name = "ID")]
    pub(crate) to: Option<ReleaseId>,
    /// Why, for the people who watch
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<Text<LONG_TEXT_CHARS>>,
    /// Past every freeze, window and approval, and why; for those whom [emergency] of worker.toml names
    #[arg(long, value_name = "WHY")]
    pub(crate) emergency: Option<Text<LONG_TEXT_CHARS>>,
    /// Do not ask whether it is meant
    #[arg(long)]
    pub(crate) yes: bool,
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
