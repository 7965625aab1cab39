//! What operators order: cancel, pause, resume, at each phase; who may; orders that are too late, too old, or nobody's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::process::Output;

use drawgate_schemas::{Direction, HostPhase, Order, Outcome, ReleaseId};
use drawgate_tests::lab::HOSTS;
use drawgate_tests::oracle::Look;
use drawgate_tests::{Events, Load, Scene, Service};
use serde_json::{Value, json};

async fn order(scene: &Scene, verb: &str, id: ReleaseId) -> Output {
    scene
        .drawgate(&[verb, &id.to_string(), "--yes", "--reason", "looking"])
        .await
}

async fn taken(scene: &Scene, verb: &str, id: ReleaseId) {
    let output = order(scene, verb, id).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{verb}: {said}");
    assert!(said.contains("taken by bastion-lab"), "{said}");
}

async fn not_taken(scene: &Scene, verb: &str, id: ReleaseId, why: &str) {
    let output = order(scene, verb, id).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{verb}: {said}");
    assert!(said.contains(why), "{said}");
}

/// Waits until the n-th host (from 1) begins a phase of its way forward.
async fn begins(events: &Events, id: ReleaseId, host: usize, phase: HostPhase) {
    events.nth_phase(id, Direction::Forward, phase, host).await;
}

/// Positions of a kind of record in a journal.
fn orders(journal: &[Value], order: Order) -> Vec<usize> {
    let is = |entry: &Value| {
        entry["record"]["record"] == "ordered" && entry["record"]["ordered"]["order"] == json!(order)
    };
    let found = journal.iter().enumerate().filter(|(_, entry)| is(entry));
    found.map(|(place, _)| place).collect()
}

/// Whatever the roll is about, it ends with the very same containers, and no request fails.
#[tokio::test]
async fn cancelled_at_each_phase_everything_is_as_before() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let load = Load::start(scene.folder(), &fleet.target_groups[0].url, 40).await;

    let moments = [
        (1, HostPhase::Draining),
        (1, HostPhase::Verifying),
        (2, HostPhase::Deregistering),
        (2, HostPhase::Settling),
        (3, HostPhase::Swapping),
    ];
    for (host, phase) in moments {
        let id = scene.publish("search", "v2", &[]).await;
        begins(&events, id, host, phase).await;
        taken(&scene, "cancel", id).await;
        let ended = scene.judge(&events, id, Outcome::Cancelled, &before).await;
        assert!(
            ended.summary.starts_with("cancelled by drawgate: looking; "),
            "{}",
            ended.summary
        );
        Look::at(&scene.lab).await.assert_containers_as(&before);
        let followed = scene.drawgate(&["watch", &id.to_string()]).await;
        assert_eq!(followed.status.code(), Some(7));
        not_taken(&scene, "cancel", id, "it has ended: cancelled").await;
    }
    load.stop_unharmed().await;
    scene.end(worker).await;
}

/// The host that is out comes back, the others stay; a worker that is killed meanwhile changes nothing.
#[tokio::test]
async fn paused_it_rests_with_every_host_in_service_and_goes_on() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    begins(&events, id, 1, HostPhase::Draining).await;
    taken(&scene, "pause", id).await;
    not_taken(&scene, "pause", id, "it was paused by drawgate already").await;
    begins(&events, id, 1, HostPhase::Done).await;
    scene.lab.all_targets(&fleet, "healthy").await;
    worker.kill().await;
    let worker = scene.worker().await;
    events.kind(id, "taken_up").await;
    scene.lab.all_targets(&fleet, "healthy").await;
    taken(&scene, "resume", id).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));

    let journal = scene.journal(id).await;
    let (paused, resumed) = (
        orders(&journal, Order::Pause)[0],
        orders(&journal, Order::Resume)[0],
    );
    let first = fleet.in_order()[0].id.clone();
    for entry in &journal[paused..resumed] {
        let step = &entry["record"]["step"];
        assert!(
            step.is_null() || step["instance"] == json!(first) || step["step"] == "take_lease",
            "{step} while it is paused"
        );
    }
    not_taken(&scene, "resume", id, "it has ended: succeeded").await;
    scene.end_after_kill(worker).await;
}

/// Waiting in its line, a release is cancelled without anything being touched; the one before it goes on.
#[tokio::test]
async fn one_that_waits_is_cancelled_alone() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    scene.fleet_on_v1("search", &HOSTS).await;
    for version in ["v2", "v3"] {
        scene.lab.image("search", version, version, "ok").await;
    }
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let first = scene.publish("search", "v2", &[]).await;
    begins(&events, first, 1, HostPhase::Draining).await;
    let second = scene.publish("search", "v3", &[]).await;
    events.kind(second, "accepted").await;
    taken(&scene, "cancel", second).await;
    let ended = events.end(second).await;
    assert_eq!(ended.outcome, Outcome::Cancelled);
    assert_eq!(
        ended.summary,
        "cancelled by drawgate: looking; nothing was touched"
    );
    scene.judge(&events, first, Outcome::Succeeded, &before).await;

    let unknown = order(
        &scene,
        "cancel",
        "01936a5e-7c2e-7d10-8a44-5c1f2e9b0d7c".parse().unwrap(),
    )
    .await;
    assert_eq!(
        unknown.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&unknown.stderr)
    );
    let unsure = scene.drawgate(&["cancel", &first.to_string()]).await;
    assert_eq!(
        unsure.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&unsure.stderr)
    );
    scene.end(worker).await;
}

/// Who may is said by the worker's file, and who asks by the broker; a yesterday's order and nobody's change nothing.
#[tokio::test]
async fn trap_23_old_orders_and_nobodys_orders_change_nothing() {
    let scene = Scene::begin().await;
    scene.configure("[groups]\nops = [\"ci\"]\n\n[orders]\nfrom = [\"ops\"]\n");
    scene.serve(&Service::of("search"));
    scene.fleet_on_v1("search", &HOSTS).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    begins(&events, id, 1, HostPhase::Draining).await;
    let question = |expires_at: jiff::Timestamp| {
        let ask = json!({"type": "order", "release": id, "order": "cancel"});
        let question =
            json!({"version": 1, "id": uuid::Uuid::now_v7(), "expires_at": expires_at, "ask": ask});
        serde_json::to_vec(&question).unwrap()
    };
    let now = jiff::Timestamp::now();
    scene
        .broker
        .ask_unsigned(&question(now - jiff::SignedDuration::from_hours(24)))
        .await;
    scene
        .broker
        .ask_unsigned(&question(now + jiff::SignedDuration::from_mins(1)))
        .await;
    not_taken(
        &scene,
        "cancel",
        id,
        "drawgate may not: [orders] in the worker's file says who may",
    )
    .await;
    // The queue is one after another: both were heard by now.
    let journal = scene.journal(id).await;
    assert!(orders(&journal, Order::Cancel).is_empty());

    let url = scene.broker.url_of("ci");
    let output = scene
        .drawgate(&[
            "cancel",
            &id.to_string(),
            "--yes",
            "--format",
            "json",
            "--amqp-url",
            &url,
        ])
        .await;
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["taken"], &told["worker"]),
        (&json!(true), &json!("bastion-lab"))
    );
    let ended = scene.judge(&events, id, Outcome::Cancelled, &before).await;
    assert!(
        ended.summary.starts_with("cancelled by ci; "),
        "{}",
        ended.summary
    );
    scene.end(worker).await;
}
