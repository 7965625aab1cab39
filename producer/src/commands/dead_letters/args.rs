//! The arguments of `drawgate dead-letters`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::broker::LetterId;
use crate::options::{BrokerArgs, Format};

const EXAMPLES: &str = "\
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

const REPLAY_EXAMPLES: &str = "\
Examples:
  drawgate dead-letters replay 5c1f2e9b0d7c 01936a5e7c2e
  drawgate dead-letters replay --all
  drawgate dead-letters replay 5c1f2e9b0d7c --with message.json

A dead letter is taken off the queue once the broker has confirmed the message
that takes its place. Where one of the named cannot be sent as it is, nothing is
sent; with --all it stays, and the others are replayed (exit code 3).";

/// Look at the messages that were refused for good; replay them, as they are or repaired, or drop them.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum DeadLetterCommand {
    /// List them, the oldest first
    List(ListArgs),
    /// Show one: who published it, why it was refused, and the message itself
    Show(ShowLetterArgs),
    /// Publish them again, as they are or repaired, to where they say they belong
    #[command(after_help = REPLAY_EXAMPLES)]
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
