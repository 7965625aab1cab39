//! Control commands for one release, for `pause`, `resume`, `cancel`, `approve` and `reject`.

use clap::Args;
use drawgate_schemas::limits::LONG_TEXT_CHARS;
use drawgate_schemas::{Ask, Control, ControlRequest, Digest, ReleaseId, Text};
use serde::Serialize;

use crate::asking::{AskFailed, known, over_a_connection};
use crate::broker::{Asker, Verdict};
use crate::consent::is_meant;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::options::{BrokerArgs, Format};
use crate::system::SystemError;
use crate::{limits, printer};

/// What every control command takes.
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

/// Gives a control command, and tells what became of it.
pub(crate) async fn give(control: Control, args: &ControlArgs) -> Result<Exit, ControlFailed> {
    give_for(control, args, async |_| Ok(None)).await
}

/// Gives a control command for the digest that `digest` finds over the same connection.
pub(crate) async fn give_for(
    control: Control,
    args: &ControlArgs,
    digest: impl AsyncFnOnce(&Asker<'_>) -> Result<Option<Digest>, ControlFailed>,
) -> Result<Exit, ControlFailed> {
    let release = args.release;
    let name = format!("drawgate {control} {release}");
    let verdict = over_a_connection(&name, &args.broker, async |asker| {
        let digest = digest(asker).await?;
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

/// Returns an error unless the person confirms the command.
pub(crate) fn sure(control: Control, args: &ControlArgs, question: &str) -> Result<(), ControlFailed> {
    let release = args.release;
    if is_meant(question, args.yes)? {
        return Ok(());
    }
    Err(ControlFailed::NotMeant { release, control })
}
