//! What the worker's own files say about a service in one environment: the *how* of a roll.
//!
//! A release message says which version; everything in here comes from the bastion's configuration, so that a
//! publisher cannot change mounts, ports or hosts. The definition is copied into the plan, because the
//! rollback is judged by the definition that was in force when the release began.

mod alarms;
mod approval;
mod command;
mod container;
mod gates;
mod hooks;
pub mod names;
pub mod placeholders;
mod preflight;
mod roll;
mod scaling;
mod secrets;
mod supersede;
mod verify;
mod window;

use std::collections::BTreeMap;

use drawgate_schemas::{Environment, Service};
use serde::{Deserialize, Serialize};

pub use alarms::{AlarmDefinition, SilenceBy};
pub use approval::Approval;
pub use command::{CommandDefinition, CommandPlace, VersionDefinition};
pub use container::{ContainerDefinition, PortMapping, Protocol, RestartPolicy};
pub use gates::Gates;
pub use hooks::{AfterDefinition, BeforeDefinition, OnFailure, Place, Surroundings};
pub use preflight::{Firing, PreflightPolicy};
pub use roll::{Canary, RollPolicy};
pub use scaling::Process;
pub use secrets::{SecretReference, SecretStore};
pub use supersede::Supersede;
pub use verify::{Probe, START_TIMEOUT_DEFAULT_MS, VerifyDefinition};
pub use window::{Opening, Windows};

/// One service in one environment, with every `{environment}` already filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceDefinition {
    /// The service's name, as a release message addresses it.
    pub service: Service,
    /// The environment's name, as a release message addresses it.
    pub environment: Environment,
    /// How the instances are found.
    pub fleet: FleetSelector,
    /// Names or ARNs of target groups that the instances are in beside those of their Auto Scaling group.
    /// Where present, no other target group is asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_groups: Option<Vec<String>>,
    /// How many at once, and how long each wait may take.
    pub roll: RollPolicy,
    /// What preflight waits for, and what it lets pass.
    #[serde(default, skip_serializing_if = "PreflightPolicy::is_default")]
    pub preflight: PreflightPolicy,
    /// What every host shall run. Flattened, because journals have always written `container` beside the
    /// other fields.
    #[serde(flatten)]
    pub swap: Swap,
    /// How a swapped container is checked before it is registered again.
    pub verify: VerifyDefinition,
    /// Which alarms are silenced while the roll lasts.
    pub alarms: AlarmDefinition,
    /// The Auto Scaling processes that are suspended while the roll lasts.
    pub suspend: Vec<Process>,
    /// The Parameter Store parameter in which the desired version is published; nothing is published where
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_parameter: Option<String>,
    /// The Parameter Store parameter that is the fleet's lease: the worker that rolls this fleet has it,
    /// whatever ledger that worker has. No lease is taken where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_parameter: Option<String>,
    /// Image repositories that may be released (mandatory, never empty).
    pub images: Vec<String>,
    /// The approval that a release needs before it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Which newer releases supersede those that wait.
    #[serde(default, skip_serializing_if = "Supersede::is_by_build")]
    pub supersede: Supersede,
    /// What runs once before the first host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<BeforeDefinition>,
    /// What runs once after the last host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<AfterDefinition>,
}

/// What is exchanged on a host when it is rolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Swap {
    Container(ContainerDefinition),
    /// The service's own programs change the version.
    Command(CommandDefinition),
}

impl ServiceDefinition {
    /// The container that every host shall run; `None` where programs change the version.
    pub fn container(&self) -> Option<&ContainerDefinition> {
        match &self.swap {
            Swap::Container(container) => Some(container),
            Swap::Command(_) => None,
        }
    }

    /// The programs that change the version; `None` where a container is swapped.
    pub fn command(&self) -> Option<&CommandDefinition> {
        match &self.swap {
            Swap::Container(_) => None,
            Swap::Command(command) => Some(command),
        }
    }

    /// Whether the swap is a program on the bastion: then no host is touched.
    pub fn runs_on_bastion(&self) -> bool {
        self.fleet == FleetSelector::Bastion
    }

    /// What runs on a host, as a person calls it: the container's name, or else the service's.
    pub fn runs_as(&self) -> &str {
        match &self.swap {
            Swap::Container(container) => &container.name,
            Swap::Command(_) => self.service.as_str(),
        }
    }

    /// Environment variables whose values a secret store keeps.
    pub fn secrets(&self) -> &BTreeMap<String, SecretReference> {
        match &self.swap {
            Swap::Container(container) => &container.secrets,
            Swap::Command(command) => &command.secrets,
        }
    }

    /// Milliseconds that the swap of one host may take before it is forced or given up.
    pub fn swap_ms(&self) -> u64 {
        match &self.swap {
            Swap::Container(container) => u64::from(container.stop_timeout_s) * 1000,
            Swap::Command(command) => command.timeout_ms,
        }
    }
}

/// How the fleet of a target is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FleetSelector {
    /// By the name of its Auto Scaling group.
    AutoScalingGroup(String),
    /// By tags that every instance carries; the Auto Scaling group is the one the instances are members of.
    Tags(BTreeMap<String, String>),
    /// It has no hosts: the programs run on the bastion, and something else (Kubernetes, as a rule) keeps the
    /// service up.
    #[serde(alias = "beside_worker")]
    Bastion,
}
