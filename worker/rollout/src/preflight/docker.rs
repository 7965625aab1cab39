//! What is on a host beside the service, and whose it is: preflight leaves what is not ours untouched.

use std::collections::BTreeMap;
use std::net::IpAddr;

use drawgate_schemas::ReleaseRequest;

use super::finding::Finding;
use crate::definition::names;
use crate::definition::{ContainerDefinition, PortMapping, ServiceDefinition};
use crate::fleet::{
    ContainerSnapshot, FleetSnapshot, HostPlan, HostSnapshot, HostView, ListenerSnapshot, OutsideDocker,
};

/// Labels by which another tool marks a container as its own: that tool would make the container again.
const OWNED_BY: [(&str, &str); 9] = [
    ("com.docker.compose.project", "Docker Compose"),
    ("com.docker.swarm.service.id", "Docker Swarm"),
    ("com.docker.swarm.task.id", "Docker Swarm"),
    ("com.amazonaws.ecs.cluster", "Amazon ECS"),
    ("com.amazonaws.ecs.task-arn", "Amazon ECS"),
    ("io.kubernetes.pod.name", "Kubernetes"),
    ("io.kubernetes.container.name", "Kubernetes"),
    ("com.hashicorp.nomad.alloc_id", "Nomad"),
    ("PODMAN_SYSTEMD_UNIT", "systemd"),
];

/// Restarts by the engine from which preflight warns of a container that is to be replaced: fewer happen to
/// everyone.
const RESTARTS_TOLD: u64 = 3;

/// Whether the container that runs now may be replaced, and brought back.
pub(super) fn replaceable(
    host: &HostSnapshot,
    container: &ContainerSnapshot,
    wanted: &ContainerDefinition,
    findings: &mut Vec<Finding>,
) {
    let name = &wanted.name;
    if container.auto_remove {
        let what =
            format!("container {name} was started with --rm: once stopped, it could not be brought back");
        let hint = format!("on the host: run {name} once without --rm");
        findings.push(Finding::refuse(&host.instance, what, hint));
    }
    if let Some((_, owner)) = OWNED_BY
        .iter()
        .find(|(label, _)| container.labels.contains_key(*label))
    {
        let what = format!("container {name} belongs to {owner}, which would make it again");
        let hint = format!("take the service out of {owner} on this host first");
        findings.push(Finding::refuse(&host.instance, what, hint));
    }
    if container.restarts >= RESTARTS_TOLD {
        let times = container.restarts;
        let what = format!("container {name}, which runs now, was restarted {times} times by the engine");
        findings.push(Finding::warn(&host.instance, what));
    }
}

/// Refuses a host with a unit that starts a container of this name: it would fight with the release, at the
/// latest at the next boot.
pub(super) fn unit(
    host: &HostSnapshot,
    outside: &OutsideDocker,
    wanted: &ContainerDefinition,
    findings: &mut Vec<Finding>,
) {
    let (name, Some(unit)) = (&wanted.name, &outside.unit) else {
        return;
    };
    let what = format!("systemd starts container {name} by {unit}, and would make it again");
    let hint = format!(
        "on the host: `systemctl disable --now {unit}`, then `docker run` {name} once with a restart policy of its own"
    );
    findings.push(Finding::refuse(&host.instance, what, hint));
}

/// Refuses host ports that somebody else has, because the new container could not be started.
pub(super) fn ports(
    host: &HostSnapshot,
    held: &BTreeMap<String, String>,
    outside: &OutsideDocker,
    wanted: &ContainerDefinition,
    findings: &mut Vec<Finding>,
) {
    for port in &wanted.ports {
        let key = format!("{}/{}", port.host, port.protocol.as_str());
        if let Some(other) = held.get(&key) {
            let what = format!("host port {key} is held by container {other}");
            let hint = format!("stop {other}, or give this service another host port");
            findings.push(Finding::refuse(&host.instance, what, hint));
        } else if let Some(listener) = outside.listeners.iter().find(|listener| clash(listener, port)) {
            let who = listener.process.as_deref().unwrap_or("a process");
            let what = format!("host port {key} is held by {who}, which is no container");
            let number = port.host;
            let hint = format!(
                "on the host: `sudo ss -ltunp sport = :{number}` names it; stop it, or give this service another host \
                 port"
            );
            findings.push(Finding::refuse(&host.instance, what, hint));
        }
    }
}

