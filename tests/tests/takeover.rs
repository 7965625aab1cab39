//! Two workers and one fleet: the second takes over where it may, and leaves the fleet alone where it may
//! not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::process::Stdio;

use drawgate_schemas::{Direction, HostPhase, Outcome};
use drawgate_tests::lab::HOSTS;
use drawgate_tests::oracle::Look;
use drawgate_tests::{Load, Scene, Service, Worker};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The ledger's lock, taken by another process until it gives the lock back.
struct Locked(Child);

impl Locked {
    async fn take(scene: &Scene) -> Self {
        const LOCK: &str = "import sqlite3, sys\n\
            ledger = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)\n\
            ledger.execute('BEGIN IMMEDIATE')\nprint('locked', flush=True)\nsys.stdin.read()\nledger.execute('ROLLBACK')";
        let mut lock = Command::new("python3")
            .args(["-c", LOCK])
            .arg(scene.folder().join("ledger.sqlite"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(lock.stdout.take().unwrap()).lines();
        assert_eq!(said.next_line().await.unwrap().as_deref(), Some("locked"));
        Self(lock)
    }

    async fn give_back(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().await.unwrap().success());
    }
}

/// Freezes a worker at a moment when it writes nothing. A worker that is frozen in the middle of a
/// transaction would keep the ledger's lock for as long, and has to be killed before another worker can take
/// over.
async fn freeze_between_writes(scene: &Scene, worker: &Worker) {
    let lock = Locked::take(scene).await;
    worker.freeze();
    lock.give_back().await;
}

/// The operator was told that no worker took the command in time; no worker takes it later either, when the
/// ledger is back.
#[tokio::test]
async fn an_order_that_nobody_took_in_time_is_not_taken_later() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let id = scene.publish("search", "v2", &[]).await;
    events.phase(id, Direction::Forward, HostPhase::Draining).await;

    let lock = Locked::take(&scene).await;
    let cancelled = scene.drawgate(&["cancel", &id.to_string(), "--yes"]).await;
    let said = String::from_utf8_lossy(&cancelled.stderr).into_owned();
    assert_eq!(cancelled.status.code(), Some(5), "{said}");
    assert!(said.contains("may have been taken or not"), "{said}");
    lock.give_back().await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    let after = Look::at(&scene.lab).await;
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    scene.end(worker).await;
}

/// The bastion was lost in mid-roll. The worker of the new bastion has an empty ledger, and knows by the
/// fleet's lease that another worker rolls the fleet: it touches nothing. The old worker comes back and
/// finishes.
#[tokio::test]
async fn trap_08_a_rebuilt_bastion_meets_the_lease_of_the_first() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    scene.lab.image("search", "v3", "v3", "ok").await;
    let first = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 2)
        .await;
    first.kill().await;
    let written = scene.lab.writes().await.len();
    let rebuilt = scene.second_worker("bastion-new", "empty.sqlite");
    let refused = scene.publish("search", "v3", &[]).await;
    let ended = events.end(refused).await;
    assert_eq!(ended.outcome, Outcome::Failed, "{}", ended.summary);
    assert_eq!(
        scene.lab.writes().await.len(),
        written,
        "the rebuilt bastion wrote to AWS"
    );
    rebuilt.stop().await;

    let first = scene.worker().await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    let after = Look::at(&scene.lab).await;
    after.assert_no_tags();
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    // The lease ends with the release, so the next release has the fleet.
    let id = scene.publish("search", "v3", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    scene.end_after_kill(first).await;
}

/// Between releases, the lease of another ledger says who has the fleet; an operator who knows that the other
/// worker is gone deletes the lease.
#[tokio::test]
async fn trap_08_the_refusal_says_who_has_the_fleet_and_the_way_out() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    scene.fleet_on_v1("search", &["h1", "h2"]).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let lease = "/drawgate/lease/staging/search";
    let note = "{\"version\":1,\"ledger\":\"another\",\"worker\":\"bastion-old\",\"release\":\"0190f6f0-0000-7000-8000-000000000001\",\
                \"epoch\":1,\"since\":\"2026-01-01T00:00:00Z\"}";
    scene.lab.put_parameter(lease, note).await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    let ended = scene.judge(&events, id, Outcome::Failed, &before).await;
    assert!(
        ended.summary.contains("held by worker bastion-old") && ended.summary.contains("since 2026-01-01"),
        "{}",
        ended.summary
    );
    let hint = ended.hint.unwrap();
    assert!(
        hint.contains(&format!("aws ssm delete-parameter --name {lease}")),
        "{hint}"
    );
    assert_eq!(
        scene.lab.parameter(lease).await.as_deref(),
        Some(note),
        "another's lease was touched"
    );

    scene.lab.delete_parameter(lease).await;
    let id = scene.publish("search", "v2", &[]).await;
    scene.judge_telling(&events, id, Outcome::Succeeded).await;
    assert_eq!(
        scene.lab.parameter(lease).await,
        None,
        "the lease was not given back"
    );
    scene.end(worker).await;
}

/// The first worker hangs in mid-roll. The second waits until the lease is over and the steps under way have
/// landed, and finishes the release. When the first one wakes, it does nothing more, and says why.
#[tokio::test]
async fn trap_26_a_worker_that_hangs_is_taken_over_from_and_does_nothing_when_it_wakes() {
    let scene = Scene::begin().await;
    scene.configure("[limits]\nlease = \"30s\"\n");
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let first = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let load = Load::start(scene.folder(), &fleet.target_groups[0].url, 40).await;

    let id = scene.publish("search", "v2", &[]).await;
    events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 2)
        .await;
    freeze_between_writes(&scene, &first).await;
    let second = scene.second_worker("bastion-second", "ledger.sqlite");
    second.says("another worker holds this lane").await;
    events.kind(id, "taken_over").await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    load.stop_unharmed().await;
    let (written, after) = (scene.lab.writes().await, Look::at(&scene.lab).await);
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v2));

    first.thaw();
    first.says("the lane is lost").await;
    // By its end the first worker has done whatever it still would do.
    first.stop().await;
    assert_eq!(scene.lab.writes().await, written, "the first worker wrote to AWS");
    let later = Look::at(&scene.lab).await;
    later.assert_containers_as(&after);
    later.assert_aws_as(&before);
    scene.end_after_kill(second).await;
}
