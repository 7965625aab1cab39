//! The container that every host shall run.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::secrets::SecretReference;

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
