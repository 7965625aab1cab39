//! The arguments of `drawgate show`.

use clap::Args;
use drawgate_schemas::ReleaseId;

use crate::options::{BrokerArgs, Format};

const EXAMPLES: &str = "\
Examples:
  drawgate show 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c
  drawgate show --logs ID
  drawgate show --format json ID | jq .state";

/// Show a release: its request, where it stands, what happened, and its receipt.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
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
