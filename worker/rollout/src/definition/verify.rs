//! How a swapped container is checked.

use serde::{Deserialize, Serialize};

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
