//! What many commands take: the lane, the broker, the format of the output.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use drawgate_schemas::{Environment, Service};
use jiff::SignedDuration;

use crate::env_vars::EnvVars;
use crate::limits;

/// Which lane.
#[derive(Debug, Args)]
pub(crate) struct LaneArgs {
    /// Where, e.g. staging
    #[arg(long, value_name = "NAME", env = EnvVars::ENVIRONMENT)]
    pub(crate) environment: Environment,
    /// What, e.g. search-api; else as drawgate.toml says
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<Service>,
}

/// How to reach the broker.
#[derive(Debug, Clone, Args)]
pub(crate) struct BrokerArgs {
    /// amqp://USER:PASSWORD@HOST:PORT/VHOST, amqps:// for TLS; %2f is the default virtual host
    #[arg(long, value_name = "URL", env = EnvVars::AMQP_URL, hide_env_values = true, help_heading = "Broker")]
    pub(crate) amqp_url: Option<Secret>,
    /// A file with the password, in place of one in the address
    #[arg(long, value_name = "FILE", env = EnvVars::AMQP_PASSWORD_FILE, hide_env_values = true, help_heading = "Broker")]
    pub(crate) amqp_password_file: Option<PathBuf>,
    /// A file with certificates (PEM) to trust besides the system's
    #[arg(long, value_name = "FILE", env = EnvVars::AMQP_CA_FILE, hide_env_values = true, help_heading = "Broker")]
    pub(crate) amqp_ca_file: Option<PathBuf>,
    /// How long to try for the first connection
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = limits::CONNECT_LIMIT,
          help_heading = "Broker")]
    pub(crate) connect_timeout: Duration,
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs; stable.
    Json,
}

/// Text that is never printed. It is taken as it is, so that no parser quotes it in a complaint.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// `90s`, `15m`, `2h`, `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a duration, such as 90s, 15m, 2h or 1h30m".to_owned();
    let duration: SignedDuration = text.parse().map_err(|_| wrong())?;
    let duration = Duration::try_from(duration).map_err(|_| wrong())?;
    if duration.is_zero() || duration > limits::LONGEST_OPTION {
        return Err("must be more than nothing and at most 30 days".to_owned());
    }
    Ok(duration)
}

/// A duration in whole seconds, within the wire contract's bound.
pub(crate) fn seconds_of_an_hour(text: &str) -> Result<u32, String> {
    let duration = duration(text)?;
    if duration.subsec_nanos() != 0 || duration.as_secs() > 3600 {
        return Err("must be whole seconds, at most 1h".to_owned());
    }
    u32::try_from(duration.as_secs()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "0s", "-1s", "90", "31d", "1000h", "soon"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(seconds_of_an_hour("1h"), Ok(3600));
        assert!(seconds_of_an_hour("3601s").is_err());
        assert!(seconds_of_an_hour("1500ms").is_err());
    }
}
