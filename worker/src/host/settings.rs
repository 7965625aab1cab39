//! Settings for reaching hosts, from the worker's configuration.

use std::path::PathBuf;
use std::time::Duration;

/// Settings for reaching hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSettings {
    /// Login name; the `ssh_config` decides where absent.
    pub user: Option<String>,
    /// Port; the `ssh_config` decides where absent.
    pub port: Option<u16>,
    /// Private key, and then only that one; agent and `ssh_config` decide where absent.
    pub keyfile: Option<PathBuf>,
    /// The `ssh_config` to use in place of the user's and the system's.
    pub config_file: Option<PathBuf>,
    /// How an unknown host key is treated.
    pub host_keys: HostKeys,
    /// The file of the host keys that are accepted on first sight; that of the `ssh_config` where absent. The
    /// worker's user may have no other place that it can write to.
    pub remembered_keys: Option<PathBuf>,
    /// Leaves `HostName` to the `ssh_config`: `%h` in a `ProxyCommand` is then the instance id, as Session
    /// Manager and EC2 Instance Connect Endpoint want it. Otherwise ssh goes to the instance's private
    /// address.
    pub connect_by_instance_id: bool,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// The engine's socket on the host.
    pub docker_socket: PathBuf,
    /// Longest Docker request, except pulls and stops, which have their own.
    pub docker_timeout: Duration,
    /// Parent of the private directory for sockets: a short path on a local disk, `/run/drawgate` or the
    /// like.
    pub runtime_dir: PathBuf,
    /// Connections beyond this number are ended while nobody uses them.
    pub connections: usize,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            user: None,
            port: None,
            keyfile: None,
            config_file: None,
            host_keys: HostKeys::Strict,
            remembered_keys: None,
            connect_by_instance_id: false,
            connect_timeout: super::limits::CONNECT_TIMEOUT,
            docker_socket: PathBuf::from("/var/run/docker.sock"),
            // A start or create answers within a second; a busy engine gets a minute before its answer counts
            // as lost.
            docker_timeout: Duration::from_secs(60),
            runtime_dir: std::env::temp_dir(),
            connections: super::limits::CONNECTIONS,
        }
    }
}

/// How an unknown host key is treated. The key is looked up under the instance id, because addresses are
/// reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKeys {
    /// Refuses the connection. The key has to be known, by `@cert-authority` or by a known-hosts command.
    Strict,
    /// Remembers the key on first sight, and refuses it when it differs later.
    AcceptNew,
}

impl HostKeys {
    /// The value of ssh's `StrictHostKeyChecking`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "yes",
            Self::AcceptNew => "accept-new",
        }
    }
}
