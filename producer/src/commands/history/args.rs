//! The arguments of `drawgate history`.

use clap::Args;

use crate::options::{BrokerArgs, Format, LaneArgs};

/// Show the releases of one service on one environment, the newest first.
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
