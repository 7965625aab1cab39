//! What occupies a host besides the service's container: systemd's units, processes on its ports, names like
//! the service's.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_rollout::definition::ContainerDefinition;
use drawgate_rollout::{LABEL_RELEASE, ListenerSnapshot, OutsideDocker, names};

use crate::host::{ContainerInfo, Host, HostError, HostFacts};

/// Looks by plain commands over SSH; where the host lacks the program for one, the answer stays unknown.
pub(super) async fn look(
    host: &Host,
    facts: &HostFacts,
    wanted: &ContainerDefinition,
    containers: &[ContainerInfo],
) -> Result<OutsideDocker, HostError> {
    let ports: BTreeSet<u16> = wanted.ports.iter().map(|port| port.host).collect();
    let (unit, listeners) = tokio::try_join!(host.unit_of(&wanted.name), host.listeners(&ports))?;
    // On the host's own network a container publishes nothing, and its socket looks like any process's. The
    // container to be replaced will be gone when the new one starts, so its listeners are ignored.
    let replaced_on_host_network = containers.iter().any(|container| {
        container.name == wanted.name && container.running && container.network_mode == "host"
    });
    let listeners = listeners
        .filter(|_| !replaced_on_host_network)
        .unwrap_or_default();
    let listeners = listeners
        .into_iter()
        .filter(|listener| !published(containers, listener.port, &listener.protocol))
        .map(|listener| ListenerSnapshot {
            address: listener.address,
            port: listener.port,
            protocol: listener.protocol,
            process: listener.process,
        });
    Ok(OutsideDocker {
        platform: facts.platform.clone(),
        unit,
        listeners: listeners.collect(),
        look_alikes: look_alikes(&wanted.name, containers),
    })
}

/// Whether the engine listens on this port for a container.
fn published(containers: &[ContainerInfo], port: u16, protocol: &str) -> bool {
    containers
        .iter()
        .filter(|container| container.running)
        .flat_map(|container| &container.host_ports)
        .any(|held| held.port == port && held.protocol == protocol)
}

fn look_alikes(name: &str, containers: &[ContainerInfo]) -> BTreeMap<String, String> {
    let prefixes = [names::new_prefix(name), names::old_prefix(name)];
    containers
        .iter()
        .filter(|container| prefixes.iter().any(|prefix| container.name.starts_with(prefix)))
        .map(|container| {
            let release = container.labels.get(LABEL_RELEASE).cloned().unwrap_or_default();
            (container.name.clone(), release)
        })
        .collect()
}
