//! `drawgate pause`.

use clap::Args;
use drawgate_schemas::Control;

use crate::control::{ControlArgs, ControlFailed, give};
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  drawgate pause 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c --reason 'looking at the errors'
  drawgate resume ID

Paused for longer than roll.max_pause of the service's file, it goes back by itself.";

/// Pause a release: hosts that are out come back into service, then nothing is done until it is resumed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PauseArgs {
    /// What every control command takes.
    #[command(flatten)]
    pub(crate) control: ControlArgs,
}

/// Pauses the release.
pub(crate) async fn run(args: &PauseArgs) -> Result<Exit, ControlFailed> {
    give(Control::Pause, &args.control).await
}
