//! The worker is stopped or killed in mid-roll and started again: it goes on from the state that it finds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Direction, Event, HostPhase, Outcome, ReleaseId};
use drawgate_tests::lab::HOSTS;
use drawgate_tests::oracle::{Look, most_out};
use drawgate_tests::{Events, Load, Scene, Service, Worker};
use serde_json::json;

use Direction::{Back, Forward};
use HostPhase::{AwaitingHealthy, Deregistering, Draining, Registering, Swapping, Verifying};

/// The way in which a worker is taken away.
#[derive(Clone, Copy)]
enum Blow {
    Term,
    Kill,
}

impl Blow {
    async fn strike(self, worker: Worker) {
        match self {
            Self::Term => worker.stop().await,
            Self::Kill => worker.kill().await,
        }
    }
}

/// The n-th host's phase in a direction.
type Moment = (Direction, HostPhase, usize);

/// Takes the worker away at each of these moments, and starts it again at once.
async fn strike_at(
    scene: &Scene,
    events: &Events,
    id: ReleaseId,
    mut worker: Worker,
    blow: Blow,
    moments: &[Moment],
) -> Worker {
    for (direction, phase, n) in moments {
        events.nth_phase(id, *direction, *phase, *n).await;
        blow.strike(worker).await;
        worker = scene.worker().await;
    }
    worker
}

/// Interrupts a roll once at each phase, spread over the hosts, and at both ends of the roll.
async fn interrupted_roll(blow: Blow) {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let mut worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let load = Load::start(scene.folder(), &fleet.target_groups[0].url, 40).await;

    let id = scene.publish("search", "v2", &[]).await;
    for kind in ["started", "scaling_suspended"] {
        events.kind(id, kind).await;
        blow.strike(worker).await;
        worker = scene.worker().await;
    }
    let moments = [
        (Forward, Deregistering, 1),
        (Forward, Draining, 1),
        (Forward, Swapping, 1),
        (Forward, Verifying, 2),
        (Forward, Registering, 2),
        (Forward, AwaitingHealthy, 3),
    ];
    worker = strike_at(&scene, &events, id, worker, blow, &moments).await;
    events.kind(id, "scaling_resumed").await;
    blow.strike(worker).await;
    let worker = scene.worker().await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;

    load.stop_unharmed().await;
    assert_eq!(
        most_out(&scene.lab.get("transitions").await, "search-8080"),
        1,
        "never two hosts out at once"
    );
    let after = Look::at(&scene.lab).await;
    after.assert_no_tags();
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    let told = events
        .of(id)
        .iter()
        .filter(|event| matches!(event.event, Event::TakenOver { .. }))
        .count();
    assert!(told > 0, "nobody was told that another process took over");
    match blow {
        Blow::Term => scene.end(worker).await,
        Blow::Kill => scene.end_after_kill(worker).await,
    }
}

#[tokio::test]
async fn worker_stopped_and_started_in_mid_roll() {
    interrupted_roll(Blow::Term).await;
}

#[tokio::test]
async fn worker_killed_and_started_in_mid_roll() {
    interrupted_roll(Blow::Kill).await;
}

/// The rollback survives a killed worker too.
#[tokio::test]
async fn worker_killed_and_started_on_the_rollback() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    scene.lab.image("search", "v2", "v2", "exit").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let load = Load::start(scene.folder(), &fleet.target_groups[0].url, 40).await;

    let id = scene.publish("search", "v2", &[]).await;
    events.kind(id, "rolling_back").await;
    worker.kill().await;
    let worker = scene.worker().await;
    let moments = [
        (Back, Swapping, 1),
        (Back, Registering, 1),
        (Back, AwaitingHealthy, 1),
    ];
    let worker = strike_at(&scene, &events, id, worker, Blow::Kill, &moments).await;
    scene.judge(&events, id, Outcome::RolledBack, &before).await;

    load.stop_unharmed().await;
    Look::at(&scene.lab).await.assert_containers_as(&before);
    scene.end_after_kill(worker).await;
}

/// The broker dies in mid-roll: the roll goes on, and when the broker is back, its events are published, also
/// to waiting clients.
#[tokio::test]
async fn broker_restarts_in_mid_roll() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let id: ReleaseId = uuid::Uuid::now_v7().to_string().parse().unwrap();

    let id_text = id.to_string();
    let arguments = ["--wait", "--id", &id_text];
    let waiting = scene.publish_with("search", "v2", &arguments);
    let restart = async {
        events.phase(id, Forward, Draining).await;
        scene.lab.post("rabbitmq/stop", json!({})).await;
        scene.lab.post("rabbitmq/start", json!({})).await;
    };
    let (output, ()) = tokio::join!(waiting, restart);

    let said = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let shown = scene.show(id).await;
    assert_eq!(shown["state"], json!({"type": "ended", "outcome": "succeeded"}));
    let after = Look::at(&scene.lab).await;
    after.assert_aws_as(&before);
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("and healthy")).collect();
    assert_eq!(
        lines.len(),
        2,
        "each host's end is told once, whatever was missed: {said}"
    );
    scene.end(worker).await;
}
