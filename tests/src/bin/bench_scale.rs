//! `make bench-scale`: one roll of a large fleet, and what it cost: calls, time, memory, descriptors, processor.
//!
//! ```text
//!   fleet      HOSTS hosts (200) in one group, three target groups on the same port, drained for 30 s,
//!              checked every 5 s, healthy after two checks
//!   roll       25 % at once, min_healthy_time 10s, poll_interval 2s
//!   AWS        with its request rates; DRAWGATE_BENCH_OTHERS=0.5 gives half of them to a second user
//!   last line  one JSON object
//! ```
//! The container of every host is one of the test application; beyond forty hosts its engine is a model.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints, and one that cannot measure has failed"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use drawgate_schemas::Outcome;
use drawgate_tests::lab::hosts;
use drawgate_tests::{Fleet, Scene, Service};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::sleep;

const TARGET_GROUPS: u16 = 3;
const DEREGISTRATION_DELAY_S: u64 = 30;
const INTERVAL_S: u64 = 5;
/// Time between two looks at the worker's process.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Time between two looks at every target's health, each of which the lab answers in a tenth of a second.
const HEALTH_AGAIN: Duration = Duration::from_secs(1);
/// Longest wait for a fleet whose targets need two checks 5 s apart.
const HEALTHY_WITHIN: Duration = Duration::from_secs(300);
/// Longest roll: ten times what four waves of a fleet take.
const ROLL_WITHIN: Duration = Duration::from_secs(3600);
/// Clock ticks per second in `/proc/PID/stat`: the kernel's `USER_HZ` (proc(5)), 100 on every Linux that Rust knows.
const TICKS_PER_S: f64 = 100.0;

/// The result, printed as the last line.
#[derive(Serialize)]
struct Result {
    hosts: usize,
    target_groups: u16,
    outcome: &'static str,
    calls: BTreeMap<String, u64>,
    throttled: u64,
    wall_s: f64,
    rss_mb_max: u64,
    fds_max: usize,
    cpu_s: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let scene = Scene::begin().await;
    scene.serve(&service());
    let began = Instant::now();
    let fleet = fleet(&scene).await;
    println!(
        "{} hosts on v1 and healthy after {:.1} s",
        fleet.instances.len(),
        began.elapsed().as_secs_f64()
    );
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let watch = Watch::over(worker.pid());
    scene.lab.post("rates", json!({"others": others()})).await;
    scene.lab.post("calls/reset", json!({})).await;

    let begin = Instant::now();
    let id = scene.publish("search", "v2", &[]).await;
    let ended = events.end_within(id, ROLL_WITHIN).await;
    let wall_s = begin.elapsed().as_secs_f64();

