//! `drawgate history`.

use drawgate_schemas::{Ask, Environment, ForgottenSequence, PastView, Reply, Service};
use jiff::Timestamp;

use super::ask_everyone;
use crate::cli::{BrokerArgs, Format, HistoryArgs};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::{origin, printer, view};

/// Asks for a lane's releases and shows them, the newest first.
pub(crate) async fn history(args: &HistoryArgs) -> Result<Exit, CommandError> {
    let service = origin::service(args.lane.service.as_ref(), &std::env::current_dir()?)?;
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
                printer::data(&serde_json::to_string(release).map_err(std::io::Error::from)?)?;
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

/// What was released to a lane.
#[derive(Debug, Default)]
pub(super) struct LaneHistory {
    /// The newest first.
    pub(super) releases: Vec<PastView>,
    /// Build numbers that were forgotten, the last of them first.
    forgotten: Vec<ForgottenSequence>,
}

/// The releases of a lane: of the worker that has the latest one of them.
pub(super) async fn of_lane(
    name: &str,
    environment: &Environment,
    service: &Service,
    limit: u32,
    broker: &BrokerArgs,
) -> Result<LaneHistory, CommandError> {
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
        // Another worker that could not answer may have them.
        (Some(lane), Some((worker, reason))) if lane.releases.is_empty() => {
            Err(CommandError::Refused { worker, reason })
        }
        (Some(lane), _) => Ok(lane),
        (None, Some((worker, reason))) => Err(CommandError::Refused { worker, reason }),
        (None, None) => Err(CommandError::Silence),
    }
}
