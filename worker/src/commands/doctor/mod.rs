//! `drawgate-worker doctor`: finds what releases have left behind after their worker is gone. The doctor
//! knows of them only through the marks on the things that they touched. With `--fix` it accepts each into
//! this ledger and recovers it, driven like any other release (`recovery.rs` of the core).

mod fix;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use drawgate_config::{Config, EnvironmentPattern};
use drawgate_rollout::definition::ServiceDefinition;
use drawgate_schemas::{Environment, ReleaseId, Service};

use self::report::{Case, Diagnosis, LedgerState};
use super::{CommandError, plan, print, setup};
use crate::effects::{Effects, Leftovers};
use crate::ledger::Ledger;

/// The targets to diagnose, and whether to fix them.
pub struct DoctorArguments {
    pub environment: Option<String>,
    pub service: Option<String>,
    /// Whether to recover lost releases.
    pub fix: bool,
    /// A worker that is gone for good, whose lease may be taken away.
    pub evict: Option<String>,
    /// Releases that belong to the service because the operator says so.
    pub releases: Vec<String>,
    /// Whether to print JSON.
    pub json: bool,
}

/// Diagnoses each target, and recovers its lost releases with `fix`. Exit code 1 where something remains to
/// be put right.
///
/// # Errors
/// When the configuration, the ledger or a fleet cannot be read.
pub async fn doctor(path: &Path, arguments: DoctorArguments) -> Result<ExitCode, CommandError> {
    let config = setup::load(path)?;
    let named = named(&arguments.releases)?;
    let targets = targets(&config, &arguments)?;
    let ledger = ledger(&config, arguments.fix).await?;
    let effects = setup::effects(&config).await?;
    let mut diagnoses = Vec::new();
    for definition in targets {
        let looked = diagnose(&effects, ledger.as_ref(), &config, &definition, &named).await;
        let (mut diagnosis, leftovers) = match looked {
            Ok(looked) => looked,
            Err(error) => {
                effects.close().await;
                return Err(error);
            }
        };
        if let (true, Some(ledger)) = (arguments.fix, &ledger) {
            let cure = fix::Cure {
                ledger,
                effects: &effects,
                config: &config,
                definition: &definition,
                evict: arguments.evict.as_deref(),
            };
            if let Err(error) = cure.apply(&mut diagnosis, leftovers).await {
                effects.close().await;
                return Err(error);
            }
        }
        diagnoses.push(diagnosis);
    }
    effects.close().await;
    let sound = diagnoses.iter().all(Diagnosis::is_sound);
    print::either(arguments.json, &report::Report(diagnoses));
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn named(releases: &[String]) -> Result<BTreeSet<ReleaseId>, CommandError> {
    let parse = |text: &String| {
        let parsed: Result<ReleaseId, _> = text.parse();
        parsed.map_err(|error| CommandError::Usage(format!("--release {text}: {error}")))
    };
    releases.iter().map(parse).collect()
}

/// The named targets, or every target that the files name; a pattern names none.
fn targets(config: &Config, arguments: &DoctorArguments) -> Result<Vec<ServiceDefinition>, CommandError> {
    let usage = |error: String| CommandError::Usage(error);
    let environment: Option<Environment> = arguments
        .environment
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|error: drawgate_schemas::InvalidName| usage(error.to_string()))?;
    let service: Option<Service> = arguments
        .service
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|error: drawgate_schemas::InvalidName| usage(error.to_string()))?;
    let mut targets = Vec::new();
    for route in config.routes() {
        if service.as_ref().is_some_and(|service| *service != route.service) {
            continue;
        }
        let mut named: Vec<Environment> = Vec::new();
        for pattern in &route.environments {
            match (&environment, pattern) {
                (Some(environment), pattern) if pattern.matches(environment) => {
                    named.push(environment.clone())
                }
                (None, EnvironmentPattern::Name(name)) => named.push(name.clone()),
                _ => {}
            }
        }
        named.dedup();
        for environment in named {
            let definition = config.definition(&environment, &route.service);
            targets.push(definition.map_err(|error| usage(error.to_string()))?);
        }
    }
    targets.retain(|definition| !definition.runs_on_bastion());
    if targets.is_empty() {
        return Err(usage("no service file has such a target with hosts".to_owned()));
    }
    Ok(targets)
}

/// Opens the ledger. Without `--fix` no ledger is created: a missing one knows no release.
async fn ledger(config: &Arc<Config>, fix: bool) -> Result<Option<Ledger>, CommandError> {
    if !fix && !config.settings().ledger.exists() {
        return Ok(None);
    }
    setup::open_ledger(config).await.map(Some)
}

async fn diagnose(
    effects: &Effects,
    ledger: Option<&Ledger>,
    config: &Config,
    definition: &ServiceDefinition,
    named: &BTreeSet<ReleaseId>,
) -> Result<(Diagnosis, Leftovers), CommandError> {
    let leftovers = effects.leftovers(definition).await.map_err(plan::failed)?;
    let mut cases = Vec::new();
    for marks in leftovers
        .marks
        .iter()
        .filter(|marks| marks.is_anything_left() || marks.has_lease)
    {
        let head = match ledger {
            Some(ledger) => ledger
                .release_head(marks.release)
                .await
                .map_err(|source| setup::ledger_error(config, source))?,
            None => None,
        };
        // Groups and alarms may be shared. A lease, a container or the operator shows that the release was of
        // this service.
        let ours = marks.has_lease || !marks.containers.is_empty() || named.contains(&marks.release);
        let ledger_state = match head.map(|head| head.outcome) {
            Some(None) => LedgerState::Open,
            Some(Some(outcome)) => LedgerState::Ended(outcome),
            None if ours => LedgerState::Lost,
            None => LedgerState::Unknown,
        };
        // A leftover lease of an ended release stops nobody with this ledger: the next release replaces it.
        if marks.is_anything_left() || !matches!(ledger_state, LedgerState::Ended(_)) {
            cases.push(Case::new(marks, definition, ledger_state));
        }
    }
    let identity = ledger.map(Ledger::identity);
    Ok((Diagnosis::new(definition, &leftovers, cases, identity), leftovers))
}