    let (calls, rates) = (scene.lab.calls().await, scene.lab.get("rates").await);
    let most = watch.end().await;
    println!("{}", ended.summary);
    worker.stop().await;
    let unknown = scene.lab.get("engines/unknown").await;
    let result = Result {
        hosts: fleet.instances.len(),
        target_groups: TARGET_GROUPS,
        outcome: ended.outcome.as_str(),
        calls,
        throttled: throttled(&rates),
        wall_s: (wall_s * 10.0).round() / 10.0,
        rss_mb_max: most.rss_kb / 1024,
        fds_max: most.descriptors,
        cpu_s: most.cpu_s,
    };
    println!("{}", serde_json::to_value(&result).unwrap());
    if unknown != json!([]) {
        println!("FAIL  the model engines were asked what they do not know: {unknown}");
        return ExitCode::FAILURE;
    }
    match ended.outcome {
        Outcome::Succeeded => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn service() -> Service {
    Service {
        max_unavailable: "\"25%\"".to_owned(),
        min_healthy_time: "10s".to_owned(),
        min_drain: "5s".to_owned(),
        poll_interval: "2s".to_owned(),
        drain_timeout: "2m".to_owned(),
        healthy_timeout: "5m".to_owned(),
        ..Service::of("search")
    }
}

/// The share of AWS's request rates that a second user of the account takes.
fn others() -> f64 {
    let asked = std::env::var("DRAWGATE_BENCH_OTHERS").ok();
    asked.map_or(0.0, |share| {
        share.parse().expect("DRAWGATE_BENCH_OTHERS is a number")
    })
}

/// Every host of the lab on v1, behind three target groups, and healthy in each.
async fn fleet(scene: &Scene) -> Fleet {
    let all = hosts();
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    scene.v1("search", &names, &["-p", "8080:8080"]).await;
    let group = |number: u16| {
        json!({"name": format!("search-{number}"), "port": 8080, "listen": 8100 + number,
               "deregistration_delay_s": DEREGISTRATION_DELAY_S,
               "health": {"path": "/health", "interval_s": INTERVAL_S, "timeout_s": 2, "healthy_threshold": 2,
                          "unhealthy_threshold": 2}})
    };
    let groups: Vec<Value> = (0..TARGET_GROUPS).map(group).collect();
    let spec = json!({"name": "search-staging", "hosts": "all", "target_groups": groups, "health_check_type": "EC2",
                      "tags": {"stack": "search", "deployment": "staging"},
                      "alarms": [{"name": "search-5xx", "actions_enabled": true}]});
    let fleet = scene.lab.fleet(spec).await;
    let end = Instant::now() + HEALTHY_WITHIN;
    for group in &fleet.target_groups {
        loop {
            let targets = scene.lab.targets(&group.name).await;
            if targets.len() == names.len() && targets.iter().all(|(_, state)| state == "healthy") {
                break;
            }
            assert!(Instant::now() < end, "{} is not healthy: {targets:?}", group.name);
            sleep(HEALTH_AGAIN).await;
        }
    }
    fleet
}

/// How many calls the lab's AWS throttled.
fn throttled(rates: &Value) -> u64 {
    let actions = rates["actions"].as_array().expect("actions").iter();
    actions.filter_map(|action| action["throttled"].as_u64()).sum()
}

/// The most that a process has used.
#[derive(Debug, Clone, Copy, Default)]
struct Most {
    rss_kb: u64,
    descriptors: usize,
    cpu_s: f64,
}

/// Looks at a process from time to time.
struct Watch {
    over: Arc<AtomicBool>,
    looks: JoinHandle<Most>,
}

impl Watch {
    fn over(pid: u32) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let process = PathBuf::from(format!("/proc/{pid}"));
        let looks = tokio::spawn(async move {
            let mut most = Most::default();
            loop {
                let last = stop.load(Ordering::Relaxed);
                most = Most {
                    rss_kb: most.rss_kb.max(rss_kb(&process)),
                    descriptors: most.descriptors.max(descriptors(&process)),
                    cpu_s: cpu_s(&process),
                };
                if last {
                    return most;
                }
                sleep(LOOK_AGAIN).await;
            }
        });
        Self { over, looks }
    }

    /// Looks once more; the process must still be there.
    async fn end(self) -> Most {
        self.over.store(true, Ordering::Relaxed);
        self.looks.await.unwrap()
    }
}

fn rss_kb(process: &std::path::Path) -> u64 {
    let status = std::fs::read_to_string(process.join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("VmRSS of a process that runs")
}

fn descriptors(process: &std::path::Path) -> usize {
    std::fs::read_dir(process.join("fd")).unwrap().count()
}

/// Processor time of the process itself, without that of its children (the ssh clients).
fn cpu_s(process: &std::path::Path) -> f64 {
    let stat = std::fs::read_to_string(process.join("stat")).unwrap();
    // The name, in parentheses, may have spaces; utime and stime are the twelfth and thirteenth field after it.
    let (_, after) = stat.rsplit_once(')').expect("a name in parentheses");
    let fields: Vec<u32> = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    fields.iter().map(|ticks| f64::from(*ticks)).sum::<f64>() / TICKS_PER_S
}
