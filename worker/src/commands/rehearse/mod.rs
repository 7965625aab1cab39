//! `drawgate-worker rehearse`: rolls a simulated copy of the fleet, in virtual time. Touches nothing.

mod report;
mod search;
#[cfg(test)]
mod tests;
mod timeline;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use drawgate_config::Config;
use drawgate_rehearsal::{Script, World};
use drawgate_rollout::definition::ServiceDefinition;
use drawgate_rollout::{FleetSnapshot, Plan};
use drawgate_schemas::{Digest, ReleaseRequest};
use serde::Deserialize;

use self::report::Rehearsal;
use self::search::Search;
use super::plan::report::Report;
use super::{CommandError, plan, print, setup};

/// The tag of the new version when no image is named.
const ANY_TAG: &str = "next";

/// The release to rehearse, and what goes wrong meanwhile.
pub struct RehearseArguments {
    pub environment: String,
    pub service: String,
    pub image: Option<String>,
    /// A file with the fleet's snapshot.
    pub snapshot: Option<PathBuf>,
    /// Instances on which the new version fails its verification.
    pub fails: Vec<String>,
    /// When the worker is killed, in milliseconds from the acceptance.
    pub crashes_ms: Vec<u64>,
    /// The seed for a search of every way that the roll can go; `None` rehearses one roll.
    pub explore: Option<u64>,
    /// Whether to print JSON.
    pub json: bool,
}

/// Rolls a copy of the fleet and prints how that goes. Exit code 3 where the release would be refused, and 1
/// where something would be left over without being reported.
///
/// # Errors
/// When there is no fleet to rehearse with.
pub async fn rehearse(config: &Path, arguments: RehearseArguments) -> Result<ExitCode, CommandError> {
    // A rehearsal needs no secrets, so warnings about missing ones are not logged.
    let config = Arc::new(Config::load(config).map_err(CommandError::Config)?);
    let image = match &arguments.image {
        Some(image) => image.clone(),
        None => any_image(&config, &arguments)?,
    };
    let request = plan::request(&arguments.environment, &arguments.service, &image)?;
    let definition = plan::allowed(&config, &request)?;
    let digest = some_digest()?;
    let fleet = match &arguments.snapshot {
        Some(path) => read(path)?,
        None => {
            let effects = setup::effects(&config).await?;
            let seen = plan::look(&effects, &request, &digest).await;
            effects.close().await;
            seen?
        }
    };
    let planned = drawgate_rollout::plan(&request, Some(&digest), &definition, &fleet);
    let plan = match planned {
        Ok(plan) => plan,
        refused => {
            let report = Report::new(&request, None, fleet, refused);
            print::either(arguments.json, &report);
            return Ok(ExitCode::from(3));
        }
    };
    known(&plan, &arguments.fails)?;
    let world = copy(request, definition, fleet, &plan)?;
    if let Some(seed) = arguments.explore {
        let search = Search::of(&world, &plan, seed);
        print::either(arguments.json, &search);
        return Ok(exit_code(search.violation.is_none()));
    }
    let mut crashes_ms = arguments.crashes_ms;
    crashes_ms.sort_unstable();
    let script = Script {
        fails: arguments.fails,
        crashes_ms,
    };
    let (sim, result) = drawgate_rehearsal::rehearse(world, &script);
    let rehearsal = Rehearsal::of(&sim, &plan, result.err());
    print::either(arguments.json, &rehearsal);
    Ok(exit_code(rehearsal.violation.is_none()))
}

fn exit_code(sound: bool) -> ExitCode {
    if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// An image of the first repository that the service may run.
fn any_image(config: &Config, arguments: &RehearseArguments) -> Result<String, CommandError> {
    let named = plan::request(&arguments.environment, &arguments.service, "none:none")?;
    let definition = config
        .definition(&named.environment, &named.service)
        .map_err(|error| CommandError::Usage(error.to_string()))?;
    let repository = definition.images.first();
    let repository = repository.ok_or_else(|| CommandError::Usage("say which --image".to_owned()))?;
    Ok(format!("{repository}:{ANY_TAG}"))
}

/// A stand-in for the registry's digest, because a rehearsal asks no registry.
fn some_digest() -> Result<Digest, CommandError> {
    let digest = format!("sha256:{}", "d".repeat(64));
    digest
        .parse()
        .map_err(|error: drawgate_schemas::InvalidName| CommandError::Usage(error.to_string()))
}

/// A file with a fleet alone, or with the report of `plan`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Plan { fleet: FleetSnapshot },
    Fleet(FleetSnapshot),
}

fn read(path: &Path) -> Result<FleetSnapshot, CommandError> {
    let failed = |source: io::Error| CommandError::Snapshot {
        path: path.to_owned(),
        source,
    };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    match serde_json::from_str(&text) {
        Ok(Written::Plan { fleet } | Written::Fleet(fleet)) => {
            once(&fleet)?;
            Ok(fleet)
        }
        // The error of an untagged enum says only that nothing fits. Parsing as a fleet alone says where the
        // mistake is.
        Err(_) => Err(failed(match serde_json::from_str::<FleetSnapshot>(&text) {
            Err(error) => io::Error::from(error),
            Ok(_) => io::ErrorKind::InvalidData.into(),
        })),
    }
}

/// Refuses a fleet with an instance or a group twice, because no account has such a fleet.
fn once(fleet: &FleetSnapshot) -> Result<(), CommandError> {
    let mut seen = BTreeSet::new();
    let groups = fleet.groups.iter().map(|group| &group.name);
    let targets = fleet.target_groups.iter().map(|group| &group.arn);
    let hosts = fleet.hosts.iter().map(|host| &host.instance);
    let twice = hosts
        .chain(groups)
        .chain(targets)
        .find(|name| !seen.insert((*name).clone()));
    match twice {
        None => Ok(()),
        Some(name) => Err(CommandError::Usage(format!("the snapshot has {name:?} twice"))),
    }
}

fn known(plan: &Plan, named: &[String]) -> Result<(), CommandError> {
    let hosts: Vec<&str> = plan.hosts.iter().map(|host| host.instance.as_str()).collect();
    match named.iter().find(|name| !hosts.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(CommandError::Usage(format!(
            "{name} is none of the hosts: {}",
            hosts.join(", ")
        ))),
    }
}

/// The simulated fleet, if it has every host of the plan.
fn copy(
    request: ReleaseRequest,
    definition: ServiceDefinition,
    fleet: FleetSnapshot,
    plan: &Plan,
) -> Result<World, CommandError> {
    let world = World::of(request, definition, fleet);
    let missing = plan
        .hosts
        .iter()
        .find(|host| !world.hosts.contains_key(&host.instance));
    match missing {
        None => Ok(world),
        Some(host) => Err(CommandError::Usage(format!(
            "{} is to be rolled, and cannot be rehearsed as it was seen",
            host.instance
        ))),
    }
}
