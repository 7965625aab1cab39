//! The arguments of `drawgate rollback`.

use clap::Args;
use drawgate_schemas::limits::LONG_TEXT_CHARS;
use drawgate_schemas::{ReleaseId, Text};

use crate::options::{BrokerArgs, Format, LaneArgs};

const EXAMPLES: &str = "\
Examples:
  drawgate rollback --environment production --service search-api --wait
  drawgate rollback --environment production --service search-api --to ID --yes

It is a release like any other, of that very digest: with approval, preflight, and a rollback of its own.";

/// Release what ran before: the last version that succeeded before the one that runs, or that of a release you name.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
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
