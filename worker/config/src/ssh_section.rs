//! `[ssh]` of `worker.toml`: how the worker reaches hosts.

use std::path::PathBuf;
use std::time::Duration;

use super::error::Problems;
use super::limits;
use super::paths::Paths;
use super::reader::{Field, Table};

/// How the worker reaches hosts. Where a setting is absent, the `ssh_config` decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSettings {
    pub user: Option<String>,
    pub port: Option<u16>,
    pub key_file: Option<PathBuf>,
    /// The `ssh_config` in place of the user's and the system's.
    pub config_file: Option<PathBuf>,
    /// How an unknown host key is treated.
    pub known_hosts: KnownHosts,
    /// Leaves the address to the `ssh_config`, which gets the instance's id.
    pub connect_by_instance_id: bool,
    /// The engine's socket on the host.
    pub docker_socket: PathBuf,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Parent of the private directory for sockets; the system's temporary directory where absent.
    pub runtime_dir: Option<PathBuf>,
}

/// How an unknown host key is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownHosts {
    Strict,
    /// Remembers the key on first sight, and refuses it when it differs later.
    AcceptNew,
}

impl Default for SshSettings {
    fn default() -> Self {
        Self {
            user: None,
            port: None,
            key_file: None,
            config_file: None,
            known_hosts: KnownHosts::Strict,
            connect_by_instance_id: false,
            docker_socket: PathBuf::from("/var/run/docker.sock"),
            connect_timeout: Duration::from_millis(limits::CONNECT_TIMEOUT_DEFAULT_MS),
            runtime_dir: None,
        }
    }
}

/// Reads the section.
pub(super) fn read(mut table: Table<'_, '_>, paths: &Paths<'_>, problems: &mut Problems<'_>) -> SshSettings {
    let default = SshSettings::default();
    let user = table.take("user").and_then(|field| {
        let user = field.plain_text(problems)?;
        let good = !user.starts_with('-')
            && user
                .chars()
                .all(|c| c.is_ascii_graphic() && !matches!(c, '@' | ':' | '/'));
        if !good {
            field.invalid("is no login name", problems);
        }
        good.then(|| user.to_owned())
    });
    let port = table.take("port").and_then(|field| field.port(problems));
    let known_hosts = table
        .take("known_hosts")
        .and_then(|field| known_hosts(&field, problems));
    let connect_timeout = table
        .take("connect_timeout")
        .and_then(|field| field.duration(problems));
    let settings = SshSettings {
        user,
        port,
        key_file: paths.maybe(&mut table, "key_file", problems),
        config_file: paths.maybe(&mut table, "config_file", problems),
        known_hosts: known_hosts.unwrap_or(default.known_hosts),
        connect_by_instance_id: table
            .take("connect_by_instance_id")
            .and_then(|field| field.flag(problems))
            .unwrap_or_default(),
        docker_socket: docker_socket(&mut table, problems).unwrap_or(default.docker_socket),
        connect_timeout: connect_timeout.map_or(default.connect_timeout, Duration::from_millis),
        runtime_dir: paths.maybe(&mut table, "runtime_dir", problems),
    };
    table.finish(problems);
    settings
}

fn known_hosts(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<KnownHosts> {
    match field.plain_text(problems)? {
        "strict" => Some(KnownHosts::Strict),
        "accept-new" => Some(KnownHosts::AcceptNew),
        other => {
            let hint =
                "write \"strict\" (unknown hosts are refused) or \"accept-new\" (remembered on first sight)";
            field.invalid_hint(format!("{other:?} is not known"), hint, problems);
            None
        }
    }
}

/// Reads the socket's path. It is a path on the hosts, so it must be absolute.
fn docker_socket(table: &mut Table<'_, '_>, problems: &mut Problems<'_>) -> Option<PathBuf> {
    let field = table.take("docker_socket")?;
    let text = field.plain_text(problems)?;
    if !text.starts_with('/') {
        field.invalid_hint(
            "must be an absolute path on the hosts",
            "write \"/var/run/docker.sock\"",
            problems,
        );
        return None;
    }
    Some(PathBuf::from(text))
}
