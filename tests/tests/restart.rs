//! The worker is stopped or killed in mid-roll and started again: it goes on from the state that it finds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Direction, Event, HostPhase, Outcome, ReleaseId};
use drawgate_tests::lab::TWO;
use drawgate_tests::{Events, Rolling, Scene, Worker};
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
    let mut roll = Rolling::of("search").image("v2").begin().await;
    let load = roll.load().await;

    let id = roll.publish("v2").await;
    for kind in ["started", "scaling_suspended"] {
        roll.events.kind(id, kind).await;
        blow.strike(roll.worker).await;
        roll.worker = roll.scene.worker().await;
    }
    let moments = [
        (Forward, Deregistering, 1),
        (Forward, Draining, 1),
        (Forward, Swapping, 1),
        (Forward, Verifying, 2),
        (Forward, Registering, 2),
        (Forward, AwaitingHealthy, 3),
    ];
    roll.worker = strike_at(&roll.scene, &roll.events, id, roll.worker, blow, &moments).await;
    roll.events.kind(id, "scaling_resumed").await;
    blow.strike(roll.worker).await;
    roll.worker = roll.scene.worker().await;
    roll.judge(id, Outcome::Succeeded).await;

    load.stop_unharmed().await;
    assert_eq!(roll.most_out().await, 1, "never two hosts out at once");
    let after = roll.look().await;
    after.assert_no_tags();
    after.assert_runs(&roll.fleet, "search", &roll.pinned("v2"));
    let told = roll
        .events
        .of(id)
        .iter()
        .filter(|event| matches!(event.event, Event::TakenOver { .. }))
        .count();
    assert!(told > 0, "nobody was told that another process took over");
    match blow {
        Blow::Term => roll.end().await,
        Blow::Kill => roll.end_after_kill().await,
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
    let mut roll = Rolling::of("search").image_in("v2", "exit").begin().await;
    let load = roll.load().await;

    let id = roll.publish("v2").await;
    roll.events.kind(id, "rolling_back").await;
    roll.worker.kill().await;
    roll.worker = roll.scene.worker().await;
    let moments = [
        (Back, Swapping, 1),
        (Back, Registering, 1),
        (Back, AwaitingHealthy, 1),
    ];
    roll.worker = strike_at(&roll.scene, &roll.events, id, roll.worker, Blow::Kill, &moments).await;
    roll.judge(id, Outcome::RolledBack).await;

    load.stop_unharmed().await;
    roll.assert_containers_as_before().await;
    roll.end_after_kill().await;
}

/// The broker dies in mid-roll: the roll goes on, and when the broker is back, its events are published, also
/// to waiting clients.
#[tokio::test]
async fn broker_restarts_in_mid_roll() {
    let roll = Rolling::of("search").on(&TWO).image("v2").begin().await;
    let id: ReleaseId = uuid::Uuid::now_v7().to_string().parse().unwrap();

    let id_text = id.to_string();
    let arguments = ["--wait", "--id", &id_text];
    let waiting = roll.scene.publish_with("search", "v2", &arguments);
    let restart = async {
        roll.events.phase(id, Forward, Draining).await;
        roll.scene.lab.post("rabbitmq/stop", json!({})).await;
        roll.scene.lab.post("rabbitmq/start", json!({})).await;
    };
    let (output, ()) = tokio::join!(waiting, restart);

    let said = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let shown = roll.scene.show(id).await;
    assert_eq!(shown["state"], json!({"type": "ended", "outcome": "succeeded"}));
    let after = roll.look().await;
    after.assert_aws_as(&roll.before);
    after.assert_runs(&roll.fleet, "search", &roll.pinned("v2"));
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("and healthy")).collect();
    assert_eq!(
        lines.len(),
        2,
        "each host's end is told once, whatever was missed: {said}"
    );
    roll.end().await;
}
