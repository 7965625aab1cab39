//! What the worker's own files say about a service in one environment: the *how* of a roll.
//!
//! A release message says which version; everything in here comes from the bastion's configuration, so that a
//! publisher cannot change mounts, ports or hosts. The definition is copied into the plan, because the
//! rollback is judged by the definition that was in force when the release began.

mod approval;
mod gates;
mod hooks;
pub mod names;
pub mod placeholders;
mod secrets;
mod supersede;
mod window;

use std::collections::BTreeMap;
use std::fmt;

use drawgate_schemas::{Environment, Service};
use serde::{Deserialize, Serialize};

use crate::share::Share;

pub use approval::Approval;
pub use gates::Gates;
pub use hooks::{AfterDefinition, BeforeDefinition, OnFailure, Place, Surroundings};
pub use secrets::{SecretReference, SecretStore};
pub use supersede::Supersede;
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
    /// How many at once, and how long each wait may take.
    pub roll: RollPolicy,
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

/// A swap by programs of the service's own: a script on each host, or `kubectl` or `helm` on the bastion.
/// Each program has to be safe to run again after it was broken off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandDefinition {
    /// Where they run.
    pub place: CommandPlace,
    /// Brings the desired version: program and arguments, with placeholders.
    pub deploy: Vec<String>,
    /// Brings the previous version back; `{previous}` is what [`Self::version`] printed at the start.
    pub rollback: Vec<String>,
    /// Tells which version runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionDefinition>,
    /// Environment variables, beside `DRAWGATE_TAG` and the like.
    pub env: BTreeMap<String, String>,
    /// Environment variables whose values a secret store keeps. On the bastion only, because on a host they
    /// would stand in the list of processes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretReference>,
    /// Milliseconds that a deploy or a rollback may take; then it is ended, and has failed.
    pub timeout_ms: u64,
}

/// Where the programs of a command run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandPlace {
    /// On each host, over SSH.
    Host {
        /// The working directory; the login's home where absent.
        directory: Option<String>,
    },
    /// On the bastion.
    Worker(Surroundings),
}

/// How the version that runs is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionDefinition {
    /// Program and arguments, without placeholders, because it is asked before anything is known of a
    /// release. The one line that it prints is the version.
    pub run: Vec<String>,
    /// What it prints where the desired version runs, with placeholders. Where absent, the printed version
    /// serves the rollback and nothing else: the number of a Helm revision does not say what runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
}

impl CommandDefinition {
    /// Every word that a release fills in.
    pub fn words(&self) -> impl Iterator<Item = &String> {
        let is = self.version.iter().flat_map(|version| &version.is);
        self.deploy.iter().chain(&self.rollback).chain(is)
    }

    /// Whether the image's digest is asked for: without a container, only programs that name it need it.
    pub fn names_digest(&self, verify: &VerifyDefinition) -> bool {
        let checked: &[String] = match &verify.probe {
            Probe::Command(words) => words,
            _ => &[],
        };
        let names =
            |word: &String| crate::definition::placeholders::uses(std::slice::from_ref(word), "digest");
        self.words().chain(checked).any(names)
    }
}

/// Pace and patience of a roll. All durations are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollPolicy {
    /// Hosts out of service by our doing at any moment, at least 1.
    pub max_unavailable: Share,
    /// Hosts that come first, and are watched before the others follow.
    #[serde(default)]
    pub canary: Option<Canary>,
    /// Whether hosts of two availability zones are never out at the same time.
    #[serde(default)]
    pub zone_by_zone: bool,
    /// Hosts that may fail: each is brought back into service, and tried once more after the others.
    #[serde(default)]
    pub failure_budget: u32,
    /// Longest roll forward, reckoned from the moment when everything in the plan is locked, without pauses:
    /// past it the release is rolled back. A roll that is slow for ever would leave scaling suspended for
    /// ever.
    #[serde(default = "max_roll_default_ms")]
    pub max_roll_ms: u64,
    /// Longest pause: past it the release is rolled back.
    #[serde(default = "max_pause_default_ms")]
    pub max_pause_ms: u64,
    /// Longest wait for a host that turned unhealthy by itself, while the floor keeps the others in service:
    /// past it the release is rolled back. 0 rolls back at once.
    #[serde(default = "sick_wait_default_ms")]
    pub sick_wait_ms: u64,
    /// Whether scheduled actions of the group may fall into the suspension. Auto Scaling does not make up for
    /// them.
    #[serde(default)]
    pub allow_missed_actions: bool,
    /// Whether a fleet of one may be without service during its swap.
    pub allow_outage: bool,
    /// How long a host must stay healthy before it counts.
    pub min_healthy_time_ms: u64,
    /// The least time between deregistering and stopping, even where the deregistration delay is 0: the load
    /// balancer's nodes need a moment to learn of it.
    pub min_drain_ms: u64,
    /// Longest wait for a drain, beyond the target group's own deregistration delay.
    pub drain_timeout_ms: u64,
    /// Longest wait for a registered target to become healthy.
    pub healthy_timeout_ms: u64,
    /// Time between two looks at target health.
    pub poll_interval_ms: u64,
    /// Hosts that pull at the same time.
    pub pull_concurrency: u32,
    /// Longest pull of one host.
    pub pull_timeout_ms: u64,
    /// Free space, in bytes, that the engine's disk needs before a pull.
    pub min_disk_free_bytes: u64,
}

