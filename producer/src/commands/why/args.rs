//! The arguments of `drawgate why`.

use clap::Args;
use drawgate_schemas::ReleaseId;

use crate::options::{BrokerArgs, Format};

/// Say what a release waits for, and what would end the wait.
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
