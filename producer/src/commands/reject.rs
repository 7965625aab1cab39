//! `drawgate reject`.

use clap::Args;
use drawgate_schemas::Control;

use crate::control::{ControlArgs, ControlFailed, give};
use crate::exit::Exit;

/// Reject a release that waits for approval: it ends before anything is touched.
#[derive(Debug, Args)]
pub(crate) struct RejectArgs {
    /// What every control command takes.
    #[command(flatten)]
    pub(crate) control: ControlArgs,
}

/// Rejects the release.
pub(crate) async fn run(args: &RejectArgs) -> Result<Exit, ControlFailed> {
    give(Control::Reject, &args.control).await
}