/// The first hosts of a roll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// How many, at least 1. Hosts that served nobody come before them and do not count.
    pub instances: u32,
    /// How long they must serve well before another host is touched, in milliseconds.
    pub bake_ms: u64,
}

fn max_pause_default_ms() -> u64 {
    crate::limits::MAX_PAUSE_DEFAULT_MS
}

fn sick_wait_default_ms() -> u64 {
    crate::limits::SICK_WAIT_DEFAULT_MS
}

fn max_roll_default_ms() -> u64 {
    crate::limits::MAX_ROLL_DEFAULT_MS
}

/// A container as `docker run` would make it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerDefinition {
    /// The container's name on the host.
    pub name: String,
    pub ports: Vec<PortMapping>,
    pub env: BTreeMap<String, String>,
    /// Environment variables whose values are kept elsewhere.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretReference>,
    /// Bind mounts and volumes, `source:target[:options]`, as Docker's `Binds`.
    pub volumes: Vec<String>,
    /// Network mode or network name; the engine's default bridge where absent.
    pub network: Option<String>,
    /// What the engine does when the container ends; given to the container after it passed verification.
    pub restart: RestartPolicy,
    /// Memory limit in bytes.
    pub memory_bytes: Option<u64>,
    /// CPU limit in billionths of a CPU, as Docker's `NanoCpus`.
    pub nano_cpus: Option<u64>,
    /// Log driver; the engine's default where absent.
    pub log_driver: Option<String>,
    /// Options of the log driver.
    pub log_options: BTreeMap<String, String>,
    /// Labels beside our own.
    pub labels: BTreeMap<String, String>,
    /// Command in place of the image's own.
    pub command: Option<Vec<String>>,
    /// Seconds between SIGTERM and SIGKILL when the container is stopped.
    pub stop_timeout_s: u32,
    /// Images of this repository that a host keeps after a success, beside the one that runs; at least the
    /// last good one.
    #[serde(default = "one")]
    pub keep_images: u32,
}

fn one() -> u32 {
    1
}

/// A published port, `[address:]host:container[/protocol]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// Host address to bind, all where absent.
    pub address: Option<String>,
    /// Port on the host.
    pub host: u16,
    /// Port in the container.
    pub container: u16,
    /// `tcp` or `udp`.
    pub protocol: Protocol,
}

/// Transport of a published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// As Docker writes it in `8080/tcp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Docker's restart policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    No,
    /// Restarted whenever it ends, and when the engine starts.
    Always,
    /// Like `always`, unless it was stopped by hand.
    UnlessStopped,
    /// Restarted when it ends with another code than 0; 0 retries means without limit.
    OnFailure {
        /// Docker's `MaximumRetryCount`.
        retries: u32,
    },
}

impl fmt::Display for RestartPolicy {
    /// As `docker update --restart` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::Always => f.write_str("always"),
            Self::UnlessStopped => f.write_str("unless-stopped"),
            Self::OnFailure { retries: 0 } => f.write_str("on-failure"),
            Self::OnFailure { retries } => write!(f, "on-failure:{retries}"),
        }
    }
}

/// How a swapped container is checked, on its host, before it is registered again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyDefinition {
    /// What is asked.
    pub probe: Probe,
    /// How often it is asked before the host has failed, at least 1.
    pub attempts: u32,
    /// Milliseconds between two attempts.
    pub interval_ms: u64,
    /// Milliseconds one attempt may take.
    pub timeout_ms: u64,
    /// Milliseconds that a container may be `starting` by its image's HEALTHCHECK; no attempt is counted
    /// meanwhile.
    #[serde(default = "start_timeout_ms")]
    pub start_timeout_ms: u64,
}

