//! A configuration without mistakes, and its answers about each target.

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

/// Most names listed in an answer about an unknown one.
const NAMES_SHOWN: usize = 20;

/// A configuration without mistakes.
#[derive(Debug, Clone)]
pub struct Config {
    pub(super) worker: WorkerSettings,
    pub(super) services: BTreeMap<Service, ServiceFile>,
    pub(super) warnings: Vec<ConfigError>,
}

/// A service, and the environments that it may be released to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
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
        /// The requested service.
        service: Service,
        /// The services that have a file.
        known: Vec<String>,
    },
    /// The service has a file, but the file does not name that environment.
    #[error(
        "service \"{service}\" has no environment \"{environment}\" here{}; {}",
        similar(environment.as_str(), known), listed(known)
    )]
    UnknownEnvironment {
        service: Service,
        /// The requested environment.
        environment: Environment,
        /// The names and patterns in the service's file.
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
    /// The settings from `worker.toml`.
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

    /// Warnings about settings that are probably not meant, or may surprise: for the log at start, and for
    /// `check`.
    pub fn warnings(&self) -> &[ConfigError] {
        &self.warnings
    }

    /// The report of `check` on a good configuration, in the same form as for a bad one.
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

    /// The gates of a release to a target, besides an approval.
    pub fn gates(&self, environment: &Environment, service: &Service) -> Gates {
        let file = self.services.get(service);
        let asked = file.and_then(|file| file.asks(environment));
        asked.map(EnvironmentSection::gates).unwrap_or_default()
    }

    /// Every service with its environments: the worker's queue is bound to them, see
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
