//! Rules of `runbooks/traps.md` that show best in the calls that AWS got, and in AWS's state afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use drawgate_schemas::{Direction, HostPhase, NoteKind, Outcome};
use drawgate_tests::lab::HOSTS;
use drawgate_tests::oracle::Look;
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::{Load, Scene, Service};
use serde_json::{Value, json};

/// The calls to Auto Scaling that change something, in order: action and processes.
fn scaling_calls(log: &Value) -> Vec<(String, Vec<String>)> {
    let all = log.as_array().expect("a log").iter();
    all.filter_map(|call| {
        let action = call["action"].as_str()?.strip_prefix("autoscaling:")?;
        let list = call["processes"].as_array().cloned().unwrap_or_default();
        let processes = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        (!action.starts_with("Describe")).then(|| (action.to_owned(), processes))
    })
    .collect()
}

/// The tag comes first, then one call with exactly our processes; the resume comes in the order that
/// terminates no instance, with the tag last.
#[tokio::test]
async fn trap_02_scaling_is_asked_for_in_the_order_that_can_be_undone() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    scene.fleet_on_v1("search", &["h1", "h2"]).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    scene.lab.post("calls/reset", json!({})).await;

    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;

    let calls = scaling_calls(&scene.lab.get("calls/log").await);
    let actions: Vec<&str> = calls.iter().map(|(action, _)| action.as_str()).collect();
    let expected = [
        "CreateOrUpdateTags",
        "SuspendProcesses",
        "ResumeProcesses",
        "ResumeProcesses",
        "ResumeProcesses",
        "DeleteTags",
    ];
    assert_eq!(actions, expected);
    let set = |processes: &[String]| processes.iter().cloned().collect::<BTreeSet<_>>();
    let suspended = set(&calls[1].1);
    assert_eq!(calls[2].1, ["HealthCheck"]);
    assert_eq!(calls[3].1, ["ReplaceUnhealthy"]);
    // Rule 1: never without a list. Rule 5: never this process. A person's ScheduledActions is left alone.
    assert!(calls[1..5].iter().all(|(_, processes)| !processes.is_empty()));
    assert!(!suspended.contains("AddToLoadBalancer") && !suspended.contains("ScheduledActions"));
    let resumed: BTreeSet<String> = calls[2..5]
        .iter()
        .flat_map(|(_, processes)| set(processes))
        .collect();
    assert_eq!(resumed, suspended);
    scene.end(worker).await;
}

/// Where a resume fails for a while, the worker repeats it until it is done, whatever the outcome of the
/// roll.
#[tokio::test]
async fn trap_02_a_resume_that_fails_is_asked_for_again() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    scene.fleet_on_v1("search", &["h1", "h2"]).await;
    scene.lab.image("search", "v2", "v2", "unhealthy").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    for (mode, count) in [("throttle", 2), ("error500", 2)] {
        let fault = json!({"action": "autoscaling:ResumeProcesses", "mode": mode, "count": count});
        scene.lab.post("fault", fault).await;
    }

    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::RolledBack, &before).await;
    scene.end(worker).await;
}

/// A health check marked a host unhealthy while the release had it out: resuming ReplaceUnhealthy would
/// terminate it.
#[tokio::test]
async fn trap_04_a_host_marked_unhealthy_while_it_was_out_is_not_terminated() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let first = fleet.in_order()[0].id.clone();

    let id = scene.publish("search", "v2", &[]).await;
    events.phase(id, Direction::Forward, HostPhase::Draining).await;
    let unhealthy = [
        "autoscaling",
        "set-instance-health",
        "--health-status",
        "Unhealthy",
        "--instance-id",
        &first,
    ];
    scene.lab.aws(&unhealthy).await;
    scene.lab.post("calls/reset", json!({})).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;

    let calls = scaling_calls(&scene.lab.get("calls/log").await);
    let told = calls.iter().position(|(action, _)| action == "SetInstanceHealth");
    let replaces = calls
        .iter()
        .position(|(_, processes)| processes.iter().any(|process| process == "ReplaceUnhealthy"));
    assert!(told.is_some() && told < replaces, "{calls:?}");
    scene.end(worker).await;
}

