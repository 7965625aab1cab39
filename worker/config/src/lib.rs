//! The worker's configuration: read, checked and explained.
//!
//! ```text
//! /etc/drawgate/worker.toml ─────────┐ worker_file ─> WorkerSettings ┐
//! /etc/drawgate/services/api.toml ───┤ service_file ─> ServiceFile ──┼─ cross ─> Config ─> ServiceDefinition
//! /etc/drawgate/services/…   ────────┘  (reader, units, docker, …)   ┘             (environment, service)
//! ```
//!
//! Two rules: nothing is silently ignored (an unknown key is a mistake), and all mistakes are told in one go,
//! each with its place and with what to write. A configuration with a mistake is not handed out at all,
//! because a worker that starts on half of its files would refuse releases for the rest.

mod address;
mod alarms_section;
mod aws_names;
mod command_checks;
mod command_section;
mod configuration;
mod container_section;
mod cross;
mod docker;
mod ecr;
pub mod env_vars;
mod environment_section;
mod error;
mod fleet_section;
mod hooks_section;
mod key;
mod limits;
mod load;
mod parameter;
mod paths;
mod pattern;
mod people;
mod placeholders;
mod policy_section;
mod preflight_section;
mod program_words;
mod reader;
mod reference;
mod roll_section;
mod secret_references;
mod secrets;
mod service_checks;
mod service_file;
mod service_keys;
mod source;
mod ssh_section;
mod suggest;
#[cfg(test)]
mod tests;
mod units;
mod variables;
mod verify_section;
mod worker_file;
mod worker_keys;

pub use self::configuration::{Config, NotFound, Route};
pub use self::ecr::EcrRegistry;
pub use self::error::{ConfigError, ConfigErrors, explain};
pub use self::limits::LEASE_DEFAULT;
pub use self::pattern::EnvironmentPattern;
pub use self::people::{Operators, People};
pub use self::reference::reference;
pub use self::secrets::{Secret, SecretError, SecretSource};
pub use self::ssh_section::{KnownHosts, SshSettings};
pub use self::worker_file::{AmqpSettings, AwsSettings, RegistrySettings, WorkerSettings};

/// Path of `worker.toml` where no other is given.
pub const DEFAULT_PATH: &str = "/etc/drawgate/worker.toml";

/// Reads `"10s"`, `"1h 30m"` in milliseconds.
///
/// # Errors
/// Says what to write instead.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    units::duration_ms(text)
}
