//! `drawgate-worker plan`: what a release would do. Reads only.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use drawgate_rollout::definition::{OnFailure, Place};
use drawgate_rollout::{Finding, HostPlan, Plan, Severity, StepOutcome};
use drawgate_schemas::{Digest, ReleaseId, ReleaseRequest, Version1};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{CommandError, print, setup};
use crate::effects::Inspection;

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
    let (digest, inspection) = inspected?;
    if arguments.json {
        print::json(&Report::of(&digest, &inspection));
    } else {
        print::text(&render(&request, &digest, &inspection));
    }
    Ok(if inspection.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(3)
    })
}

async fn inspect(
    effects: &crate::effects::Effects,
    request: &ReleaseRequest,
) -> Result<(Digest, Inspection), CommandError> {
    let failed = |outcome: StepOutcome| {
        let unsaid = || drawgate_rollout::Failure::new("the fleet could not be looked at");
        CommandError::Fleet(outcome.failure().cloned().unwrap_or_else(unsaid))
    };
    let digest = effects.digest_of(request).await.map_err(failed)?;
    let inspection = effects.plan(request, &digest).await.map_err(failed)?;
    Ok((digest, inspection))
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

/// The JSON of a plan.
#[derive(Serialize)]
struct Report<'a> {
    digest: &'a Digest,
    /// Whether the release would be begun.
    possible: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a Plan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_ms: Option<u64>,
    findings: &'a [Finding],
}

impl<'a> Report<'a> {
    fn of(digest: &'a Digest, inspection: &'a Inspection) -> Self {
        let plan = inspection.as_ref().ok();
        Self {
            digest,
            possible: plan.is_some(),
            plan,
            expected_ms: plan.map(Plan::expected_ms),
            findings: inspection.as_ref().err().map_or(&[], Vec::as_slice),
        }
    }
}

fn render(request: &ReleaseRequest, digest: &Digest, inspection: &Inspection) -> String {
    let mut out = format!(
        "{} {} -> {}\n",
        request.service,
        request.image.version(),
        request.environment
    );
    let _ = writeln!(out, "every host gets {digest}\n");
    match inspection {
        Ok(plan) => render_plan(&mut out, plan),
        Err(findings) => render_findings(&mut out, findings),
    }
    out
}

fn render_plan(out: &mut String, plan: &Plan) {
    let _ = writeln!(out, "{:<20} {:<15} {:<18} TARGETS", "HOST", "ADDRESS", "RUNS NOW");
    for host in &plan.hosts {
        render_host(out, plan, host);
    }
    out.push('\n');
    let mut n = 0;
    let mut step = |text: String| {
        n += 1;
        let _ = writeln!(out, "{n:>2}. {text}");
    };
    step(format!(
        "pull the image on {} hosts, {} at a time",
        plan.hosts.len(),
        plan.definition.roll.pull_concurrency
    ));
    if let Some(before) = &plan.definition.before {
        step(format!(
            "[before], once, in a container on one host: {}; if it fails, nothing is rolled{}",
            before.run.join(" "),
            if before.reversible {
                ""
            } else {
                "; after it there is no automatic way back"
            }
        ));
    }
    for group in plan.groups.iter().filter(|group| !group.suspend.is_empty()) {
        let names: Vec<&str> = group.suspend.iter().map(|process| process.as_str()).collect();
        step(format!("suspend {} of {}", names.join(", "), group.name));
    }
    if !plan.alarms.is_empty() {
        let names: Vec<&str> = plan.alarms.iter().map(|alarm| alarm.name.as_str()).collect();
        let how = if plan.mutes() {
            "mute"
        } else {
            "disable the actions of"
        };
        step(format!("{how} {}", names.join(", ")));
    }
    step(format!(
        "each host in this order, {} at a time: create, deregister, drain, swap, verify, register, healthy",
        plan.definition.roll.max_unavailable
    ));
    if !plan.watched.is_empty() {
        let names: Vec<&str> = plan.watched.iter().map(|alarm| alarm.name.as_str()).collect();
        step(format!(
            "all along: back again when one of {} fires",
            names.join(", ")
        ));
    }
    if plan.definition.alarms.bake_ms > 0 {
        step(format!(
            "wait for {} s before it is called good",
            plan.definition.alarms.bake_ms.div_ceil(1000)
        ));
    }
    if let Some(after) = &plan.definition.after {
        step(format!(
            "[after] {}: {}, {} at most; {}",
            match after.place {
                Place::Worker(_) => "on the worker",
                Place::Container { .. } => "in a container on one host",
            },
            after.run.join(" "),
            match after.attempts {
                1 => "1 attempt".to_owned(),
                attempts => format!("{attempts} attempts"),
            },
            match after.on_failure {
                OnFailure::RollBack => "if it fails, all goes back",
                OnFailure::Report => "if it fails, that is only said",
            }
        ));
    }
    step("resume and enable exactly that again; compare before and after".to_owned());
    for group in plan.target_groups.values() {
        let _ = writeln!(
            out,
            "\n{}: never fewer than {} healthy, drains for {} s",
            group.name, group.floor, group.deregistration_delay_s
        );
    }
    let _ = writeln!(out, "\nexpected: about {} s", plan.expected_ms().div_ceil(1000));
    for warning in &plan.warnings {
        let _ = writeln!(out, "note: {warning}");
    }
    out.push_str("nothing was touched\n");
}

fn render_host(out: &mut String, plan: &Plan, host: &HostPlan) {
    let runs = host
        .before
        .as_ref()
        .map_or("nothing", |before| before.version_name.as_str());
    let runs = drawgate_schemas::limits::cut(runs, 18);
    let name = |arn: &str| {
        plan.target_groups
            .get(arn)
            .map_or_else(|| arn.to_owned(), |group| group.name.clone())
    };
    let targets: Vec<String> = host
        .targets
        .iter()
        .map(|target| {
            format!(
                "{}:{} {}",
                name(&target.target_group),
                target.port,
                target.state_before
            )
        })
        .collect();
    let targets = if targets.is_empty() {
        "none".to_owned()
    } else {
        targets.join(", ")
    };
    let _ = writeln!(
        out,
        "{:<20} {:<15} {:<18} {targets}",
        host.instance, host.address, runs
    );
}

fn render_findings(out: &mut String, findings: &[Finding]) {
    out.push_str("this release would be refused:\n");
    for finding in findings {
        let mark = if finding.severity == Severity::Refuse {
            "!!  "
        } else {
            "note"
        };
        let _ = writeln!(out, "  {mark}  {}", finding.line());
        if let Some(hint) = &finding.hint {
            let _ = writeln!(out, "        hint: {hint}");
        }
    }
    out.push_str("nothing was touched\n");
}
