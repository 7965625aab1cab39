//! What preflight refuses, what it lets pass with a warning, and the plan that it makes.

use drawgate_rollout::definition::{Process, RollPolicy, Swap};
use drawgate_rollout::{
    AlarmSnapshot, Finding, FleetSnapshot, HostView, ListenerSnapshot, OutsideDocker, Plan, Severity,
    TargetSnapshot, host_plan, names, plan,
};
use drawgate_schemas::{Options, limits};

use crate::world::{ALARM, GROUP, TARGET_GROUP, World, definition, digest, id, request};

fn planned(snapshot: &FleetSnapshot) -> Result<Plan, Vec<Finding>> {
    plan(&request(), Some(&digest('d')), &definition(), snapshot)
}

fn three() -> FleetSnapshot {
    World::new(3, 1).snapshot()
}

/// Asserts that the fleet of three with one thing changed is refused, with this finding and a hint.
fn refuses(change: impl FnOnce(&mut FleetSnapshot), subject: &str, what: &str) {
    let mut snapshot = three();
    change(&mut snapshot);
    let findings = planned(&snapshot).unwrap_err();
    let found = findings
        .iter()
        .find(|finding| finding.subject == subject && finding.what.contains(what))
        .unwrap_or_else(|| panic!("no {what:?} about {subject} in {findings:#?}"));
    assert_eq!(found.severity, Severity::Refuse);
    assert!(
        found.hint.as_ref().is_some_and(|hint| !hint.is_empty()),
        "{found:?} says no way out"
    );
}

/// Asserts that the fleet of three with one thing changed passes, with this warning.
fn warns(change: impl FnOnce(&mut FleetSnapshot), line: &str) -> Plan {
    let mut snapshot = three();
    change(&mut snapshot);
    let plan = planned(&snapshot).unwrap();
    assert!(
        plan.warnings.iter().any(|warning| warning == line),
        "{:#?}",
        plan.warnings
    );
    plan
}

fn view(snapshot: &mut FleetSnapshot) -> (&mut Option<u64>, &mut drawgate_rollout::ContainerSnapshot) {
    match &mut snapshot.hosts[0].view {
        HostView::Reached {
            disk_free_bytes,
            container: Some(container),
            ..
        } => (disk_free_bytes, container),
        other => panic!("{other:?}"),
    }
}

