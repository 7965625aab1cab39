//! `drawgate cancel`.

use clap::Args;
use drawgate_schemas::Control;

use crate::control::{ControlArgs, ControlFailed, give, sure};
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  drawgate cancel 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c
  drawgate cancel ID --yes --reason 'wrong branch'; drawgate watch ID

Exit code 0 says that the command was taken; `drawgate watch ID` ends with 7 when all is as before.";

/// Cancel a release: what it touched goes back to what it ran before.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CancelArgs {
    /// What every control command takes.
    #[command(flatten)]
    pub(crate) control: ControlArgs,
}

/// Cancels the release, after the person has confirmed.
pub(crate) async fn run(args: &CancelArgs) -> Result<Exit, ControlFailed> {
    let release = args.control.release;
    let question = format!("cancel release {release}? What it touched is rolled back.");
    sure(Control::Cancel, &args.control, &question)?;
    give(Control::Cancel, &args.control).await
}
