//! `drawgate pause`, `resume`, `cancel`, `approve` and `reject`: control commands for one release.

use drawgate_schemas::{Ask, Control, ControlRequest, Digest, ReleaseId};
use serde::Serialize;

use crate::asking::{AskFailed, ask_for, known, over_a_connection};
use crate::broker::{Asker, Verdict};
use crate::cli::{ApproveArgs, ControlArgs};
use crate::consent::is_meant;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::options::Format;
use crate::system::SystemError;
use crate::{limits, printer, view};

/// Why a control command was not taken, or is not known to have been taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlFailed {
    #[error(transparent)]
    Ask(#[from] AskFailed),
    /// A worker refused the control command.
    #[error("{control} was not taken: {why}")]
    NotTaken { control: Control, why: String },
    /// No worker said what became of the control command.
    #[error("no worker said within {} s what became of it: the command to {control} may have been taken or not", limits::ANSWER.as_secs())]
    NoWord {
        /// The id of the release that the command was for.
        release: ReleaseId,
        control: Control,
    },
    /// The person did not confirm the command.
    #[error("nothing was {}", control.past())]
    NotMeant {
        /// The id of the release that the command was for.
        release: ReleaseId,
        control: Control,
    },
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for ControlFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Ask(error) => error.exit(),
            Self::NotTaken { .. } => Exit::Rejected,
            Self::NoWord { .. } => Exit::Broker,
            Self::NotMeant { .. } => Exit::Usage,
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Ask(error) => error.hint(),
            Self::NotTaken { .. } => Some("drawgate show ID says where it stands".to_owned()),
            Self::NoWord { release, .. } => Some(format!("drawgate show {release} says whether it was")),
            Self::NotMeant { release, control } => Some(format!("drawgate {control} {release} --yes")),
            Self::System(error) => error.hint(),
        }
    }
}

/// The result of a control command, for programs.
#[derive(Serialize)]
struct Told<'a> {
    release: ReleaseId,
    control: Control,
    taken: bool,
    worker: &'a str,
    /// What follows from the command, or why it was not taken.
    detail: &'a str,
}

/// Shows the digest and approves it, after the person has confirmed.
pub(crate) async fn approve(args: &ApproveArgs) -> Result<Exit, ControlFailed> {
    give(Control::Approve, &args.control, args.digest.clone()).await
}

/// Gives a control command, and tells what became of it.
pub(crate) async fn control(control: Control, args: &ControlArgs) -> Result<Exit, ControlFailed> {
    if control == Control::Cancel {
        let release = args.release;
        let question = format!("cancel release {release}? What it touched is rolled back.");
        sure(control, args, &question)?;
    }
    give(control, args, None).await
}

async fn give(control: Control, args: &ControlArgs, digest: Option<Digest>) -> Result<Exit, ControlFailed> {
    let release = args.release;
    let name = format!("drawgate {control} {release}");
    let verdict = over_a_connection(&name, &args.broker, async |asker| {
        let digest = match control {
            Control::Approve => to_approve(asker, args, digest).await?,
            _ => None,
        };
        let given = ControlRequest {
            release,
            control,
            reason: args.reason.clone(),
            digest,
        };
        let asked = asker.ask(Ask::Control(given)).await;
        asked.map_err(|error| ControlFailed::Ask(error.into()))
    });
    let (taken, worker, detail) = match verdict.await? {
        Verdict::Taken { worker, what } => (true, worker, what),
        Verdict::NotTaken { worker, why } => (false, worker, why),
        Verdict::Silence => return Err(ControlFailed::NoWord { release, control }),
        other => {
            known(other, release)?;
            return Err(ControlFailed::NoWord { release, control });
        }
    };
    match args.format {
        Format::Json => {
            printer::json(&Told {
                release,
                control,
                taken,
                worker: &worker,
                detail: &detail,
            })?;
        }
        Format::Text if taken => printer::narrate(&format!("{control}: taken by {worker}; {detail}")),
        Format::Text => {}
    }
    if taken {
        return Ok(Exit::Succeeded);
    }
    match args.format {
        Format::Json => Ok(Exit::Rejected),
        Format::Text => Err(ControlFailed::NotTaken { control, why: detail }),
    }
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

/// Returns an error unless the person confirms the command.
fn sure(control: Control, args: &ControlArgs, question: &str) -> Result<(), ControlFailed> {
    let release = args.release;
    if is_meant(question, args.yes)? {
        return Ok(());
    }
    Err(ControlFailed::NotMeant { release, control })
}
