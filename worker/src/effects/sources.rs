//! Sources of a roll's definitions and credentials.

use drawgate_rollout::definition::ServiceDefinition;
use drawgate_schemas::{Environment, Service};

use crate::host::RegistryCredentials;

/// Source of registry credentials. Asked anew for every release, because credentials may last for hours only.
pub trait Credentials: Send + Sync {
    /// How to log in at the registry of a repository.
    ///
    /// # Errors
    /// Says what is missing, for a person.
    fn of(&self, repository: &str) -> Result<Login, String>;
}

/// How to log in at a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// The registry needs no login.
    None,
    With(RegistryCredentials),
    /// A login that Amazon ECR gives on request; in this region and for the registry of this account, where
    /// the registry's name has them. Otherwise they are the worker's own.
    Ecr {
        region: Option<String>,
        account: Option<String>,
    },
}

/// Source of service definitions.
pub trait Definitions: Send + Sync {
    /// The definition in force for a target.
    ///
    /// # Errors
    /// Says which targets there are.
    fn of(&self, environment: &Environment, service: &Service) -> Result<ServiceDefinition, String>;
}