/// The default for definitions that were written before this key existed.
fn start_timeout_ms() -> u64 {
    START_TIMEOUT_DEFAULT_MS
}

/// How long a container may be `starting` where the service's file says nothing: Docker's own defaults take
/// up to three minutes.
pub const START_TIMEOUT_DEFAULT_MS: u64 = 300_000;

/// One kind of check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// `GET path` on the host's own loopback, through the SSH connection.
    Http {
        /// Path with its query.
        path: String,
        /// Port on the host.
        port: u16,
        /// The only status that passes.
        status: u16,
    },
    /// A command in the container, or at the place where the service's programs run; exit code 0 passes.
    Command(Vec<String>),
    /// The image's own `HEALTHCHECK` says `healthy`.
    Healthcheck,
    /// The container runs and does not restart, or the deploy ended well: nothing more is checked.
    Running,
}

/// Which alarms to silence, and which to watch. Each is a name; a `*` at the end matches any rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmDefinition {
    /// Alarms that are silenced while the roll lasts.
    pub silence: Vec<String>,
    /// How they are silenced.
    #[serde(default)]
    pub by: SilenceBy,
    /// Milliseconds that muted alarms get to be OK again once all else is as before: unmuted earlier, they
    /// would do what they were kept from.
    #[serde(default)]
    pub settle_ms: u64,
    /// Alarms that roll the release back when they fire during the roll forward.
    #[serde(default)]
    pub watch: Vec<String>,
    /// Milliseconds between two looks at the watched alarms.
    #[serde(default)]
    pub watch_interval_ms: u64,
    /// Milliseconds that the roll waits at its end, with the watch going on, before it counts as good.
    #[serde(default)]
    pub bake_ms: u64,
    /// Whether a release may begin although a silenced or watched alarm is in ALARM.
    #[serde(default)]
    pub allow_firing: bool,
}

/// How alarms are kept from doing anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceBy {
    /// Their actions are disabled, and enabled again. Journals that say nothing of it were written by a
    /// version that knew no other way.
    #[default]
    DisableActions,
    /// An alarm mute rule suppresses their actions, and ends by itself.
    MuteRule,
}

/// Auto Scaling processes, as `SuspendProcesses` names them
/// (Amazon EC2 Auto Scaling User Guide, "Suspend and resume processes").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Process {
    Launch,
    Terminate,
    /// Registers new instances with the load balancer. Never suspended by us: later instances would never
    /// join.
    AddToLoadBalancer,
    /// Acts on alarms of scaling policies.
    AlarmNotification,
    /// Balances instances over zones.
    #[serde(rename = "AZRebalance")]
    AzRebalance,
    /// Marks instances unhealthy.
    HealthCheck,
    /// Runs instance refreshes.
    InstanceRefresh,
    /// Terminates and replaces instances that are marked unhealthy.
    ReplaceUnhealthy,
    /// Runs scheduled actions.
    ScheduledActions,
}

impl Process {
    /// What is suspended where the service file says nothing.
    pub const DEFAULT: [Self; 6] = [
        Self::AzRebalance,
        Self::AlarmNotification,
        Self::ScheduledActions,
        Self::HealthCheck,
        Self::ReplaceUnhealthy,
        Self::InstanceRefresh,
    ];

    const ALL: [Self; 9] = [
        Self::Launch,
        Self::Terminate,
        Self::AddToLoadBalancer,
        Self::AlarmNotification,
        Self::AzRebalance,
        Self::HealthCheck,
        Self::InstanceRefresh,
        Self::ReplaceUnhealthy,
        Self::ScheduledActions,
    ];

    /// The API's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Launch => "Launch",
            Self::Terminate => "Terminate",
            Self::AddToLoadBalancer => "AddToLoadBalancer",
            Self::AlarmNotification => "AlarmNotification",
            Self::AzRebalance => "AZRebalance",
            Self::HealthCheck => "HealthCheck",
            Self::InstanceRefresh => "InstanceRefresh",
            Self::ReplaceUnhealthy => "ReplaceUnhealthy",
            Self::ScheduledActions => "ScheduledActions",
        }
    }

    /// The process of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|process| process.as_str() == name)
    }
}