fn beside(snapshot: &mut FleetSnapshot, host: usize) -> &mut OutsideDocker {
    match &mut snapshot.hosts[host].view {
        HostView::Reached { outside, .. } => outside,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_fleet_that_is_fit_is_planned_without_a_word() {
    let plan = planned(&three()).unwrap();
    assert_eq!(plan.warnings, Vec::<String>::new());
    assert_eq!(plan.hosts.len(), 3);
    assert_eq!(plan.groups[0].suspend, Process::DEFAULT);
    assert_eq!(plan.target_groups[TARGET_GROUP].floor, 2);
    assert_eq!(plan.target_groups[TARGET_GROUP].healthy_after_s, 10);
    assert_eq!(plan.alarms[0].name, ALARM);
    assert_eq!(
        plan.pinned(),
        format!("{}@{}", crate::world::REPOSITORY, digest('d'))
    );
    assert_eq!(plan.version_name, "main-42");
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
fn trap_20_a_container_that_restarts_again_and_again_is_told_of_before_it_is_replaced() {
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
fn a_target_that_is_being_deregistered_refuses() {
    let draining = |snapshot: &mut FleetSnapshot| snapshot.hosts[0].targets[0].state = "draining".to_owned();
    refuses(draining, "i-1", "is being deregistered");
}

#[test]
fn an_instance_on_its_way_in_refuses() {
    let lifecycle = |state: &'static str| {
        move |snapshot: &mut FleetSnapshot| snapshot.groups[0].members[0].lifecycle = state.to_owned()
    };
    for state in ["Pending", "Pending:Wait", "Pending:Proceed"] {
        refuses(lifecycle(state), "i-1", "is still being launched");
    }
    refuses(
        |snapshot| snapshot.hosts[0].state = "pending".to_owned(),
        "i-1",
        "is still being launched",
    );
}

#[test]
fn an_instance_that_is_dead_and_in_service_all_the_same_refuses() {
    for state in ["stopped", "shutting-down", "terminated", "stopping"] {
        refuses(
            |snapshot| snapshot.hosts[0].state = state.to_owned(),
            "i-1",
            &format!("is {state} in EC2"),
        );
    }
}

#[test]
fn an_instance_that_is_no_member_is_left_alone() {
    for state in [
        "Standby",
        "Terminating",
        "Terminating:Wait",
        "Detached",
        "Warmed:Stopped",
    ] {
        let mut snapshot = three();
        snapshot.groups[0].members[0].lifecycle = state.to_owned();
        let plan = planned(&snapshot).unwrap();
        assert_eq!(
            plan.warnings,
            [format!("i-1: is {state} in its group: left alone")]
        );
        let hosts: Vec<&str> = plan.hosts.iter().map(|host| host.instance.as_str()).collect();
        assert_eq!(hosts, ["i-2", "i-3"]);
    }
}

#[test]
fn a_running_instance_without_a_group_is_a_member() {
    let mut snapshot = three();
    snapshot.groups.clear();
    assert_eq!(planned(&snapshot).unwrap().hosts.len(), 3);
}

#[test]
fn a_fleet_without_hosts_refuses() {
    refuses(
        |snapshot| snapshot.hosts.clear(),
        "staging.api",
        "no instance in service",
    );
}

#[test]
fn a_fleet_that_is_too_large_refuses() {
    let snapshot = World::new(limits::HOSTS + 1, 1).snapshot();
    let findings = planned(&snapshot).unwrap_err();
    assert_eq!(
        findings[0].what,
        "501 hosts; at most 500 are rolled in one release"
    );
    let mut definition = definition();
    definition.roll.max_roll_ms = 24 * 3_600_000;
    let snapshot = World::new(limits::HOSTS, 1).snapshot();
    assert!(plan(&request(), Some(&digest('d')), &definition, &snapshot).is_ok());
}

#[test]
fn all_hosts_at_once_refuses_unless_an_outage_is_allowed() {
    let snapshot = World::new(1, 1).snapshot();
    let findings = planned(&snapshot).unwrap_err();
    let whats: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(
        whats,
        ["max_unavailable is 1 of 1 hosts", "1 healthy, max_unavailable 1"]
    );
    let mut allowed = definition();
    allowed.roll.allow_outage = true;
    let plan = plan(&request(), Some(&digest('d')), &allowed, &snapshot).unwrap();
    assert_eq!(plan.target_groups[TARGET_GROUP].floor, 0);
}

#[test]
fn a_target_group_that_would_serve_nobody_refuses() {
    refuses(
        |snapshot| snapshot.target_groups[0].healthy = 1,
        "web",
        "1 healthy, max_unavailable 1",
    );
}

#[test]
fn a_sick_host_goes_first_and_is_there_when_the_last_healthy_one_leaves() {
    let mut snapshot = three();
    snapshot.target_groups[0].healthy = 1;
    for host in &mut snapshot.hosts[1..] {
        host.targets[0].state = "unhealthy".to_owned();
    }
    let plan = planned(&snapshot).unwrap();
    assert_eq!(plan.hosts.last().unwrap().instance, snapshot.hosts[0].instance);
    assert_eq!(plan.target_groups[TARGET_GROUP].floor, 1);
}

#[test]
fn a_target_group_that_serves_nobody_now_costs_nothing() {
    let mut snapshot = three();
    snapshot.target_groups[0].healthy = 0;
    assert_eq!(planned(&snapshot).unwrap().target_groups[TARGET_GROUP].floor, 0);
}

#[test]
fn a_target_group_that_no_host_is_in_is_not_planned() {
    let mut snapshot = three();
    let mut other = snapshot.target_groups[0].clone();
    (other.arn, other.healthy) = ("arn:other".to_owned(), 1);
    snapshot.target_groups.push(other);
    assert_eq!(planned(&snapshot).unwrap().target_groups.len(), 1);
}

#[test]
fn an_instance_refresh_refuses() {
    refuses(
        |snapshot| snapshot.groups[0].refresh = Some("r-1".to_owned()),
        GROUP,
        "instance refresh r-1 is running",
    );
}

#[test]
fn another_releases_suspension_refuses() {
    let tagged =
        |snapshot: &mut FleetSnapshot| snapshot.groups[0].suspension_tag = Some("0190 Launch".to_owned());
    refuses(tagged, GROUP, "suspension tag of another release: 0190 Launch");
}

#[test]
fn a_classic_load_balancer_refuses() {
    let classic = |snapshot: &mut FleetSnapshot| {
        snapshot.groups[0]
            .unsupported
            .push("the classic load balancer x".to_owned());
    };
    refuses(classic, GROUP, "the classic load balancer x attached");
}

#[test]
fn everything_that_refuses_is_said_at_once_and_before_what_only_warns() {
    let mut snapshot = three();
    snapshot.alarms[0].state = "ALARM".to_owned();
    snapshot.alarms[0].actions_enabled = false;
    *view(&mut snapshot).0 = None;
    snapshot.groups[0].refresh = Some("r-1".to_owned());
    snapshot.hosts[1].targets[0].state = "draining".to_owned();
    let findings = planned(&snapshot).unwrap_err();
    let severities: Vec<Severity> = findings.iter().map(|finding| finding.severity).collect();
    use Severity::{Refuse, Warn};
    assert_eq!(severities, [Refuse, Refuse, Warn, Warn]);
}

#[test]
fn disk_space_that_cannot_be_read_is_said() {
    warns(
        |snapshot| *view(snapshot).0 = None,
        "i-1: free disk space could not be read",
    );
}

#[test]
fn an_alarm_that_a_person_set_aside_may_be_in_alarm() {
    let set_aside = |snapshot: &mut FleetSnapshot| {
        snapshot.alarms[0].state = "ALARM".to_owned();
        snapshot.alarms[0].actions_enabled = false;
    };
    let plan = warns(
        set_aside,
        "web-5xx: is in ALARM; its actions are off, and stay so",
    );
    assert!(plan.alarms.is_empty());
}

#[test]
fn an_alarm_that_only_scales_may_be_in_alarm() {
    let mut snapshot = three();
    snapshot.alarms[0].state = "ALARM".to_owned();
    snapshot.alarms[0].scales_only = true;
    let plan = planned(&snapshot).unwrap();
    assert!(plan.alarms.is_empty() && plan.warnings.is_empty());
}

#[test]
fn processes_that_are_suspended_already_are_said_and_left_alone() {
    let suspend = |snapshot: &mut FleetSnapshot| {
        snapshot.groups[0].suspended = ["HealthCheck", "Launch"].map(str::to_owned).into();
    };
    let plan = warns(
        suspend,
        "web-asg: already suspended, left alone: HealthCheck, Launch",
    );
    assert_eq!(plan.groups[0].suspended_before, ["HealthCheck", "Launch"]);
    assert!(!plan.groups[0].suspend.contains(&Process::HealthCheck));
    assert_eq!(plan.groups[0].suspend.len(), 5);
}

#[test]
fn alarms_that_are_off_or_only_scale_are_left_alone() {
    let mut snapshot = three();
    let alarm = |name: &str, on: bool, scales_only: bool| AlarmSnapshot {
        name: name.to_owned(),
        arn: format!("arn:{name}"),
        actions_enabled: on,
        scales_only,
        state: "OK".to_owned(),
        since: None,
    };
    snapshot.alarms = vec![
        alarm("a", true, false),
        alarm("off", false, false),
        alarm("scales", true, true),
    ];
    let plan = planned(&snapshot).unwrap();
    assert_eq!(
        plan.alarms
            .iter()
            .map(|alarm| alarm.name.as_str())
            .collect::<Vec<_>>(),
        ["a"]
    );
}

#[test]
fn unhealthy_hosts_come_first_and_then_it_goes_by_id() {
    let mut snapshot = World::new(5, 1).snapshot();
    snapshot.hosts.reverse();
    for (n, state) in [(2, "unhealthy"), (4, "initial")] {
        let host = snapshot
            .hosts
            .iter_mut()
            .find(|host| host.instance == id(n))
            .unwrap();
        host.targets[0].state = state.to_owned();
    }
    let plan = planned(&snapshot).unwrap();
    let order: Vec<&str> = plan.hosts.iter().map(|host| host.instance.as_str()).collect();
    assert_eq!(order, ["i-2", "i-4", "i-1", "i-3", "i-5"]);
}

#[test]
fn a_host_is_unhealthy_when_one_of_its_targets_is() {
    let mut snapshot = three();
    let second = TargetSnapshot {
        port: 9090,
        state: "unhealthy".to_owned(),
        ..snapshot.hosts[2].targets[0].clone()
    };
    snapshot.hosts[2].targets.push(second);
    assert_eq!(planned(&snapshot).unwrap().hosts[0].instance, "i-3");
}

fn options(max_unavailable: Option<u32>, healthy_s: Option<u32>, drain_s: Option<u32>) -> Options {
    Options {
        max_unavailable,
        min_healthy_time_s: healthy_s,
        min_drain_s: drain_s,
    }
}

fn policy() -> RollPolicy {
    RollPolicy {
        max_unavailable: 2.into(),
        ..definition().roll
    }
}

#[test]
fn options_make_a_roll_more_careful() {
    let tightened = policy()
        .tightened(&options(Some(1), Some(30), Some(60)), 3)
        .unwrap();
    let expected = RollPolicy {
        max_unavailable: 1.into(),
        min_healthy_time_ms: 30_000,
        min_drain_ms: 60_000,
        ..policy()
    };
    assert_eq!(tightened, expected);
    assert_eq!(
        policy().tightened(&options(None, None, None), 3).unwrap(),
        policy()
    );
    assert_eq!(
        policy()
            .tightened(&options(Some(2), Some(2), Some(5)), 3)
            .unwrap(),
        policy()
    );
}

#[test]
fn options_that_ask_for_less_care_are_refused_by_name() {
    for (options, name) in [
        (
            options(Some(3), None, None),
            "options.max_unavailable is 3; the service allows at most 2",
        ),
        (options(None, Some(1), None), "options.min_healthy_time_s"),
        (options(None, None, Some(4)), "options.min_drain_s"),
    ] {
        let why = policy().tightened(&options, 3).unwrap_err();
        assert!(why.starts_with(name), "{why}");
    }
}

#[test]
fn an_option_that_asks_for_less_care_refuses_the_plan() {
    let mut request = request();
    request.options.max_unavailable = Some(2);
    let findings = plan(&request, Some(&digest('d')), &definition(), &three()).unwrap_err();
    assert_eq!((findings.len(), findings[0].subject.as_str()), (1, "request"));
}

#[test]
fn the_plan_holds_the_tightened_policy() {
    let mut request = request();
    request.options.min_drain_s = Some(45);
    let plan = plan(&request, Some(&digest('d')), &definition(), &three()).unwrap();
    assert_eq!(plan.definition.roll.min_drain_ms, 45_000);
    assert_eq!(plan.drain_ms(&plan.hosts[0]), 45_000);
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
fn what_ran_before_is_named_by_its_label_or_else_by_its_tag_or_digest() {
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
