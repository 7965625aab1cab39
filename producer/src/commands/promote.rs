//! `drawgate promote`: what has succeeded in one environment, to another one.

use drawgate_schemas::{Outcome, ReleaseState};

use super::again::again;
use super::history;
use crate::cli::{PromoteArgs, PublishArgs};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::origin;

/// As far back as is looked: each is read from its whole journal.
const LOOKED_AT: u32 = 100;

/// Publishes the digest that has succeeded last in the one environment to the other.
pub(crate) async fn promote(args: &PromoteArgs) -> Result<Exit, CommandError> {
    let service = origin::service(args.service.as_ref(), &std::env::current_dir()?)?;
    let lane = history::of_lane("promote", &args.from, &service, LOOKED_AT, &args.broker).await?;
    let releases = lane.releases;
    let succeeded = ReleaseState::Ended {
        outcome: Outcome::Succeeded,
    };
    let Some(past) = releases.iter().find(|past| past.state == succeeded) else {
        let why = format!("no release of {} has succeeded in {} yet", service, args.from);
        return Err(CommandError::NothingBefore { why });
    };
    let mut request = past.request.clone();
    request.environment = args.to.clone();
    let reason = match &args.reason {
        Some(reason) => Some(reason.clone()),
        None => format!("succeeded in {}, as release {}", args.from, request.id)
            .parse()
            .ok(),
    };
    let published = PublishArgs {
        reason,
        sequence: request.sequence,
        force: args.force,
        emergency: args.emergency.clone(),
        wait: args.wait,
        format: args.format,
        broker: args.broker.clone(),
        ..PublishArgs::of_nothing()
    };
    again(&request, past.digest.as_ref(), published).await
}
