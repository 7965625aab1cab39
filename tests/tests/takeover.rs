//! Two workers and one fleet: the second takes over where it may, and leaves the fleet alone where it may
//! not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::process::Stdio;

use drawgate_schemas::{Direction, HostPhase, Outcome};
use drawgate_tests::lab::TWO;
use drawgate_tests::oracle::Look;
use drawgate_tests::{Rolling, Scene, Worker};
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
    let roll = Rolling::of("search").on(&TWO).image("v2").begin().await;
    let id = roll.publish("v2").await;
    roll.events
        .phase(id, Direction::Forward, HostPhase::Draining)
        .await;

    let lock = Locked::take(&roll.scene).await;
    let cancelled = roll.scene.drawgate(&["cancel", &id.to_string(), "--yes"]).await;
    let said = String::from_utf8_lossy(&cancelled.stderr).into_owned();
    assert_eq!(cancelled.status.code(), Some(5), "{said}");
    assert!(said.contains("may have been taken or not"), "{said}");
    lock.give_back().await;
    roll.judge(id, Outcome::Succeeded).await;
    roll.assert_runs("v2").await;
    roll.end().await;
}

/// The bastion was lost in mid-roll. The worker of the new bastion has an empty ledger, and knows by the
/// fleet's lease that another worker rolls the fleet: it touches nothing. The old worker comes back and
/// finishes.
#[tokio::test]
async fn trap_08_a_rebuilt_bastion_meets_the_lease_of_the_first() {
    let mut roll = Rolling::of("search").images(["v2", "v3"]).begin().await;

    let id = roll.publish("v2").await;
    roll.events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 2)
        .await;
    roll.worker.kill().await;
    let written = roll.scene.lab.writes().await.len();
    let rebuilt = roll.scene.second_worker("bastion-new", "empty.sqlite");
    let refused = roll.scene.publish("search", "v3", &[]).await;
    let ended = roll.events.end(refused).await;
    assert_eq!(ended.outcome, Outcome::Failed, "{}", ended.summary);
    assert_eq!(
        roll.scene.lab.writes().await.len(),
        written,
        "the rebuilt bastion wrote to AWS"
    );
    rebuilt.stop().await;

    roll.worker = roll.scene.worker().await;
    roll.judge(id, Outcome::Succeeded).await;
    let after = roll.look().await;
    after.assert_no_tags();
    after.assert_runs(&roll.fleet, "search", &roll.pinned("v2"));
    // The lease ends with the release, so the next release has the fleet.
    let id = roll.publish("v3").await;
    roll.judge(id, Outcome::Succeeded).await;
    roll.end_after_kill().await;
}

/// Between releases, the lease of another ledger says who has the fleet; an operator who knows that the other
/// worker is gone deletes the lease. Parameter Store, which is slow to take such writes one after the other,
/// changes neither.
#[tokio::test]
async fn trap_08_the_refusal_says_who_has_the_fleet_and_the_way_out() {
    let ready = Rolling::of("search").on(&TWO).image("v2").prepare().await;
    let lease = "/drawgate/lease/staging/search";
    let note = "{\"version\":1,\"ledger\":\"another\",\"worker\":\"bastion-old\",\"release\":\"0190f6f0-0000-7000-8000-000000000001\",\
                \"epoch\":1,\"since\":\"2026-01-01T00:00:00Z\"}";
    ready.scene.lab.put_parameter(lease, note).await;
    let roll = ready.start().await;

    roll.scene
        .lab
        .fault("ssm:PutParameter", "too_many_updates", 1)
        .await;
    let id = roll.publish("v2").await;
    let ended = roll.judge(id, Outcome::Failed).await;
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
        roll.scene.lab.parameter(lease).await.as_deref(),
        Some(note),
        "another's lease was touched"
    );

    roll.scene.lab.delete_parameter(lease).await;
    roll.scene
        .lab
        .fault("ssm:PutParameter", "too_many_updates", 3)
        .await;
    let id = roll.publish("v2").await;
    roll.judge_telling(id, Outcome::Succeeded).await;
    assert_eq!(
        roll.scene.lab.parameter(lease).await,
        None,
        "the lease was not given back"
    );
    roll.end().await;
}

/// The first worker hangs in mid-roll. The second waits until the lease is over and the steps under way have
/// landed, and finishes the release. When the first one wakes, it does nothing more, and says why.
#[tokio::test]
async fn trap_26_a_hung_worker_does_nothing_when_it_wakes() {
    let roll = Rolling::of("search")
        .configured("[limits]\nlease = \"30s\"\n")
        .image("v2")
        .begin()
        .await;
    let load = roll.load().await;

    let id = roll.publish("v2").await;
    roll.events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 2)
        .await;
    freeze_between_writes(&roll.scene, &roll.worker).await;
    let second = roll.scene.second_worker("bastion-second", "ledger.sqlite");
    second.says("another worker holds this lane").await;
    roll.events.kind(id, "taken_over").await;
    roll.judge(id, Outcome::Succeeded).await;
    load.stop_unharmed().await;
    let (written, after) = (roll.scene.lab.writes().await, roll.look().await);
    after.assert_runs(&roll.fleet, "search", &roll.pinned("v2"));

    roll.worker.thaw();
    roll.worker.says("the lane is lost").await;
    // By its end the first worker has done whatever it still would do.
    roll.worker.stop().await;
    assert_eq!(
        roll.scene.lab.writes().await,
        written,
        "the first worker wrote to AWS"
    );
    let later = Look::at(&roll.scene.lab).await;
    later.assert_containers_as(&after);
    later.assert_aws_as(&roll.before);
    roll.scene.end_after_kill(second).await;
}
