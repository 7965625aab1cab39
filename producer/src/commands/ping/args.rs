//! The arguments of `drawgate ping`.

use clap::Args;

use crate::options::{BrokerArgs, Format};

/// Show which workers are there, and whether they are fit.
#[derive(Debug, Args)]
pub(crate) struct PingArgs {
    /// text: for people. json: one object per worker and line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}
