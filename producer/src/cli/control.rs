//! Arguments of `pause`, `resume`, `cancel`, `approve` and `reject`.

use clap::Args;
use drawgate_schemas::limits::LONG_TEXT_CHARS;
use drawgate_schemas::{Digest, ReleaseId, Text};

use crate::options::{BrokerArgs, Format};

pub(super) const PAUSE_EXAMPLES: &str = "\
Examples:
  drawgate pause 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c --reason 'looking at the errors'
  drawgate resume ID

Paused for longer than roll.max_pause of the service's file, it goes back by itself.";

pub(super) const APPROVE_EXAMPLES: &str = "\
Examples:
  drawgate approve 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c
  drawgate reject ID --reason 'not before the holidays'

What is approved is the digest that is shown; whoever published a release does not approve it.
The service's file says who may, and how many have to: [environment.NAME] approval.";

pub(super) const CANCEL_EXAMPLES: &str = "\
Examples:
  drawgate cancel 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c
  drawgate cancel ID --yes --reason 'wrong branch'; drawgate watch ID

Exit code 0 says that the command was taken; `drawgate watch ID` ends with 7 when all is as before.";

/// The arguments of `pause`, `resume`, `cancel` and `reject`.
#[derive(Debug, Args)]
pub(crate) struct ControlArgs {
    /// The release's id
    #[arg(value_name = "ID")]
    pub(crate) release: ReleaseId,
    /// Why, for the people who watch
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<Text<LONG_TEXT_CHARS>>,
    /// Do not ask whether it is meant
    #[arg(long)]
    pub(crate) yes: bool,
    /// text: for people. json: one object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// The arguments of `approve`.
#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// What every control command takes.
    #[command(flatten)]
    pub(crate) control: ControlArgs,
    /// Only this digest; else the one that is shown
    #[arg(long, value_name = "sha256:…")]
    pub(crate) digest: Option<Digest>,
}
