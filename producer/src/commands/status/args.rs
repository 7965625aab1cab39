//! The arguments of `drawgate status`.

use clap::Args;
use drawgate_schemas::{Environment, Service};

use crate::options::{BrokerArgs, Format};

const EXAMPLES: &str = "\
Examples:
  drawgate status
  drawgate status --environment production
  drawgate status --format json | jq 'select(.last.outcome == \"needs_operator\")'";

/// Show every lane: what rolls, what waits, what ended last.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
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
