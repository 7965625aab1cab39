//! The worker is killed with `kill -9` at every kind of record that it writes, on the way forward and during
//! rollback, and started again. `make crash-matrix` takes every kind and writes `runbooks/crash-matrix.md`;
//! `make test` takes eight, by seed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use std::fmt::Write as _;
use std::time::Duration;

use drawgate_schemas::{Outcome, ReleaseId};
use drawgate_tests::lab::Fleet;
use drawgate_tests::oracle::Look;
use drawgate_tests::programs::repository;
use drawgate_tests::random;
use drawgate_tests::wait::within;
use drawgate_tests::{Events, Load, Scene, Service, Worker};
use tokio::time::{Instant, sleep};

/// Number of cells that `make test` takes.
const SOME: usize = 8;

/// Interval at which the log is searched for the record after which the worker is killed: well below the time
/// of a step.
const LOOK: Duration = Duration::from_millis(2);

/// A moment at which a roll is killed.
#[derive(Debug, Clone, PartialEq)]
struct Cell {
    /// Whether the version is one that fails, so that the release rolls back.
    fails: bool,
    /// The kind of record, as the log names it: the event and its step.
    record: String,
}

/// The kind of record that a line of the log tells of this release, without the parts that differ each time.
fn record(line: &str, id: ReleaseId) -> Option<String> {
    let (_, told) = line
        .split_once("roll::journal_log: ")
        .or_else(|| line.split_once("intake: "))?;
    let (what, rest) = told.split_once(&format!(" release={id}"))?;
    let step = rest.split_once("step=").map_or("", |(_, step)| step);
    let step = step.split(" what=").next().unwrap_or_default();
    // The name of the host or group comes before the step's.
    let step = step.rsplit(": ").next().unwrap_or_default();
    let what = if step.is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {step}")
    };
    (!what.starts_with("taken over")).then_some(what)
}

/// The state that all cells share.
struct Bench {
    scene: Scene,
    fleet: Fleet,
    events: Events,
    before: Look,
    /// The digest that every host runs.
    runs: String,
    releases: usize,
}

impl Bench {
    async fn begin() -> (Self, Worker) {
        let scene = Scene::begin().await;
        let mut service = Service::of("search");
        let quick = "attempts = 3\ninterval = \"100ms\"\ntimeout = \"1s\"";
        service.verify = Some(format!("http = {{ path = \"/health\", port = 8080 }}\n{quick}"));
        scene.serve(&service);
        let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
        let worker = scene.worker().await;
        let events = scene.events().await;
        let before = Look::at(&scene.lab).await;
        let bench = Self {
            scene,
            fleet,
            events,
            before,
            runs: String::new(),
            releases: 1,
        };
        (bench, worker)
    }

    /// Publishes the next version. A failing one ends as soon as it is to serve.
    async fn publish(&mut self, fails: bool) -> (ReleaseId, String) {
        self.releases += 1;
        let tag = format!("killed-{}", self.releases);
        let mode = if fails { "unhealthy" } else { "ok" };
        let digest = self.scene.lab.image("search", &tag, &tag, mode).await;
        (self.scene.publish("search", &tag, &[]).await, digest)
    }

    /// Waits for the end, and asserts that the fleet is whole and everything else as before.
    async fn judge(&mut self, fails: bool, id: ReleaseId, digest: String) {
        let outcome = if fails {
            Outcome::RolledBack
        } else {
            Outcome::Succeeded
        };
        self.scene.judge(&self.events, id, outcome, &self.before).await;
        if !fails {
            self.runs = digest;
        }
        let after = Look::at(&self.scene.lab).await;
        after.assert_no_tags();
        after.assert_runs(&self.fleet, "search", &self.scene.pinned("search", &self.runs));
        self.scene.lab.all_targets(&self.fleet, "healthy").await;
    }

    /// Every kind of record that an undisturbed roll writes.
    async fn records(&mut self, worker: &Worker, fails: bool) -> Vec<Cell> {
        let (id, digest) = self.publish(fails).await;
        self.judge(fails, id, digest).await;
        let mut cells = Vec::new();
        for record in worker.log().lines().filter_map(|line| record(line, id)) {
            let cell = Cell { fails, record };
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        cells
    }

    /// Rolls once, and kills the worker when it writes this record; gives the new worker and the roll's time.
    async fn kill_at(&mut self, worker: Worker, cell: &Cell) -> (Worker, Duration) {
        let began = Instant::now();
        let (id, digest) = self.publish(cell.fails).await;
        let written = async {
            while !worker
                .log()
                .lines()
                .any(|line| record(line, id).as_ref() == Some(&cell.record))
            {
                sleep(LOOK).await;
            }
        };
        within(&format!("{cell:?}"), written).await;
        worker.kill().await;
        let worker = self.scene.worker().await;
        self.judge(cell.fails, id, digest).await;
        (worker, began.elapsed())
    }
}

/// A random choice of cells, each once.
fn some(mut cells: Vec<Cell>) -> Vec<Cell> {
    let mut random = random::seeded_by("DRAWGATE_CRASH_SEED");
    let mut chosen = Vec::new();
    while chosen.len() < SOME && !cells.is_empty() {
        let n = usize::try_from(random.below(cells.len() as u64)).unwrap();
        chosen.push(cells.swap_remove(n));
    }
    chosen
}

#[tokio::test]
async fn killed_at_every_kind_of_record_the_fleet_is_whole() {
    let matrix = std::env::var("DRAWGATE_CRASH_MATRIX").ok();
    let (mut bench, mut worker) = Bench::begin().await;
    let load = Load::start(bench.scene.folder(), &bench.fleet.target_groups[0].url, 20).await;
    let mut cells = bench.records(&worker, false).await;
    cells.extend(bench.records(&worker, true).await);
    let all = cells.len();
    assert!(all > 40, "{cells:?}");
    if matrix.is_none() {
        cells = some(cells);
    }
    let mut rows = String::new();
    for cell in &cells {
        let took;
        (worker, took) = bench.kill_at(worker, cell).await;
        let (way, end) = if cell.fails {
            ("fails", "rolled back")
        } else {
            ("good", "succeeded")
        };
        let row = format!(
            "| {way} | {} | {end} | {:.1} s |",
            cell.record,
            took.as_secs_f64()
        );
        eprintln!("  {row}");
        let _ = writeln!(rows, "{row}");
    }
    let seen = load.stop_unharmed().await;
    eprintln!(
        "  {} of {all} cells, {} requests, 0 failed",
        cells.len(),
        seen.requests
    );
    if let Some(path) = matrix {
        let text = format!(
            "# Crash matrix\n\nWritten by `make crash-matrix`: the worker under `kill -9` as it writes each kind of record, started again, \
             {} cells. In\neach the release came to the end below, with every host on one version and healthy, scaling, alarms, targets \
             and tags as\nbefore, and its events complete, in order, without a gap. {} requests went through the load balancer meanwhile; \
             0 failed.\n\n| version | killed at | end | whole roll |\n|---|---|---|---|\n{rows}",
            cells.len(),
            seen.requests
        );
        std::fs::write(repository(&path), text).unwrap();
    }
    bench.scene.end_after_kill(worker).await;
}
