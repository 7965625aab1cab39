//! `make bench-status`: how long `drawgate status` takes with a large ledger behind it. `drawgate show` of
//! one release is timed beside it: it goes the same way to the broker and back, and reads next to nothing of
//! the ledger.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints, and one that cannot measure has failed"
)]

use std::time::Instant;

use drawgate_tests::Rolling;
use drawgate_tests::lab::TWO;
use serde_json::json;
use tokio::process::Command;

const LANES: usize = 1_000;
const RELEASES: usize = 100_000;
const RUNS: usize = 9;
const FILL: &str = include_str!("bench_status.py");

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let roll = Rolling::of("search").on(&TWO).image("v2").begin().await;
    let id = roll.publish("v2").await;
    roll.events.end(id).await;
    let scene = &roll.scene;
    let filled = Command::new("python3")
        .args(["-c", FILL])
        .arg(scene.folder().join("ledger.sqlite"))
        .args([LANES.to_string(), RELEASES.to_string()])
        .status()
        .await
        .unwrap();
    assert!(filled.success(), "the ledger could not be filled");

    let (mut lanes, mut all, mut one) = (0, Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let began = Instant::now();
        let output = scene.drawgate(&["status", "--format", "json"]).await;
        all.push(began.elapsed().as_millis());
        lanes = String::from_utf8_lossy(&output.stdout).lines().count();
        let began = Instant::now();
        scene.drawgate(&["show", &id.to_string()]).await;
        one.push(began.elapsed().as_millis());
    }
    assert_eq!(lanes, LANES + 1, "lanes that were shown");
    all.sort_unstable();
    one.sort_unstable();
    let line = json!({
        "lanes": lanes,
        "releases": RELEASES + 1,
        "status_ms_median": all[RUNS / 2],
        "status_ms_slowest": all[RUNS - 1],
        "show_ms_median": one[RUNS / 2],
    });
    println!("{line}");
    roll.end().await;
}