/// Targets by address and by instance id, two ports in each group: every registration comes back as it was.
#[tokio::test]
async fn trap_11_targets_by_address_and_with_several_ports() {
    let scene = Scene::begin().await;
    let mut service = Service::of("search");
    service.ports = vec!["8080:8080".to_owned(), "8081:8080".to_owned()];
    scene.serve(&service);
    scene
        .v1("search", &HOSTS, &["-p", "8080:8080", "-p", "8081:8080"])
        .await;
    let mut spec = fleet_spec("search", &HOSTS, &[(8080, 8100), (8081, 8101)]);
    for group in spec["target_groups"].as_array_mut().unwrap() {
        group["hosts"] = json!(HOSTS);
        group["ports"] = json!([8080, 8081]);
    }
    spec["target_groups"][1]["target_type"] = json!("ip");
    let fleet = scene.lab.fleet(spec).await;
    scene.lab.all_targets(&fleet, "healthy").await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let loads = (
        Load::start(scene.folder(), &fleet.target_groups[0].url, 20).await,
        Load::start(scene.folder(), &fleet.target_groups[1].url, 20).await,
    );

    let id = scene.publish("search", "v2", &[]).await;
    let ended = scene.judge(&events, id, Outcome::Succeeded, &before).await;

    loads.0.stop_unharmed().await;
    loads.1.stop_unharmed().await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    let receipt = ended.receipt.unwrap();
    assert!(
        receipt.hosts.iter().all(|host| host.targets.len() == 4),
        "{receipt:?}"
    );
    scene.end(worker).await;
}

/// In mid-roll a person suspends one process and resumes one of ours: both stay as the person left them.
#[tokio::test]
async fn trap_30_what_a_person_changes_in_mid_roll_stays() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;

    let id = scene.publish("search", "v2", &[]).await;
    events.phase(id, Direction::Forward, HostPhase::Draining).await;
    for (verb, process) in [
        ("suspend-processes", "Launch"),
        ("resume-processes", "AZRebalance"),
    ] {
        let group = [
            "--auto-scaling-group-name",
            &fleet.name,
            "--scaling-processes",
            process,
        ];
        scene
            .lab
            .aws(&[&["autoscaling", verb][..], &group[..]].concat())
            .await;
    }
    let ended = events.end(id).await;

    assert_eq!(ended.outcome, Outcome::Succeeded, "{}", ended.summary);
    let state = scene.lab.get("state").await;
    let mut suspended: Vec<&str> = state["groups"][0]["suspended"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    suspended.sort_unstable();
    assert_eq!(suspended, ["Launch", "ScheduledActions"]);
    let receipt = ended.receipt.unwrap();
    assert_eq!(receipt.leftovers, Vec::new());
    let said = receipt
        .notes
        .iter()
        .any(|note| matches!(&note.what, NoteKind::SuspendedByOthers { processes, .. } if *processes == ["Launch"]));
    assert!(said, "{:?}", receipt.notes);
    scene.end(worker).await;
}

/// AWS may perform a call that timed out after later calls. A target that disappears while its host is
/// awaited is registered again, and one that reappears while it drains is deregistered again.
#[tokio::test]
async fn trap_14_a_call_that_takes_effect_late_leaves_no_host_out_of_service() {
    let scene = Scene::begin().await;
    let mut service = Service::of("search");
    service.min_healthy_time = "5s".to_owned();
    service.min_drain = "5s".to_owned();
    scene.serve(&service);
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    let late = [
        (HostPhase::Draining, "register-targets"),
        (HostPhase::AwaitingHealthy, "deregister-targets"),
    ];
    for (phase, call) in late {
        let instance = events.phase(id, Direction::Forward, phase).await;
        let target = format!("Id={instance},Port=8080");
        let arn = &fleet.target_groups[0].arn;
        scene
            .lab
            .aws(&["elbv2", call, "--target-group-arn", arn, "--targets", &target])
            .await;
    }
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    scene.lab.all_targets(&fleet, "healthy").await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    let log = worker.log();
    assert!(log.contains("deregistered once more"), "{log}");
    assert!(log.contains("registered once more"), "{log}");
    scene.end(worker).await;
}
