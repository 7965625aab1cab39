//! A configuration without mistakes, and what it answers of each target.

use std::collections::BTreeMap;
use std::path::Path;

use drawgate_rollout::Gates;
use drawgate_rollout::definition::ServiceDefinition;
use drawgate_schemas::{Environment, Service};

use super::environment_section::EnvironmentSection;
use super::error::{ConfigError, ConfigErrors};
use super::pattern::EnvironmentPattern;
use super::service_file::ServiceFile;
use super::suggest;
use super::worker_file::WorkerSettings;

/// Names listed in an answer about an unknown one.
const NAMES_SHOWN: usize = 20;

/// A configuration without mistakes.
#[derive(Debug, Clone)]
pub struct Config {
    pub(super) worker: WorkerSettings,
    pub(super) services: BTreeMap<Service, ServiceFile>,
    pub(super) warnings: Vec<ConfigError>,
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
