//! `drawgate history`.

use drawgate_schemas::{Ask, Environment, ForgottenSequence, PastView, Reply, Service};
use jiff::Timestamp;

use super::asking::{AskFailed, ask_everyone};
use crate::cli::{BrokerArgs, Format, HistoryArgs};
use crate::ending::Ending;
use crate::exit::Exit;
use crate::origin::{self, FillError};
use crate::system::{self, SystemError};
use crate::{printer, view};

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
pub(crate) async fn history(args: &HistoryArgs) -> Result<Exit, HistoryFailed> {
    let service = origin::service(args.lane.service.as_ref(), &system::folder()?)?;
    let lane = of_lane(
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
                printer::data(&view::clean(&row))?;
            }
        }
    }
    Ok(Exit::Succeeded)
}

/// The releases of a lane, and the forgotten build numbers.
#[derive(Debug, Default)]
pub(super) struct LaneHistory {
    /// The releases, the newest first.
    pub(super) releases: Vec<PastView>,
    /// Records of forgotten build numbers, the latest first.
    forgotten: Vec<ForgottenSequence>,
}

/// The releases of a lane, from the worker whose newest release was accepted last.
pub(super) async fn of_lane(
    name: &str,
    environment: &Environment,
    service: &Service,
    limit: u32,
    broker: &BrokerArgs,
) -> Result<LaneHistory, AskFailed> {
    let ask = Ask::History {
        environment: environment.clone(),
        service: service.clone(),
        limit,
    };
    let answers = ask_everyone(ask, name, broker).await?;
    let mut histories = Vec::new();
    let mut refused = None;
    for answer in answers {
        match answer.reply {
            Reply::History { releases, forgotten } => histories.push(LaneHistory { releases, forgotten }),
            Reply::Refused { reason } => refused = Some((answer.worker, reason)),
            _ => {}
        }
    }
    let newest = |lane: &LaneHistory| lane.releases.first().map(|newest| newest.accepted_at);
    match (histories.into_iter().max_by_key(newest), refused) {
        // A worker that could not answer may have the releases.
        (Some(lane), Some((worker, reason))) if lane.releases.is_empty() => {
            Err(AskFailed::Refused { worker, reason })
        }
        (Some(lane), _) => Ok(lane),
        (None, Some((worker, reason))) => Err(AskFailed::Refused { worker, reason }),
        (None, None) => Err(AskFailed::Silence),
    }
}
