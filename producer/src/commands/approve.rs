//! `drawgate approve`: shows the digest and approves it, after the person has confirmed.

use clap::Args;
use drawgate_schemas::{Ask, Control, Digest};

use crate::asking::ask_for;
use crate::broker::Asker;
use crate::control::{ControlArgs, ControlFailed, give_for, sure};
use crate::exit::Exit;
use crate::{printer, view};

const EXAMPLES: &str = "\
Examples:
  drawgate approve 0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c
  drawgate reject ID --reason 'not before the holidays'

What is approved is the digest that is shown; whoever published a release does not approve it.
The service's file says who may, and how many have to: [environment.NAME] approval.";

/// Approve a release: you agree that this very image is released.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ApproveArgs {
    /// What every control command takes.
    #[command(flatten)]
    pub(crate) control: ControlArgs,
    /// Only this digest; else the one that is shown
    #[arg(long, value_name = "sha256:…")]
    pub(crate) digest: Option<Digest>,
}

/// Approves the release's digest.
pub(crate) async fn run(args: &ApproveArgs) -> Result<Exit, ControlFailed> {
    let named = args.digest.clone();
    give_for(Control::Approve, &args.control, async |asker| {
        to_approve(asker, &args.control, named).await
    })
    .await
}

/// The digest to approve: the named one, or else the release's present digest, shown to the person.
async fn to_approve(
    asker: &Asker<'_>,
    args: &ControlArgs,
    named: Option<Digest>,
) -> Result<Option<Digest>, ControlFailed> {
    let ask = Ask::Show {
        release: args.release,
        after: 0,
        logs: false,
    };
    let view = ask_for(asker, args.release, ask).await?;
    printer::narrate(&view::header(&view.request, Some(printer::columns())));
    let digest = named.or(view.digest);
    let what = digest
        .as_ref()
        .map_or_else(|| view.request.image.to_string(), Digest::to_string);
    sure(Control::Approve, args, &format!("approve {what}?"))?;
    Ok(digest)
}
