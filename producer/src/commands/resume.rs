//! `drawgate resume`.

use clap::Args;
use drawgate_schemas::Control;

use crate::control::{ControlArgs, ControlFailed, give};
use crate::exit::Exit;

/// Tell a paused release to go on.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// What every control command takes.
    #[command(flatten)]
    pub(crate) control: ControlArgs,
}

/// Resumes the release.
pub(crate) async fn run(args: &ResumeArgs) -> Result<Exit, ControlFailed> {
    give(Control::Resume, &args.control).await
}
