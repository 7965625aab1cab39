//! The releases of a lane.

use drawgate_schemas::{Ask, Environment, ForgottenSequence, PastView, Reply, Service};

use super::ask::{AskFailed, ask_everyone};
use crate::options::BrokerArgs;

/// The releases of a lane, and the forgotten build numbers.
#[derive(Debug, Default)]
pub(crate) struct LaneHistory {
    /// The releases, the newest first.
    pub(crate) releases: Vec<PastView>,
    /// Records of forgotten build numbers, the latest first.
    pub(crate) forgotten: Vec<ForgottenSequence>,
}

/// The releases of a lane, from the worker whose newest release was accepted last.
pub(crate) async fn lane_history(
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
