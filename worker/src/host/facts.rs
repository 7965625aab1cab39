//! The facts about a host that preflight needs before anything is touched.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::diagnosis::diagnose;
use super::error::{Effect, HostError, Stage};
use super::pool::{Host, Link};

/// Facts about a host that was reached in every way that a roll will use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostFacts {
    /// The engine's version.
    pub engine_version: String,
    /// The newest API version the engine speaks.
    pub api_version: String,
    /// Operating system, `linux`.
    pub os: String,
    /// Architecture, `x86_64`, `aarch64`.
    pub arch: String,
    /// Operating system and architecture as images name them, `linux/amd64`, `linux/arm64`; `None` where the
    /// engine does not say.
    pub platform: Option<String>,
    /// The engine's directory for images and containers.
    pub docker_root_dir: String,
    /// Free bytes for that directory; `None` when `df` cannot say.
    pub disk_free_bytes: Option<u64>,
    pub running_containers: u64,
    /// Whether containers keep running while the engine is stopped.
    pub live_restore: bool,
    /// Round trip to the host over the existing connection.
    pub ssh_latency_ms: f64,
}

/// What is done while this host is connected to, in errors. The connection is made for the look that follows.
const OPERATION: &str = "looking at the host";

impl Host {
    /// Opens the connection and the engine's socket ahead of the look that will use them.
    pub async fn connect_ahead(&self) -> Result<(), HostError> {
        self.engine(OPERATION).await.map(drop)
    }

    /// Looks at the host by SSH, by a forwarded socket and by its engine. The error says which of them
    /// failed, and what to do.
    pub async fn probe(&self) -> Result<HostFacts, HostError> {
        let link = self.link(OPERATION).await?;
        match self.look(OPERATION, &link).await {
            Err(HostError::Unreachable {
                stage: Stage::Engine,
                hint: None,
                source,
                ..
            }) => {
                // The engine answered earlier on this connection, so the diagnosis has not been made yet.
                let (stage, hint) = diagnose(&link.master, &self.shared.settings.docker_socket).await;
                Err(self.unreachable(OPERATION, stage, Some(hint), source))
            }
            looked => looked,
        }
    }

    async fn look(&self, operation: &'static str, link: &Link) -> Result<HostFacts, HostError> {
        let latency = link.master.round_trip().await;
        let latency =
            latency.map_err(|error| self.unreachable(operation, Stage::Ssh, None, Arc::new(error)))?;
        let (version, info) = tokio::try_join!(
            self.ask(
                operation,
                Effect::Read,
                |docker| async move { docker.version().await },
            ),
            self.ask(
                operation,
                Effect::Read,
                |docker| async move { docker.info().await },
            ),
        )?;
        let root = info.docker_root_dir.unwrap_or_default();
        Ok(HostFacts {
            platform: platform(version.os, version.arch),
            engine_version: version.version.unwrap_or_default(),
            api_version: version.api_version.unwrap_or_default(),
            os: info.os_type.unwrap_or_default(),
            arch: info.architecture.unwrap_or_default(),
            disk_free_bytes: self.disk_free(&root).await?,
            docker_root_dir: root,
            running_containers: info
                .containers_running
                .and_then(|count| u64::try_from(count).ok())
                .unwrap_or_default(),
            live_restore: info.live_restore_enabled.unwrap_or_default(),
            ssh_latency_ms: latency.as_secs_f64() * 1000.0,
        })
    }

    async fn disk_free(&self, dir: &str) -> Result<Option<u64>, HostError> {
        const OPERATION: &str = "asking for free disk space";
        let link = self.link(OPERATION).await?;
        // `-P` is the portable form: every `df` knows it, and it breaks no line in two.
        let output = link.master.run("df", &["-Pk", "--", dir]).await;
        let output =
            output.map_err(|error| self.unreachable(OPERATION, Stage::Command, None, Arc::new(error)))?;
        Ok(available_bytes(&output.stdout).filter(|_| output.exit_code == Some(0)))
    }
}

/// The engine's own platform in Go's words, which image manifests use too.
fn platform(os: Option<String>, arch: Option<String>) -> Option<String> {
    let known = |word: Option<String>| word.filter(|word| !word.is_empty());
    Some(format!("{}/{}", known(os)?, known(arch)?))
}

/// Available bytes: the fourth column of the last line, in units of 1024 bytes.
fn available_bytes(printed: &str) -> Option<u64> {
    let line = printed.lines().last()?;
    let kilobytes: u64 = line.split_whitespace().nth(3)?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_read_from_df() {
        let printed = "Filesystem     1024-blocks    Used Available Capacity Mounted on\n\
                       /dev/nvme0n1p1    31444972 4192220  27252752      14% /\n";
        assert_eq!(available_bytes(printed), Some(27_252_752 * 1024));
        assert_eq!(available_bytes(""), None);
        assert_eq!(available_bytes("df: /x: No such file or directory"), None);
    }
}
