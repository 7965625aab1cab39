//! `drawgate history`.

mod args;
mod view;

use jiff::Timestamp;

pub(crate) use args::HistoryArgs;

use crate::asking::{AskFailed, lane_history};
use crate::ending::Ending;
use crate::exit::Exit;
use crate::options::Format;
use crate::origin::{self, FillError};
use crate::printer;
use crate::system::{self, SystemError};
use crate::view::clean;

/// Why no releases are shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryFailed {
    /// The service is not named, and `drawgate.toml` does not give it.
    #[error(transparent)]
    Service(#[from] FillError),
    #[error(transparent)]
    Ask(#[from] AskFailed),
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for HistoryFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Service(error) => error.exit(),
            Self::Ask(error) => error.exit(),
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Service(error) => error.hint(),
            Self::Ask(error) => error.hint(),
            Self::System(error) => error.hint(),
        }
    }
}

/// Asks for a lane's releases and shows them, the newest first.
pub(crate) async fn run(args: &HistoryArgs) -> Result<Exit, HistoryFailed> {
    let service = origin::service(args.lane.service.as_ref(), &system::folder()?)?;
    let lane = lane_history(
        "history",
        &args.lane.environment,
        &service,
        args.limit,
        &args.broker,
    )
    .await?;
    match args.format {
        Format::Json => {
            for release in &lane.releases {
                printer::json(release)?;
            }
        }
        Format::Text => {
            for row in view::history(&lane.releases, &lane.forgotten, Timestamp::now()) {
                printer::data(&clean(&row))?;
            }
        }
    }
    Ok(Exit::Succeeded)
}
