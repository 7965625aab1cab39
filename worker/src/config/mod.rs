//! The worker's configuration: read, checked and explained.
//!
//! ```text
//! /etc/drawgate/worker.toml ─────────┐ worker_file ─> WorkerSettings ┐
//! /etc/drawgate/services/api.toml ───┤ service_file ─> ServiceFile ──┼─ cross ─> Config ─> ServiceDefinition
//! /etc/drawgate/services/…   ────────┘  (reader, units, docker, …)   ┘             (environment, service)
//! ```
//!
//! Two rules: nothing is silently ignored (a key that is not known is a mistake), and all mistakes are told in one go,
//! each with its place and with what to write. A configuration with a mistake is not handed out at all: a worker that
//! starts on half of its files would refuse releases for the rest.

mod address;
mod alarms_section;
mod beside_command;
mod command_section;
mod container_section;
mod cross;
mod docker;
pub mod env_vars;
mod environment_section;
mod error;
mod hooks_section;
mod limits;
mod load;
mod parameter;
mod paths;
mod pattern;
mod people;
mod placeholders;
mod program_words;
mod reader;
mod roll_section;
mod secret_references;
mod secrets;
mod service_file;
mod source;
mod ssh_section;
mod suggest;
#[cfg(test)]
mod tests;
mod units;
mod verify_section;
mod worker_file;

use std::collections::BTreeMap;
use std::path::Path;

use drawgate_rollout::Gates;
use drawgate_rollout::definition::ServiceDefinition;
use drawgate_schemas::{Environment, Service};

/// `"10s"`, `"1h 30m"` in milliseconds; the error says what to write.
///
/// # Errors
/// What to write in place of it.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    units::duration_ms(text)
}

use self::environment_section::EnvironmentSection;
pub use self::error::{ConfigError, ConfigErrors, explain};
pub use self::pattern::EnvironmentPattern;
pub use self::people::People;
pub use self::secrets::{Secret, SecretError, SecretSource};
use self::service_file::ServiceFile;
pub use self::ssh_section::{KnownHosts, SshSettings};
pub use self::worker_file::{AmqpSettings, AwsSettings, RegistrySettings, WorkerSettings};

/// Where `worker.toml` is when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/drawgate/worker.toml";

/// Names listed in an answer about an unknown one.
const NAMES_SHOWN: usize = 20;

/// A configuration without mistakes.
#[derive(Debug, Clone)]
pub struct Config {
    worker: WorkerSettings,
    services: BTreeMap<Service, ServiceFile>,
    warnings: Vec<ConfigError>,
}

/// A service and where it may be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The service.
    pub service: Service,
    /// Its environments, by name or pattern.
    pub environments: Vec<EnvironmentPattern>,
}

/// A target that no service file names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No file for that service.
    #[error("no service \"{service}\" here{}; {}", similar(service.as_str(), known), listed(known))]
    UnknownService {
        /// What was asked for.
        service: Service,
        /// The services that there are.
        known: Vec<String>,
    },
    /// The service has a file, but it does not name that environment.
    #[error(
        "service \"{service}\" has no environment \"{environment}\" here{}; {}",
        similar(environment.as_str(), known), listed(known)
    )]
    UnknownEnvironment {
        /// The service.
        service: Service,
        /// What was asked for.
        environment: Environment,
        /// The names and patterns that there are.
        known: Vec<String>,
    },
}

fn similar(asked: &str, known: &[String]) -> String {
    suggest::nearest(asked, known.iter().map(String::as_str))
        .map_or_else(String::new, |name| format!(" (did you mean \"{name}\"?)"))
}

fn listed(known: &[String]) -> String {
    let names = known
        .iter()
        .take(NAMES_SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match known.len().checked_sub(NAMES_SHOWN) {
        Some(more) if more > 0 => format!("known: {names} and {more} more"),
        _ if names.is_empty() => "none is known".to_owned(),
        _ => format!("known: {names}"),
    }
}

impl Config {
    /// Reads `worker.toml` and the service files that belong to it.
    ///
    /// # Errors
    /// Everything that is wrong with them; [`explain`] makes a text of it.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        load::load(path, load::Machine::this())
    }

    /// What `worker.toml` says.
    pub fn settings(&self) -> &WorkerSettings {
        &self.worker
    }

    /// The worker's name.
    pub fn worker(&self) -> &str {
        &self.worker.name
    }

    /// Releases that may wait in one lane.
    pub fn max_waiting_per_lane(&self) -> u32 {
        self.worker.max_waiting_per_lane
    }

    /// What is probably not meant, or may surprise: for the log at start, and for `check`.
    pub fn warnings(&self) -> &[ConfigError] {
        &self.warnings
    }

    /// The report of `check` on a good configuration, in the shape that a bad one has.
    pub fn report(&self, path: &Path) -> ConfigErrors {
        ConfigErrors {
            file: path.display().to_string(),
            errors: Vec::new(),
            warnings: self.warnings.clone(),
        }
    }

    /// How a service is rolled in an environment.
    ///
    /// # Errors
    /// When no file names the service, or its file does not name the environment.
    pub fn definition(
        &self,
        environment: &Environment,
        service: &Service,
    ) -> Result<ServiceDefinition, NotFound> {
        let Some(file) = self.services.get(service) else {
            let known = self.services.keys().map(Service::to_string).collect();
            return Err(NotFound::UnknownService {
                service: service.clone(),
                known,
            });
        };
        if !file
            .environments
            .iter()
            .any(|pattern| pattern.value.matches(environment))
        {
            let known = file
                .environments
                .iter()
                .map(|pattern| pattern.value.to_string())
                .collect();
            return Err(NotFound::UnknownEnvironment {
                service: service.clone(),
                environment: environment.clone(),
                known,
            });
        }
        let lease = self.settings().fleet_lease.as_ref();
        Ok(ServiceDefinition {
            lease_parameter: lease.map(|lease| lease.fill(environment, service)),
            approval: file
                .asks(environment)
                .and_then(|section| section.approval.as_ref())
                .map(|approval| approval.fill(&self.worker.people)),
            ..file.definition(environment)
        })
    }

    /// What stands before a release to a target, beside an approval.
    pub fn gates(&self, environment: &Environment, service: &Service) -> Gates {
        let file = self.services.get(service);
        let asked = file.and_then(|file| file.asks(environment));
        asked.map(EnvironmentSection::gates).unwrap_or_default()
    }

    /// Every service with its environments: what the worker's queue is bound to, see
    /// [`EnvironmentPattern::topic_word`].
    pub fn routes(&self) -> Vec<Route> {
        let route = |(service, file): (&Service, &ServiceFile)| Route {
            service: service.clone(),
            environments: file
                .environments
                .iter()
                .map(|pattern| pattern.value.clone())
                .collect(),
        };
        self.services.iter().map(route).collect()
    }
}
