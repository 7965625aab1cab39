//! Arguments of what only asks: `status`, `why`, `history`, `show` and `watch`.

use std::time::Duration;

use clap::Args;
use drawgate_schemas::{Environment, ReleaseId, Service};

use crate::limits;
use crate::options::{BrokerArgs, Format, LaneArgs, duration};

pub(super) const WATCH_EXAMPLES: &str = "\
Examples:
  drawgate watch 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c
  drawgate watch --format json ID | jq -r .type

Ctrl-C stops the watching, not the release.";

pub(super) const STATUS_EXAMPLES: &str = "\
Examples:
  drawgate status
  drawgate status --environment production
  drawgate status --format json | jq 'select(.last.outcome == \"needs_operator\")'";

pub(super) const SHOW_EXAMPLES: &str = "\
Examples:
  drawgate show 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c
  drawgate show --logs ID
  drawgate show --format json ID | jq .state";

/// The arguments of `watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// The release's id
    #[arg(value_name = "ID")]
    pub(crate) release: ReleaseId,
    /// Stop watching after this long; the release goes on
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = limits::WAIT_TEXT)]
    pub(crate) timeout: Duration,
    /// text: for people. json: one event a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Only lanes of this environment
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<Environment>,
    /// Only lanes of this service
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<Service>,
    /// text: for people. json: one object per lane and line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `why`.
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// The release's id
    #[arg(value_name = "ID")]
    pub(crate) release: ReleaseId,
    /// text: for people. json: one object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// Which lane.
    #[command(flatten)]
    pub(crate) lane: LaneArgs,
    /// So many of them
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) limit: u32,
    /// text: for people. json: one object per release and line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The release's id
    #[arg(value_name = "ID")]
    pub(crate) release: ReleaseId,
    /// Add the last lines of containers that failed
    #[arg(long)]
    pub(crate) logs: bool,
    /// text: for people. json: one object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}
