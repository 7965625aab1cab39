//! Rules of `runbooks/traps.md` that show best in the calls that AWS got, and in AWS's state afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use drawgate_schemas::{Direction, HostPhase, NoteKind, Outcome};
use drawgate_tests::lab::{HOSTS, TWO};
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::{Load, Prepared, Rolling};
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

/// The tag comes first, then one call with exactly our processes; the resume has the same, and the tag goes last.
#[tokio::test]
async fn trap_02_scaling_is_asked_for_in_an_order_with_a_way_out() {
    let roll = Rolling::of("search").on(&TWO).image("v2").begin().await;
    roll.scene.lab.post("calls/reset", json!({})).await;

    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;

    let calls = scaling_calls(&roll.scene.lab.get("calls/log").await);
    let actions: Vec<&str> = calls.iter().map(|(action, _)| action.as_str()).collect();
    let expected = [
        "CreateOrUpdateTags",
        "SuspendProcesses",
        "ResumeProcesses",
        "DeleteTags",
    ];
    assert_eq!(actions, expected);
    let set = |processes: &[String]| processes.iter().cloned().collect::<BTreeSet<_>>();
    let suspended = set(&calls[1].1);
    // Rule 1: never without a list. Rule 5: never this process. A person's ScheduledActions is left alone.
    assert!(calls[1..3].iter().all(|(_, processes)| !processes.is_empty()));
    assert!(!suspended.contains("AddToLoadBalancer") && !suspended.contains("ScheduledActions"));
    // No host was marked unhealthy, so one call resumes all.
    assert_eq!(set(&calls[2].1), suspended);
    roll.end().await;
}

/// Where a resume fails for a while, the worker repeats it until it is done, whatever the outcome of the
/// roll.
#[tokio::test]
async fn trap_02_a_resume_that_fails_is_asked_for_again() {
    let roll = Rolling::of("search")
        .on(&TWO)
        .image_in("v2", "unhealthy")
        .begin()
        .await;
    for (mode, count) in [("throttle", 2), ("error500", 2)] {
        let fault = json!({"action": "autoscaling:ResumeProcesses", "mode": mode, "count": count});
        roll.scene.lab.post("fault", fault).await;
    }

    let id = roll.publish("v2").await;
    roll.ends(id, Outcome::RolledBack).await;
}

/// A health check marked a host unhealthy while the release had it out: resuming ReplaceUnhealthy would
/// terminate it.
#[tokio::test]
async fn trap_04_no_host_is_terminated_when_marked_while_out() {
    let roll = Rolling::of("search").on(&TWO).image("v2").begin().await;
    let first = roll.fleet.in_order()[0].id.clone();

    let id = roll.publish("v2").await;
    roll.events
        .phase(id, Direction::Forward, HostPhase::Draining)
        .await;
    let unhealthy = [
        "autoscaling",
        "set-instance-health",
        "--health-status",
        "Unhealthy",
        "--instance-id",
        &first,
    ];
    roll.scene.lab.aws(&unhealthy).await;
    roll.scene.lab.post("calls/reset", json!({})).await;
    roll.judge(id, Outcome::Succeeded).await;

    let calls = scaling_calls(&roll.scene.lab.get("calls/log").await);
    let told = calls.iter().position(|(action, _)| action == "SetInstanceHealth");
    let replaces = calls
        .iter()
        .position(|(_, processes)| processes.iter().any(|process| process == "ReplaceUnhealthy"));
    assert!(told.is_some() && told < replaces, "{calls:?}");
    roll.end().await;
}

/// Targets by address and by instance id, two ports in each group: every registration comes back as it was.
#[tokio::test]
async fn trap_11_targets_by_address_and_with_several_ports() {
    let mut spec = fleet_spec("search", &HOSTS, &[(8080, 8100), (8081, 8101)]);
    for group in spec["target_groups"].as_array_mut().unwrap() {
        group["hosts"] = json!(HOSTS);
        group["ports"] = json!([8080, 8081]);
    }
    spec["target_groups"][1]["target_type"] = json!("ip");
    let roll = Rolling::of("search")
        .service(|service| service.ports = vec!["8080:8080".to_owned(), "8081:8080".to_owned()])
        .on_fleet(spec)
        .image("v2")
        .begin()
        .await;
    let loads = (
        Load::start(roll.scene.folder(), &roll.fleet.target_groups[0].url, 20).await,
        Load::start(roll.scene.folder(), &roll.fleet.target_groups[1].url, 20).await,
    );

    let id = roll.publish("v2").await;
    let ended = roll.judge(id, Outcome::Succeeded).await;

    loads.0.stop_unharmed().await;
    loads.1.stop_unharmed().await;
    roll.assert_runs("v2").await;
    let receipt = ended.receipt.unwrap();
    assert!(
        receipt.hosts.iter().all(|host| host.targets.len() == 4),
        "{receipt:?}"
    );
    roll.end().await;
}

/// In mid-roll a person suspends one process and resumes one of ours: both stay as the person left them.
#[tokio::test]
async fn trap_30_what_a_person_changes_in_mid_roll_stays() {
    let Prepared { scene, fleet, .. } = Rolling::of("search").on(&TWO).image("v2").prepare().await;
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
async fn trap_14_every_host_serves_when_a_call_takes_effect_late() {
    let roll = Rolling::of("search")
        .service(|service| {
            service.min_healthy_time = "5s".to_owned();
            service.min_drain = "5s".to_owned();
        })
        .on(&TWO)
        .image("v2")
        .begin()
        .await;

    let id = roll.publish("v2").await;
    let late = [
        (HostPhase::Draining, "register-targets"),
        (HostPhase::AwaitingHealthy, "deregister-targets"),
    ];
    for (phase, call) in late {
        let instance = roll.events.phase(id, Direction::Forward, phase).await;
        let target = format!("Id={instance},Port=8080");
        let arn = &roll.fleet.target_groups[0].arn;
        roll.scene
            .lab
            .aws(&["elbv2", call, "--target-group-arn", arn, "--targets", &target])
            .await;
    }
    roll.judge(id, Outcome::Succeeded).await;
    roll.scene.lab.all_targets(&roll.fleet, "healthy").await;
    roll.assert_runs("v2").await;
    let log = roll.worker.log();
    assert!(log.contains("deregistered once more"), "{log}");
    assert!(log.contains("registered once more"), "{log}");
    roll.end().await;
}
