//! Where a roll's definitions and credentials come from.

use drawgate_rollout::definition::ServiceDefinition;
use drawgate_schemas::{Environment, Service};

use crate::host::RegistryCredentials;

/// Where registry credentials come from. Asked anew for every release: they may live for hours only.
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
    /// It needs none.
    None,
    /// With these.
    With(RegistryCredentials),
    /// With what Amazon ECR gives for the asking, in this region where it is another than ours.
    Ecr {
        /// The region.
        region: Option<String>,
    },
}

/// Where service definitions come from.
pub trait Definitions: Send + Sync {
    /// The definition in force for a target.
    ///
    /// # Errors
    /// Says which targets there are.
    fn of(&self, environment: &Environment, service: &Service) -> Result<ServiceDefinition, String>;
}
