//! What is seen on a host: its engine, its containers, its ports and its disk.

use drawgate_rollout::definition::Swap;
use drawgate_rollout::{FleetSnapshot, HostView, ListenerSnapshot, OutsideDocker, host_plan, names, plan};

use super::{planned, refuses, three, view, warns};
use crate::world::{definition, digest, request};

fn beside(snapshot: &mut FleetSnapshot, host: usize) -> &mut OutsideDocker {
    match &mut snapshot.hosts[host].view {
        HostView::Reached { outside, .. } => outside,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_host_that_does_not_answer_refuses() {
    let unreachable = |snapshot: &mut FleetSnapshot| {
        snapshot.hosts[0].view = HostView::Unreachable {
            why: "no route".to_owned(),
            hint: Some("check ssh_config".to_owned()),
        };
    };
    refuses(unreachable, "i-1", "no route");
}

#[test]
fn a_host_without_room_for_the_image_refuses() {
    refuses(
        |snapshot| *view(snapshot).0 = Some((1 << 30) - 1),
        "i-1",
        "1023 MiB free for images, 1024 MiB wanted",
    );
    let mut snapshot = three();
    *view(&mut snapshot).0 = Some(1 << 30);
    assert!(planned(&snapshot).is_ok());
}

#[test]
fn disk_space_that_cannot_be_read_is_said() {
    warns(
        |snapshot| *view(snapshot).0 = None,
        "i-1: free disk space could not be read",
    );
}

#[test]
fn trap_18_a_container_started_with_rm_refuses() {
    refuses(|snapshot| view(snapshot).1.auto_remove = true, "i-1", "--rm");
}

#[test]
fn trap_18_a_container_that_another_tool_owns_refuses() {
    for (label, owner) in [
        ("com.docker.compose.project", "Docker Compose"),
        ("com.docker.swarm.service.id", "Docker Swarm"),
        ("com.docker.swarm.task.id", "Docker Swarm"),
        ("com.amazonaws.ecs.cluster", "Amazon ECS"),
        ("com.amazonaws.ecs.task-arn", "Amazon ECS"),
        ("io.kubernetes.pod.name", "Kubernetes"),
        ("com.hashicorp.nomad.alloc_id", "Nomad"),
        ("PODMAN_SYSTEMD_UNIT", "systemd"),
    ] {
        let owned = |snapshot: &mut FleetSnapshot| {
            view(snapshot).1.labels.insert(label.to_owned(), "x".to_owned());
        };
        refuses(owned, "i-1", owner);
    }
}

#[test]
fn trap_18_a_container_that_a_systemd_unit_starts_refuses() {
    let unit = |snapshot: &mut FleetSnapshot| beside(snapshot, 0).unit = Some("api.service".to_owned());
    refuses(unit, "i-1", "systemd starts container api by api.service");
}

#[test]
fn trap_18_a_host_port_that_another_container_holds_refuses() {
    let held = |port: &'static str| {
        move |snapshot: &mut FleetSnapshot| {
            if let HostView::Reached { ports_held, .. } = &mut snapshot.hosts[0].view {
                ports_held.insert(port.to_owned(), "nginx".to_owned());
            }
        }
    };
    refuses(held("8080/tcp"), "i-1", "8080/tcp is held by container nginx");
    let mut snapshot = three();
    held("8080/udp")(&mut snapshot);
    assert!(planned(&snapshot).is_ok());
}

#[test]
fn trap_18_a_host_port_that_a_process_holds_refuses() {
    let listens = |address: &'static str, protocol: &'static str, process: Option<&'static str>| {
        move |snapshot: &mut FleetSnapshot| {
            beside(snapshot, 0).listeners.push(ListenerSnapshot {
                address: address.to_owned(),
                port: 8080,
                protocol: protocol.to_owned(),
                process: process.map(str::to_owned),
            });
        }
    };
    let who = "8080/tcp is held by nginx (process 77), which is no container";
    refuses(listens("*", "tcp", Some("nginx (process 77)")), "i-1", who);
    // The service wants every address, so a listener on one address conflicts already.
    refuses(
        listens("127.0.0.1", "tcp", None),
        "i-1",
        "8080/tcp is held by a process",
    );
    let mut snapshot = three();
    listens("0.0.0.0", "udp", None)(&mut snapshot);
    assert!(planned(&snapshot).is_ok());

    let mut narrow = definition();
    let Swap::Container(container) = &mut narrow.swap else {
        panic!("is no container");
    };
    container.ports[0].address = Some("10.0.0.1".to_owned());
    let plan_for = |address: &'static str| {
        let mut snapshot = three();
        listens(address, "tcp", None)(&mut snapshot);
        plan(&request(), Some(&digest('d')), &narrow, &snapshot)
    };
    assert!(plan_for("127.0.0.1").is_ok(), "another address of the host");
    assert!(plan_for("10.0.0.1").is_err() && plan_for("0.0.0.0").is_err() && plan_for("[::]").is_err());
}

