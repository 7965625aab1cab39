//! Made-up fleets, for the tests and the search.

use std::collections::BTreeMap;

use drawgate_rollout::definition::RestartPolicy;
use drawgate_rollout::{
    ContainerSnapshot, DesiredPlan, DesiredSnapshot, FleetSnapshot, GroupSnapshot, HealthThreshold,
    HostSnapshot, HostView, MemberSnapshot, ON_BASTION, TargetGroupSnapshot, TargetSnapshot,
};

use super::names::{GROUP, OLD_IMAGE, SECOND_GROUP, TARGET_GROUP, VALUE, id};

/// `n` hosts of one group in one target group. Hosts with an odd number are in one zone, hosts with an even
/// number in the other.
pub(super) fn fleet(n: usize) -> FleetSnapshot {
    let ids = || (1..=n).map(id);
    let member = |instance| MemberSnapshot {
        instance,
        lifecycle: "InService".to_owned(),
    };
    FleetSnapshot {
        groups: vec![GroupSnapshot {
            name: GROUP.to_owned(),
            members: ids().map(member).collect(),
            ..GroupSnapshot::default()
        }],
        hosts: (1..=n).map(host).collect(),
        target_groups: vec![target_group(TARGET_GROUP, "web", n)],
        at: crate::time::start(),
        ..FleetSnapshot::default()
    }
}

/// Puts every host into a second target group too.
pub(super) fn in_two_groups(fleet: &mut FleetSnapshot) {
    fleet
        .target_groups
        .push(target_group(SECOND_GROUP, "admin", fleet.hosts.len()));
    for host in &mut fleet.hosts {
        let second = target(&host.instance, SECOND_GROUP);
        host.targets.push(second);
    }
}

/// The fleet of a service on the bastion: no group, no target group, one host that is no instance.
pub(super) fn on_bastion() -> FleetSnapshot {
    let mut fleet = fleet(1);
    fleet.groups.clear();
    fleet.target_groups.clear();
    for host in &mut fleet.hosts {
        ON_BASTION.clone_into(&mut host.instance);
        host.targets.clear();
        host.group = None;
        host.view = answered();
    }
    fleet
}

/// The answer of a service's own version program on a host.
pub(super) fn answered() -> HostView {
    HostView::Answered {
        version: Some("main-41".to_owned()),
        untold: None,
    }
}

/// The plan for the parameter of the desired version, with its original value.
pub(super) fn wanted(parameter: &str, before: Option<&str>) -> DesiredSnapshot {
    DesiredSnapshot::Read(Box::new(DesiredPlan {
        parameter: parameter.to_owned(),
        before: before.map(str::to_owned),
        version_before: before.map(str::to_owned),
        placeholder: "nothing".to_owned(),
        value: VALUE.to_owned(),
    }))
}

fn host(n: usize) -> HostSnapshot {
    let instance = id(n);
    HostSnapshot {
        state: "running".to_owned(),
        address: "10.0.0.1".to_owned(),
        zone: if n.is_multiple_of(2) {
            "eu-west-1b"
        } else {
            "eu-west-1a"
        }
        .to_owned(),
        group: Some(GROUP.to_owned()),
        launched_at: None,
        targets: vec![target(&instance, TARGET_GROUP)],
        view: HostView::Reached {
            engine: "28.0".to_owned(),
            disk_free_bytes: Some(10 << 30),
            container: Some(container(&instance)),
            ports_held: BTreeMap::new(),
            outside: Box::default(),
        },
        instance,
    }
}

fn target(instance: &str, target_group: &str) -> TargetSnapshot {
    TargetSnapshot {
        target_group: target_group.to_owned(),
        id: instance.to_owned(),
        port: 8080,
        zone: None,
        state: "healthy".to_owned(),
    }
}

/// A container as another tool makes it.
fn container(instance: &str) -> ContainerSnapshot {
    ContainerSnapshot {
        id: format!("{instance}-Old"),
        image: OLD_IMAGE.to_owned(),
        digest: None,
        running: true,
        restart: RestartPolicy::Always,
        restarts: 0,
        auto_remove: false,
        labels: BTreeMap::new(),
    }
}

fn target_group(arn: &str, name: &str, healthy: usize) -> TargetGroupSnapshot {
    TargetGroupSnapshot {
        arn: arn.to_owned(),
        name: name.to_owned(),
        deregistration_delay_s: 30,
        health_check_interval_s: 5,
        healthy_threshold: 2,
        healthy: u32::try_from(healthy).unwrap_or(u32::MAX),
        zonal: false,
        slow_start_s: 0,
        keeps_connections: false,
        passes_connections: false,
        registered: u32::try_from(healthy).unwrap_or(u32::MAX),
        dns_failover: HealthThreshold::default(),
        unhealthy_state_routing: HealthThreshold::default(),
        has_server_ids: false,
        others: Vec::new(),
    }
}
