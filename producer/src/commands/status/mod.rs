//! `drawgate status`.

mod args;
mod pages;
mod view;

use drawgate_schemas::LaneView;
use jiff::Timestamp;

pub(crate) use args::StatusArgs;

use pages::{Seen, seen};

use crate::asking::{AskFailed, over_a_connection};
use crate::ending::Ending;
use crate::exit::Exit;
use crate::options::Format;
use crate::printer;
use crate::system::SystemError;
use crate::view::clean;

/// Why no lanes are shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatusFailed {
    #[error(transparent)]
    Ask(#[from] AskFailed),
    /// The lane that was named does not exist.
    #[error("no lane is of that name: nothing was released there yet")]
    NoLane,
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for StatusFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Ask(error) => error.exit(),
            Self::NoLane => Exit::Usage,
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Ask(error) => error.hint(),
            Self::NoLane => Some("drawgate status without a name lists every lane".to_owned()),
            Self::System(error) => error.hint(),
        }
    }
}

/// Asks every worker for its lanes, and shows them as one list.
pub(crate) async fn run(args: &StatusArgs) -> Result<Exit, StatusFailed> {
    let seen = over_a_connection("drawgate status", &args.broker, async |asker| {
        seen(asker, args).await
    });
    let Seen {
        lanes,
        freezes,
        refused,
        ..
    } = seen.await?;
    let lanes: Vec<LaneView> = lanes.into_values().collect();
    // The list is not complete, and must not look as if it were.
    for (worker, reason) in &refused {
        printer::narrate(&format!(
            "{worker} could not answer, its lanes are not among these: {reason}"
        ));
    }
    if lanes.is_empty() && (args.environment.is_some() || args.service.is_some()) {
        return Err(StatusFailed::NoLane);
    }
    match args.format {
        Format::Json => {
            for lane in &lanes {
                printer::json(lane)?;
            }
        }
        Format::Text => {
            for row in view::status(&lanes, &freezes, Timestamp::now()) {
                printer::data(&clean(&row))?;
            }
        }
    }
    Ok(Exit::Succeeded)
}