#[test]
fn trap_18_a_strangers_container_with_a_name_of_ours_refuses() {
    let id = request().id;
    for name in [names::new_container("api", id), names::old_container("api", id)] {
        let taken = |snapshot: &mut FleetSnapshot| {
            beside(snapshot, 1)
                .look_alikes
                .insert(name.clone(), String::new());
        };
        refuses(taken, "i-2", &name);
        let mut snapshot = three();
        beside(&mut snapshot, 1)
            .look_alikes
            .insert(name.clone(), id.to_string());
        assert!(planned(&snapshot).is_ok(), "our own, from before a crash");
    }
    let mut snapshot = three();
    beside(&mut snapshot, 1)
        .look_alikes
        .insert("api.before-00000000".to_owned(), String::new());
    assert!(planned(&snapshot).is_ok(), "an earlier release's");
}

#[test]
fn trap_20_restarts_again_and_again_are_told_before_the_swap() {
    let restarts = |snapshot: &mut FleetSnapshot| view(snapshot).1.restarts = 3;
    let plan = warns(
        restarts,
        "i-1: container api, which runs now, was restarted 3 times by the engine",
    );
    assert_eq!(plan.hosts[0].before.as_ref().unwrap().restarts, 3);
}

#[test]
fn an_image_without_a_hosts_platform_refuses() {
    let fleet = |built: &[&str]| {
        let mut snapshot = three();
        for (n, platform) in [Some("linux/amd64"), Some("linux/arm64"), None]
            .into_iter()
            .enumerate()
        {
            beside(&mut snapshot, n).platform = platform.map(str::to_owned);
        }
        snapshot.image.platforms = built.iter().map(|built| (*built).to_owned()).collect();
        snapshot
    };
    assert!(planned(&fleet(&["linux/amd64", "linux/arm64/v8"])).is_ok());
    assert!(planned(&fleet(&[])).is_ok(), "a registry that does not say");
    let findings = planned(&fleet(&["linux/amd64", "windows/arm64"])).unwrap_err();
    assert_eq!(findings.len(), 1);
    assert_eq!(
        findings[0].line(),
        "i-2: is linux/arm64, and the image is for linux/amd64, windows/arm64"
    );
}

#[test]
fn a_newcomer_is_judged_as_a_host_of_the_plan_is() {
    let mut snapshot = three();
    let mut findings = Vec::new();
    assert!(host_plan(&snapshot.hosts[0], &definition(), &mut findings).is_some());
    view(&mut snapshot).1.auto_remove = true;
    assert!(host_plan(&snapshot.hosts[0], &definition(), &mut findings).is_none());
    assert_eq!(findings.len(), 1);
}

#[test]
fn what_ran_before_is_named_by_label_or_else_tag_or_digest() {
    let version = |image: String, label: Option<&str>| {
        let mut snapshot = three();
        let container = view(&mut snapshot).1;
        container.image = image;
        container
            .labels
            .extend(label.map(|label| ("drawgate.version".to_owned(), label.to_owned())));
        snapshot.hosts[0].before().unwrap().version_name
    };
    assert_eq!(version("a/b:main-1".to_owned(), Some("abc1234")), "abc1234");
    assert_eq!(version("a/b:main-1".to_owned(), None), "main-1");
    assert_eq!(version(format!("a/b@{}", digest('e')), None), "e".repeat(12));
    assert_eq!(version("a/b".to_owned(), None), "a/b");
}
