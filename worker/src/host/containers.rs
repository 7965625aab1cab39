//! The containers on a host.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::errors::Error as DockerError;
use bollard::models::{ContainerInspectResponse, ContainerSummary, PortMap};
use bollard::query_parameters::ListContainersOptionsBuilder;
use drawgate_rollout::definition::RestartPolicy;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::body::restart_policy;
use super::error::{Effect, HostError};
use super::limits;
use super::pool::Host;

/// A container as the engine knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerInfo {
    pub id: String,
    /// Name, without Docker's leading slash.
    pub name: String,
    /// The image as the creator asked for it: a tag, a digest or an id.
    pub image_reference: String,
    /// Id of the image on this host.
    pub image_id: String,
    /// Every `repository@digest` that the engine knows for the image; empty when the image has been removed.
    pub repo_digests: Vec<String>,
    /// Labels, including those of the image.
    pub labels: BTreeMap<String, String>,
    /// True while the container's process runs; also while it is paused.
    pub running: bool,
    /// `created`, `running`, `restarting`, `exited`, ...
    pub status: String,
    /// Exit code when it last ended.
    pub exit_code: Option<i64>,
    /// Whether it was killed for lack of memory.
    pub oom_killed: bool,
    /// The engine's error at the last start, empty without one.
    pub error: String,
    /// How often the engine has restarted it by itself.
    pub restart_count: u64,
    pub restart_policy: RestartPolicy,
    /// Whether the engine removes it when it ends.
    pub auto_remove: bool,
    /// When it was created, as the engine writes it.
    pub created_at: String,
    /// When it was last started, as the engine writes it.
    pub started_at: Option<String>,
    /// `starting`, `healthy`, `unhealthy`; `None` for an image without a health check.
    pub health: Option<String>,
    /// Published ports: as they are while the container runs, as they will be while it does not.
    pub host_ports: Vec<HostPort>,
    /// Network mode, `default`, `host`, the name of a network.
    pub network_mode: String,
    /// Process id on the host, while it runs.
    pub pid: Option<u32>,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostPort {
    /// Host address; empty, `0.0.0.0` and `::` mean all.
    pub address: String,
    /// Port on the host.
    pub port: u16,
    /// Port in the container.
    pub container_port: u16,
    /// `tcp`, `udp`, `sctp`.
    pub protocol: String,
}

/// A host port, and the running container that has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortUse {
    /// Port on the host.
    pub port: u16,
    /// Host address; empty, `0.0.0.0` and `::` mean all.
    pub address: String,
    /// `tcp`, `udp`, `sctp`.
    pub protocol: String,
    /// Name of the container, without Docker's leading slash.
    pub container: String,
    pub container_id: String,
}

/// Docker's `filters`, which narrow a list.
pub(super) type Filters = HashMap<String, Vec<String>>;

