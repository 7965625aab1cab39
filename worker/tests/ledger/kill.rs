//! Processes that are stopped or killed while they append.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use drawgate_rollout::Record;
use drawgate_worker::ledger::Acquired;
use rustix::process::{Pid, Signal, kill_process};

use crate::fixtures::{accept, entry, environment, event, is_held, lease, open, place, request, service};

const CHILD: &str = "DRAWGATE_TEST_CHILD_LEDGER";

/// No test by itself: the program that `child` runs. It takes the lane and appends until it is killed.
#[tokio::test]
async fn child_that_appends() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    let ledger = open(&path).await;
    let request = request();
    accept(&ledger, &request).await;
    let lease = lease(&ledger).await;
    println!("child has the lane");
    for n in 2.. {
        let events = [event(&request, n)];
        ledger
            .append(&lease, request.id, &entry(n, Record::TakenOver), &events, None)
            .await
            .unwrap();
    }
}

/// Starts a process that takes the lane and appends.
fn child(path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child_that_appends", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines
        .map_while(Result::ok)
        .any(|line| line.contains("child has the lane"));
    assert!(said, "the child ended early");
    child
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
}

#[tokio::test]
async fn a_stopped_process_keeps_its_lane_and_a_killed_one_loses_it() {
    let place = place();
    let ledger = open(&place.path).await;
    let mut child = child(&place.path);
    assert!(is_held(&ledger).await);
    signal(&child, Signal::STOP);
    tokio::time::sleep(Duration::from_millis(200)).await;
    // A process that was stopped inside a transaction keeps the database locked too; then the error is
    // "unavailable".
    match ledger.acquire(&environment(), &service()).await {
        Ok(Acquired::Held { .. }) => {}
        Err(error) if error.is_unavailable() => {}
        other => panic!("{other:?}"),
    }
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    let began = Instant::now();
    lease(&ledger).await;
    println!("taken over {:?} after the kill", began.elapsed());
}

#[tokio::test]
async fn after_a_kill_every_entry_has_its_event() {
    let place = place();
    let mut entries = 0;
    for round in 0..8 {
        let mut child = child(&place.path);
        tokio::time::sleep(Duration::from_millis(40 + round * 17)).await;
        signal(&child, Signal::KILL);
        child.wait().unwrap();
        let ledger = open(&place.path).await;
        let release = ledger.open_releases().await.unwrap().pop().unwrap();
        let journal = ledger.journal(release.id).await.unwrap();
        assert!(journal.iter().map(|entry| entry.n).eq(1..=journal.len() as u64));
        let (events, _) = ledger.events(release.id, 0, 100_000).await.unwrap();
        assert!(
            events
                .iter()
                .map(|event| event.sequence)
                .eq(1..=journal.len() as u64)
        );
        entries += journal.len();
        lease(&ledger).await;
    }
    println!("{entries} entries in 8 lives");
}
