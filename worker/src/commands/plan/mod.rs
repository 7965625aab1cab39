//! `drawgate-worker plan`: prints what a release would do. Reads only.

pub(super) mod report;

use std::path::Path;
use std::process::ExitCode;

use drawgate_config::Config;
use drawgate_rollout::definition::ServiceDefinition;
use drawgate_rollout::{FleetSnapshot, StepOutcome};
use drawgate_schemas::{Digest, ReleaseId, ReleaseRequest, Version1};
use jiff::Timestamp;
use uuid::Uuid;

use self::report::Report;
use super::{CommandError, print, setup};
use crate::effects::Effects;

/// The release to plan.
pub struct PlanArguments {
    pub environment: String,
    pub service: String,
    pub image: String,
    /// Whether to print JSON.
    pub json: bool,
}

/// Inspects the fleet and prints the plan, or why the release would be refused (exit code 3).
///
/// # Errors
/// When the fleet could not be inspected.
pub async fn plan(config: &Path, arguments: PlanArguments) -> Result<ExitCode, CommandError> {
    let config = setup::load(config)?;
    let request = request(&arguments.environment, &arguments.service, &arguments.image)?;
    allowed(&config, &request)?;
    let effects = setup::effects(&config).await?;
    let inspected = inspect(&effects, &request).await;
    effects.close().await;
    let report = inspected?;
    print::either(arguments.json, &report);
    Ok(if report.possible() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(3)
    })
}

/// The target's definition from the worker's files, if it allows the image.
pub(super) fn allowed(config: &Config, request: &ReleaseRequest) -> Result<ServiceDefinition, CommandError> {
    let definition = config
        .definition(&request.environment, &request.service)
        .map_err(|error| CommandError::Usage(error.to_string()))?;
    let mut images = definition.images.iter();
    if images.any(|allowed| allowed == request.image.repository()) {
        return Ok(definition);
    }
    let allowed = definition.images.join(", ");
    Err(CommandError::Usage(format!(
        "{} may not be released; allowed: {allowed}",
        request.image
    )))
}

async fn inspect(effects: &Effects, request: &ReleaseRequest) -> Result<Report, CommandError> {
    let digest = effects.digest_of(request).await.map_err(failed)?;
    let (fleet, inspection) = effects.plan(request, digest.as_ref()).await.map_err(failed)?;
    Ok(Report::new(request, digest, fleet, inspection))
}

/// Turns a failed inspection of a fleet into an error.
pub(super) fn failed(outcome: StepOutcome) -> CommandError {
    let unsaid = || drawgate_rollout::Failure::new("the fleet could not be looked at");
    CommandError::Fleet(outcome.failure().cloned().unwrap_or_else(unsaid))
}

/// The fleet as it is, without asking the registry. Reads only.
pub(super) async fn look(
    effects: &Effects,
    request: &ReleaseRequest,
    digest: &Digest,
) -> Result<FleetSnapshot, CommandError> {
    let (mut fleet, _) = effects.plan(request, Some(digest)).await.map_err(failed)?;
    // A copy of the fleet needs nobody's permission.
    fleet.permissions = None;
    Ok(fleet)
}

/// A request that is never sent.
pub(super) fn request(environment: &str, service: &str, image: &str) -> Result<ReleaseRequest, CommandError> {
    let usage = |error: drawgate_schemas::InvalidName| CommandError::Usage(error.to_string());
    Ok(ReleaseRequest {
        version: Version1,
        id: ReleaseId::try_from(Uuid::now_v7()).map_err(usage)?,
        environment: environment.parse().map_err(usage)?,
        service: service.parse().map_err(usage)?,
        image: image.parse().map_err(usage)?,
        revision: None,
        branch: None,
        sequence: None,
        build: None,
        requested_by: None,
        requested_at: Timestamp::now(),
        expires_at: None,
        reason: None,
        emergency: None,
        force: false,
        options: drawgate_schemas::Options::default(),
    })
}