impl Host {
    /// The host's containers; with `all`, also those that do not run. A container that vanishes during the
    /// look is left out.
    pub async fn containers(&self, all: bool) -> Result<Vec<ContainerInfo>, HostError> {
        let ids: Vec<String> = self
            .list(all, HashMap::new())
            .await?
            .into_iter()
            .filter_map(|summary| summary.id)
            .collect();
        let found = stream::iter(ids)
            .map(|id| async move { self.container(&id).await })
            .buffered(limits::INSPECTIONS_AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The container with this label, without its image's digests: two requests, however many containers
    /// there are.
    pub async fn labelled(&self, label: &str, value: &str) -> Result<Option<ContainerInfo>, HostError> {
        let filters = HashMap::from([("label".to_owned(), vec![format!("{label}={value}")])]);
        match self
            .list(true, filters)
            .await?
            .into_iter()
            .find_map(|summary| summary.id)
        {
            Some(id) => self.container_alone(&id).await,
            None => Ok(None),
        }
    }

    /// The container of that name or id, if there is one.
    pub async fn container(&self, name_or_id: &str) -> Result<Option<ContainerInfo>, HostError> {
        let Some(mut container) = self.container_alone(name_or_id).await? else {
            return Ok(None);
        };
        container.repo_digests = self.repo_digests(&container.image_id).await?;
        Ok(Some(container))
    }

    /// Which running container has which host port.
    pub async fn ports_in_use(&self) -> Result<Vec<PortUse>, HostError> {
        let mut uses: BTreeSet<PortUse> = BTreeSet::new();
        for summary in self.list(false, HashMap::new()).await? {
            uses.extend(port_uses(&summary));
        }
        Ok(uses.into_iter().collect())
    }

    /// The container without its image's digests, which cost another request.
    pub async fn container_alone(&self, name_or_id: &str) -> Result<Option<ContainerInfo>, HostError> {
        let answer = self
            .ask("inspecting a container", Effect::Read, |docker| {
                let name = name_or_id.to_owned();
                async move { present(docker.inspect_container(&name, None).await) }
            })
            .await?;
        Ok(answer.map(container_info))
    }

    pub(super) async fn list(&self, all: bool, filters: Filters) -> Result<Vec<ContainerSummary>, HostError> {
        let bound = i32::try_from(limits::CONTAINERS).unwrap_or(i32::MAX);
        self.ask("listing containers", Effect::Read, move |docker| {
            let options = ListContainersOptionsBuilder::new().all(all).filters(&filters);
            // A limit makes the engine list stopped containers too.
            let options = if all { options.limit(bound) } else { options };
            async move { docker.list_containers(Some(options.build())).await }
        })
        .await
    }

    /// Whether the engine finds an image by this reference.
    pub(super) async fn knows_image(&self, reference: &str) -> Result<bool, HostError> {
        let found = self
            .ask("inspecting an image", Effect::Read, |docker| {
                let reference = reference.to_owned();
                async move { present(docker.inspect_image(&reference).await) }
            })
            .await?;
        Ok(found.is_some())
    }

    /// `repository@digest` of an image on this host; none when it is not there.
    pub(super) async fn repo_digests(&self, image: &str) -> Result<Vec<String>, HostError> {
        let image = image.to_owned();
        let found = self
            .ask("inspecting an image", Effect::Read, move |docker| {
                let image = image.clone();
                async move { present(docker.inspect_image(&image).await) }
            })
            .await?;
        Ok(found.and_then(|image| image.repo_digests).unwrap_or_default())
    }
}

/// Turns "not found" into `None`: for a look, that is an answer.
pub(super) fn present<T>(answer: Result<T, DockerError>) -> Result<Option<T>, DockerError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(DockerError::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn container_info(answer: ContainerInspectResponse) -> ContainerInfo {
    let state = answer.state.unwrap_or_default();
    let config = answer.config.unwrap_or_default();
    let host_config = answer.host_config.unwrap_or_default();
    let running = state.running.unwrap_or_default();
    let published = answer.network_settings.and_then(|settings| settings.ports);
    let published = if running {
        published
    } else {
        host_config.port_bindings
    };
    ContainerInfo {
        id: answer.id.unwrap_or_default(),
        name: plain_name(&answer.name.unwrap_or_default()),
        image_reference: config.image.unwrap_or_default(),
        image_id: answer.image.unwrap_or_default(),
        repo_digests: Vec::new(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        running,
        status: state.status.map(|status| status.to_string()).unwrap_or_default(),
        exit_code: state.exit_code,
        oom_killed: state.oom_killed.unwrap_or_default(),
        error: state.error.unwrap_or_default(),
        restart_count: answer
            .restart_count
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or_default(),
        restart_policy: restart_policy(host_config.restart_policy.as_ref()),
        auto_remove: host_config.auto_remove.unwrap_or_default(),
        created_at: answer.created.unwrap_or_default(),
        started_at: state.started_at.filter(|moment| !is_never(moment)),
        health: state
            .health
            .and_then(|health| health.status)
            .map(|status| status.to_string())
            .and_then(known),
        host_ports: published.map(host_ports).unwrap_or_default(),
        network_mode: host_config.network_mode.unwrap_or_default(),
        pid: state
            .pid
            .and_then(|pid| u32::try_from(pid).ok())
            .filter(|pid| *pid > 0),
    }
}

fn plain_name(name: &str) -> String {
    name.strip_prefix('/').unwrap_or(name).to_owned()
}

/// Whether the moment is the engine's word for "never": year 1.
fn is_never(moment: &str) -> bool {
    moment.starts_with("0001-01-01")
}

/// Turns `none` and an empty text into `None`: both say that the image has no health check.
fn known(health: String) -> Option<String> {
    Some(health).filter(|health| !health.is_empty() && health != "none")
}

fn host_ports(ports: PortMap) -> Vec<HostPort> {
    let mut found = BTreeSet::new();
    for (key, bindings) in ports {
        let (container_port, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
        for binding in bindings.unwrap_or_default() {
            let port = binding.host_port.and_then(|port| port.parse().ok());
            let (Some(port), Ok(container_port)) = (port, container_port.parse()) else {
                continue;
            };
            let address = binding.host_ip.unwrap_or_default();
            found.insert(HostPort {
                address,
                port,
                container_port,
                protocol: protocol.to_owned(),
            });
        }
    }
    found.into_iter().collect()
}

fn port_uses(summary: &ContainerSummary) -> Vec<PortUse> {
    // The shortest name is the container's own; the others are links from other containers.
    let names = summary.names.iter().flatten();
    let container = names
        .min_by_key(|name| name.len())
        .map(|name| plain_name(name))
        .unwrap_or_default();
    let ports = summary.ports.iter().flatten();
    ports
        .filter_map(|port| {
            Some(PortUse {
                port: port.public_port?,
                address: port.ip.clone().unwrap_or_default(),
                protocol: port.typ.map(|kind| kind.to_string()).unwrap_or_default(),
                container: container.clone(),
                container_id: summary.id.clone().unwrap_or_default(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inspected(running: bool) -> ContainerInspectResponse {
        serde_json::from_value(json!({
            "Id": "c1",
            "Name": "/api",
            "Image": "sha256:1",
            "Created": "2026-01-01T00:00:00Z",
            "RestartCount": 2,
            "State": {
                "Status": if running { "running" } else { "created" },
                "Running": running,
                "Pid": if running { 77 } else { 0 },
                "ExitCode": 0,
                "StartedAt": if running { "2026-01-01T00:00:01Z" } else { "0001-01-01T00:00:00Z" },
            },
            "Config": {"Image": "api:main", "Labels": {"team": "web"}},
            "HostConfig": {
                "AutoRemove": false,
                "NetworkMode": "default",
                "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4},
                "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
            },
            "NetworkSettings": {
                "Ports": if running {
                    json!({"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
                           "81/tcp": null})
                } else {
                    json!({})
                },
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_running_container_is_read_as_it_is() {
        let info = container_info(inspected(true));
        assert_eq!(
            (info.name.as_str(), info.running, info.pid),
            ("api", true, Some(77))
        );
        assert_eq!(info.restart_policy, RestartPolicy::OnFailure { retries: 4 });
        assert_eq!(info.restart_count, 2);
        let ports: Vec<_> = info
            .host_ports
            .iter()
            .map(|port| (port.address.as_str(), port.port))
            .collect();
        assert_eq!(ports, [("0.0.0.0", 8080), ("::", 8080)]);
        assert_eq!(info.health, None);
    }

    #[test]
    fn a_container_that_was_never_started_keeps_its_ports() {
        let info = container_info(inspected(false));
        assert_eq!((info.running, info.pid, info.started_at), (false, None, None));
        assert_eq!(info.host_ports.len(), 1);
        assert_eq!(info.host_ports[0].port, 8080);
    }
}