/// Whether a listener is in the way of a port. A socket on all addresses is in the way of one on any, and the
/// other way round.
fn clash(listener: &ListenerSnapshot, port: &PortMapping) -> bool {
    // A link-local address is followed by its interface.
    let listened = listener.address.split('%').next().unwrap_or_default();
    let listened = listened.trim_start_matches('[').trim_end_matches(']');
    let all = |address: &str| {
        address
            .parse::<IpAddr>()
            .map_or(true, |address| address.is_unspecified())
    };
    let wanted = port.address.as_deref().unwrap_or_default();
    listener.port == port.host
        && listener.protocol == port.protocol.as_str()
        && (all(listened) || all(wanted) || listened == wanted)
}

/// The names that this release will give have to be free. They end with a part of its id, so another
/// container has one of them only by intent, or as the leftover of a lost ledger.
pub(super) fn own_names(
    request: &ReleaseRequest,
    hosts: &[HostPlan],
    snapshot: &FleetSnapshot,
    definition: &ServiceDefinition,
    findings: &mut Vec<Finding>,
) {
    let Some(wanted) = definition.container() else {
        return;
    };
    let ours = [
        names::new_container(&wanted.name, request.id),
        names::old_container(&wanted.name, request.id),
    ];
    let id = request.id.to_string();
    for (host, outside) in reached(hosts, snapshot) {
        let taken = |name: &&String| {
            outside
                .look_alikes
                .get(*name)
                .is_some_and(|release| *release != id)
        };
        if let Some(name) = ours.iter().find(taken) {
            let what = format!("container {name} has a name that this release will give, and is not ours");
            let hint = format!("on the host: `docker rename {name} SOMETHING-ELSE`");
            findings.push(Finding::refuse(&host.instance, what, hint));
        }
    }
}

/// Refuses hosts whose platform is not in the image. The engine chooses among variants (`linux/arm/v7`)
/// itself.
pub(super) fn platforms(hosts: &[HostPlan], snapshot: &FleetSnapshot, findings: &mut Vec<Finding>) {
    let built: Vec<&str> = snapshot
        .image
        .platforms
        .iter()
        .map(|platform| without_variant(platform))
        .collect();
    if built.is_empty() {
        return;
    }
    for (host, outside) in reached(hosts, snapshot) {
        let Some(platform) = &outside.platform else {
            continue;
        };
        if !built.contains(&without_variant(platform)) {
            let what = format!(
                "is {platform}, and the image is for {}",
                snapshot.image.platforms.join(", ")
            );
            let hint = format!("push the image for {platform} too: `docker buildx build --platform`");
            findings.push(Finding::refuse(&host.instance, what, hint));
        }
    }
}

fn without_variant(platform: &str) -> &str {
    let end = platform.match_indices('/').nth(1);
    end.and_then(|(end, _)| platform.get(..end)).unwrap_or(platform)
}

/// The plan's hosts, each with what was seen of it.
fn reached<'a>(
    hosts: &'a [HostPlan],
    snapshot: &'a FleetSnapshot,
) -> impl Iterator<Item = (&'a HostPlan, &'a OutsideDocker)> {
    hosts.iter().filter_map(|host| {
        let seen = snapshot
            .hosts
            .iter()
            .find(|seen| seen.instance == host.instance)?;
        match &seen.view {
            HostView::Reached { outside, .. } => Some((host, outside.as_ref())),
            HostView::Answered { .. } | HostView::Unreachable { .. } => None,
        }
    })
}
