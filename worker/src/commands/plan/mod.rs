//! `drawgate-worker plan`: what a release would do. Reads only.

mod report;

use std::path::Path;
use std::process::ExitCode;

use drawgate_rollout::StepOutcome;
use drawgate_schemas::{ReleaseId, ReleaseRequest, Version1};
use jiff::Timestamp;
use uuid::Uuid;

use self::report::Report;
use super::{CommandError, print, setup};
use crate::effects::Effects;

/// What is planned.
pub struct PlanArguments {
    /// Where to.
    pub environment: String,
    /// What.
    pub service: String,
    /// Which version.
    pub image: String,
    /// Whether JSON is wanted.
    pub json: bool,
}

/// Inspects the fleet and prints what would happen, or why it would be refused (exit code 3).
///
/// # Errors
/// When the fleet could not be looked at.
pub async fn plan(config: &Path, arguments: PlanArguments) -> Result<ExitCode, CommandError> {
    let config = setup::load(config)?;
    let request = request(&arguments)?;
    let definition = config
        .definition(&request.environment, &request.service)
        .map_err(|error| CommandError::Usage(error.to_string()))?;
    if !definition
        .images
        .iter()
        .any(|allowed| allowed == request.image.repository())
    {
        let allowed = definition.images.join(", ");
        return Err(CommandError::Usage(format!(
            "{} may not be released; allowed: {allowed}",
            request.image
        )));
    }
    let effects = setup::effects(&config).await?;
    let inspected = inspect(&effects, &request).await;
    effects.close().await;
    let report = inspected?;
    if arguments.json {
        print::json(&report);
    } else {
        print::text(&report.to_string());
    }
    Ok(if report.possible() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(3)
    })
}

async fn inspect(effects: &Effects, request: &ReleaseRequest) -> Result<Report, CommandError> {
    let failed = |outcome: StepOutcome| {
        let unsaid = || drawgate_rollout::Failure::new("the fleet could not be looked at");
        CommandError::Fleet(outcome.failure().cloned().unwrap_or_else(unsaid))
    };
    let digest = effects.digest_of(request).await.map_err(failed)?;
    let (fleet, inspection) = effects.plan(request, digest.as_ref()).await.map_err(failed)?;
    Ok(Report::new(request, digest, fleet, inspection))
}

fn request(arguments: &PlanArguments) -> Result<ReleaseRequest, CommandError> {
    let usage = |error: drawgate_schemas::InvalidName| CommandError::Usage(error.to_string());
    Ok(ReleaseRequest {
        version: Version1,
        id: ReleaseId::try_from(Uuid::now_v7()).map_err(usage)?,
        environment: arguments.environment.parse().map_err(usage)?,
        service: arguments.service.parse().map_err(usage)?,
        image: arguments.image.parse().map_err(usage)?,
        revision: None,
        branch: None,
        sequence: None,
        build: None,
        requested_by: None,
        requested_at: Timestamp::now(),
        expires_at: None,
        reason: None,
        options: drawgate_schemas::Options::default(),
    })
}
