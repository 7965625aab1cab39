//! `make bench`: one roll of three hosts, and how much of its time is neither the load balancer's nor
//! Docker's own.
//!
//! ```text
//!   per host    drain (balancer's trace) -> stop, start (Docker's events) -> healthy (balancer's trace)
//!               -> one further health check (an interval): a host counts only after it
//!   floor       their sum: with one host out at a time nothing of it can overlap
//!   wall        from before `drawgate publish` to the event of the end
//! ```
//! Containers are on the host's network, as many services behind a load balancer are: on Docker's bridge the
//! engine alone needs several times as long for stop and start, for its firewall rules.
//! `DRAWGATE_BENCH_BRIDGE=1` measures that. The lab's AWS is kind, unless `LAB_AWS=hard` says otherwise.
//!
//! The time that `drawgate-worker plan` says beforehand stands beside the time from the first touch to the end of the
//! roll forward, which is what it reckons: pulls and hooks are in neither.
//!
//! `make bench-peer` then has the classic Ansible playbook (`tests/peer`) roll the same fleet to the next
//! version.
//!
//! The floor leaves out Docker's time for pulling and creating, although a roll has to wait for both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints, and one that cannot measure has failed"
)]

mod measure;
mod peer;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use drawgate_schemas::{Direction, Event, HostPhase, Outcome, StatusEvent};
use drawgate_tests::lab::HOSTS;
use drawgate_tests::oracle::Look;
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::{Fleet, Load, Scene, Service};
use measure::{DockerEvents, Floor};
use serde::Serialize;
use serde_json::{Value, json};

/// Time between two looks at target health: half of the default.
const POLL_INTERVAL_S: f64 = 1.0;
/// Time between two health checks.
const CHECK_INTERVAL_S: u32 = 1;
/// Calls are timed when they arrive at the lab's API, and their way there takes a little longer or shorter
/// each time.
const ARRIVAL_JITTER_S: f64 = 0.02;
/// The bound on what a host may take beyond its floor, everything before and after the hosts included.
const ALLOWED_S_PER_HOST: f64 = 0.3;
/// The bound on the memory of a worker that waits for work.
const IDLE_RSS_MB: f64 = 30.0;
/// Time after the start in which a worker comes to rest.
const RESTS: std::time::Duration = std::time::Duration::from_secs(3);
/// The bound from the issue on the time that a host may be without a serving container.
const GAP_MS: u64 = 150;
/// The bound from the issue on how far a plan's time may be off, as a part of the roll's.
const PLAN_OFF: f64 = 0.2;

/// The result, printed as the last line.
#[derive(Serialize)]
struct Result {
    hosts: usize,
    wall_s: f64,
    /// What `plan` says, and how long it took.
    planned_s: f64,
    rolled_s: f64,
    planned_to_rolled: f64,
    floor_s: f64,
    over_s_per_host: f64,
    gap_ms_max: u64,
    failed_requests: u64,
    aws_calls_all: u64,
    aws_calls: BTreeMap<String, u64>,
    ssh_connections: usize,
    rss_idle_mb: f64,
    rss_after_mb: f64,
}

/// The time of one host's roll, in seconds.
struct HostTime {
    instance: String,
    took_s: f64,
    floor: Floor,
    gap_ms: u64,
}

impl HostTime {
    /// The time that this host's roll cannot be quicker than: with the further check that it is healthy for.
    fn floor_s(&self) -> f64 {
        self.floor.sum_s() + f64::from(CHECK_INTERVAL_S)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let scene = Scene::begin().await;
    // A second look at an answer that is old, by chance, would be 3 s of one run and none of the next.
    scene.lab.set_world(json!({"setting": "kind"})).await;
    let mut service = Service::of("search");
    service.min_healthy_time = "0s".to_owned();
    service.min_drain = "1s".to_owned();
    service.poll_interval = format!("{POLL_INTERVAL_S}s");
    let bridge = std::env::var_os("DRAWGATE_BENCH_BRIDGE").is_some();
    if !bridge {
        service.ports = Vec::new();
        service.container = "network = \"host\"".to_owned();
    }
    println!(
        "containers on the {}",
        if bridge {
            "engine's bridge, port 8080 published"
        } else {
            "host's network"
        }
    );
    scene.serve(&service);
    let fleet = fleet(&scene, bridge).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let planned_s = planned_s(&scene).await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    tokio::time::sleep(RESTS).await;
    let rss_idle_kb = worker.rss_kb();
    let load = Load::start(scene.folder(), &fleet.target_groups[0].url, 50).await;
    let ssh_before = ssh_connections(&scene);
    let docker = DockerEvents::start(&scene);
    scene.lab.post("calls/reset", json!({})).await;
    scene.lab.post("transitions/reset", json!({})).await;

    let (begin, begun_at) = (Instant::now(), jiff::Timestamp::now());
    let id = scene.publish("search", "v2", &[]).await;
    events.end(id).await;
    let wall_s = begin.elapsed().as_secs_f64();

    let (calls, log) = (scene.lab.calls().await, scene.lab.get("calls/log").await);
    let transitions = scene.lab.get("transitions").await;
    let docker = docker.stop().await;
    let requests = load.stop().await;
    let ended = scene.judge(&events, id, Outcome::Succeeded, &before).await;
    let ssh_connections = ssh_connections(&scene) - ssh_before;
    let rss_after_kb = worker.rss_kb();
    let receipt = ended.receipt.expect("a receipt");
    let gap = |instance: &str| {
        let host = receipt.hosts.iter().find(|host| host.instance == instance);
        host.and_then(|host| host.without_container_ms).expect("a gap")
    };
    let hosts = times(&fleet, &events.of(id), &transitions, &docker, gap);
    worker.stop().await;

    let journal = scene.journal(id).await;
    let rolled_s = rolled_s(&journal);
    let floor_s: f64 = hosts.iter().map(HostTime::floor_s).sum();
    let mb = |kb: u64| (kb as f64 / 102.4).round() / 10.0;
    let result = Result {
        hosts: hosts.len(),
        wall_s: rounded(wall_s),
        planned_s: rounded(planned_s),
        rolled_s: rounded(rolled_s),
        planned_to_rolled: rounded(planned_s / rolled_s),
        floor_s: rounded(floor_s),
        over_s_per_host: rounded((wall_s - floor_s) / hosts.len() as f64),
        gap_ms_max: hosts.iter().map(|host| host.gap_ms).max().unwrap_or(0),
        failed_requests: requests.failed,
        aws_calls_all: calls.values().sum(),
        aws_calls: calls,
        ssh_connections,
        rss_idle_mb: mb(rss_idle_kb),
        rss_after_mb: mb(rss_after_kb),
    };
    print_times(&hosts, &result, requests.requests);
    print_steps(&journal, begun_at);
    print_calls(&log, begun_at);
    let good = judge(&result, &log, &fleet);
    let peer = match std::env::var_os("DRAWGATE_BENCH_PEER") {
        Some(ansible) => Some(peer::roll(&scene, &fleet, ansible.as_ref()).await),
        None => None,
    };
    if let Some(peer) = &peer {
        peer.compare(result.wall_s, result.floor_s, result.hosts);
    }
    let result = serde_json::to_value(&result).unwrap();
    println!("\n{}", json!({"drawgate": result, "peer": peer}));
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Makes a fleet of three hosts on v1: the load balancer drains for 3 s, and calls a target healthy after two
/// checks a second apart.
async fn fleet(scene: &Scene, bridge: bool) -> Fleet {
    let network = if bridge {
        ["-p", "8080:8080"]
    } else {
        ["--network", "host"]
    };
    scene.v1("search", &HOSTS, &network).await;
    let mut spec = fleet_spec("search", &HOSTS, &[(8080, 8100)]);
    spec["target_groups"][0]["deregistration_delay_s"] = json!(3);
    spec["target_groups"][0]["health"]["interval_s"] = json!(CHECK_INTERVAL_S);
    let fleet = scene.lab.fleet(spec).await;
    scene.lab.all_targets(&fleet, "healthy").await;
    fleet
}

/// The time that `drawgate-worker plan` says.
async fn planned_s(scene: &Scene) -> f64 {
    let image = scene.image("search", "v2");
    let output = scene.plan("search", &image, &["--format", "json"]).await;
    let said: Value = serde_json::from_slice(&output.stdout).expect("a plan");
    said["expected_ms"].as_f64().expect("a time") / 1e3
}

/// The time from the first touch of a host to the end of the last one's turn.
fn rolled_s(journal: &[Value]) -> f64 {
    let of_hosts = journal
        .iter()
        .filter(|entry| entry["record"]["step"]["step"] == "host");
    let mut times = of_hosts.map(at);
    let first = times.next().expect("a host");
    times
        .next_back()
        .expect("an end")
        .duration_since(first)
        .as_secs_f64()
}

fn at(entry: &Value) -> jiff::Timestamp {
    entry["at"]
        .as_str()
        .and_then(|at| at.parse().ok())
        .expect("a time")
}

/// The number of logins that the hosts' sshd have logged.
fn ssh_connections(scene: &Scene) -> usize {
    let count = |host: &str| {
        let log =
            std::fs::read_to_string(scene.lab.folder().join(format!("logs/{host}.log"))).unwrap_or_default();
        log.lines()
            .filter(|line| line.contains("Accepted publickey"))
            .count()
    };
    HOSTS.into_iter().map(count).sum()
}

fn times(
    fleet: &Fleet,
    events: &[StatusEvent],
    transitions: &Value,
    docker: &BTreeMap<String, Vec<Value>>,
    gap: impl Fn(&str) -> u64,
) -> Vec<HostTime> {
    let host_events = || {
        events.iter().filter_map(|event| match &event.event {
            Event::Host(host) if host.direction == Direction::Forward => Some((event, host)),
            _ => None,
        })
    };
    let at = |instance: &str, phase: HostPhase| {
        let found = host_events().find(|(_, host)| host.instance == instance && host.phase == phase);
        seconds(found.unwrap_or_else(|| panic!("no {phase:?} of {instance}")).0)
    };
    let done = host_events().filter(|(_, host)| host.phase == HostPhase::Done);
    done.map(|(event, host)| {
        let instance = host.instance.clone();
        HostTime {
            took_s: seconds(event) - at(&instance, HostPhase::Deregistering),
            floor: Floor::of(&instance, fleet, transitions, docker),
            gap_ms: gap(&instance),
            instance,
        }
    })
    .collect()
}

fn seconds(event: &StatusEvent) -> f64 {
    event.at.as_microsecond() as f64 / 1e6
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn print_times(hosts: &[HostTime], result: &Result, requests: u64) {
    println!(
        "roll of {} hosts, one at a time, {requests} requests meanwhile",
        result.hosts
    );
    println!("deregistration delay 3 s, healthy after 2 checks 1 s apart and good after one more;");
    println!(
        "poll_interval 1s, min_drain 1s, min_healthy_time 0s (10s by default, would be part of the floor)\n"
    );
    println!(
        "{:<20} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}",
        "HOST", "TOOK", "DRAIN", "DOCKER", "HEALTH", "OURS", "GAP"
    );
    for host in hosts {
        println!(
            "{:<20} {:>5.2} s {:>5.2} s {:>5.2} s {:>5.2} s {:>5.2} s {:>4} ms",
            host.instance,
            host.took_s,
            host.floor.drain_s,
            host.floor.docker_s,
            host.floor.healthy_s,
            host.took_s - host.floor_s(),
            host.gap_ms
        );
    }
    let took_s: f64 = hosts.iter().map(|host| host.took_s).sum();
    println!(
        "\nwall {:.2} s, of it the hosts {took_s:.2} s; floor {:.2} s",
        result.wall_s, result.floor_s
    );
    println!(
        "plan said {:.2} s; from the first host's first step to the last one's end {:.2} s: ratio {:.2} (of the wall {:.2})",
        result.planned_s,
        result.rolled_s,
        result.planned_to_rolled,
        result.planned_s / result.wall_s
    );
    println!("AWS calls: {}", result.aws_calls_all);
    for (call, count) in &result.aws_calls {
        println!("  {count:>4}  {call}");
    }
    println!("SSH connections: {}", result.ssh_connections);
    println!(
        "memory: {} MB at rest, {} MB after the roll\n",
        result.rss_idle_mb, result.rss_after_mb
    );
}

/// Prints every step of the journal: when it began, and how long it took, waits for the load balancer
/// included.
fn print_steps(journal: &[Value], begun_at: jiff::Timestamp) {
    let since =
        |later: jiff::Timestamp, earlier: jiff::Timestamp| later.duration_since(earlier).as_secs_f64();
    println!("steps, with the second they began in and their time:");
    for (n, entry) in journal
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry["record"]["record"] == "intent")
    {
        let step = &entry["record"]["step"];
        let ends =
            |later: &&Value| later["record"]["record"] == "outcome" && later["record"]["step"] == *step;
        let Some(end) = journal.iter().skip(n).find(ends) else {
            continue;
        };
        let words: Vec<&str> = ["step", "phase", "instance", "group"]
            .iter()
            .filter_map(|key| step[key].as_str())
            .collect();
        println!(
            "  {:>6.2}  {:>5.0} ms  {}",
            since(at(entry), begun_at),
            since(at(end), at(entry)) * 1e3,
            words.join(" ")
        );
    }
    println!();
}

/// Prints every AWS call: the second it came in, and what it was about.
fn print_calls(log: &Value, begun_at: jiff::Timestamp) {
    println!("AWS calls, with the second they came in:");
    let begun_s = begun_at.as_microsecond() as f64 / 1e6;
    for call in log.as_array().expect("a log") {
        let at_s = call["at"].as_f64().expect("a time") - begun_s;
        let word = |key: &str| call[key].as_str().unwrap_or_default();
        println!("  {at_s:>6.2}  {} {}", word("action"), word("target"));
    }
    println!();
}

/// Prints one line for each demand of the issue; true when the result meets all.
fn judge(result: &Result, log: &Value, fleet: &Fleet) -> bool {
    let scans = result
        .aws_calls
        .get("elasticloadbalancing:DescribeTargetGroups")
        .copied()
        .unwrap_or(0);
    let closest_s = closest_looks_s(log, &fleet.target_groups[0].arn);
    let checks = [
        (
            result.over_s_per_host <= ALLOWED_S_PER_HOST,
            format!(
                "wall {:.2} s is {:.2} s over the floor for each host, at most {ALLOWED_S_PER_HOST} s",
                result.wall_s, result.over_s_per_host
            ),
        ),
        (
            result.rss_idle_mb <= IDLE_RSS_MB,
            format!("{} MB at rest, at most {IDLE_RSS_MB} MB", result.rss_idle_mb),
        ),
        (
            result.gap_ms_max <= GAP_MS,
            format!(
                "without a serving container {} ms, at most {GAP_MS} ms",
                result.gap_ms_max
            ),
        ),
        (
            result.failed_requests == 0,
            format!("failed requests: {}", result.failed_requests),
        ),
        (
            closest_s >= POLL_INTERVAL_S - ARRIVAL_JITTER_S,
            format!("looks at a target group {closest_s:.3} s apart at least, interval {POLL_INTERVAL_S} s"),
        ),
        (
            (result.planned_to_rolled - 1.0).abs() <= PLAN_OFF,
            format!(
                "plan's time is {:.2} of the roll's, at most {PLAN_OFF} off",
                result.planned_to_rolled
            ),
        ),
        (scans == 1, format!("scans of target groups: {scans}, 1 per plan")),
        (
            result.ssh_connections == result.hosts,
            format!("SSH connections: {}, 1 per host", result.ssh_connections),
        ),
    ];
    for (good, what) in &checks {
        println!("{}  {what}", if *good { "ok  " } else { "FAIL" });
    }
    checks.iter().all(|(good, _)| *good)
}

/// The shortest time between two DescribeTargetHealth calls for one target group.
fn closest_looks_s(log: &Value, arn: &str) -> f64 {
    let looks = log.as_array().expect("a log").iter();
    let of_group = looks.filter(|call| {
        call["action"] == "elasticloadbalancing:DescribeTargetHealth" && call["target"] == arn
    });
    let times: Vec<f64> = of_group.filter_map(|call| call["at"].as_f64()).collect();
    assert!(
        times.len() > 1,
        "target health was looked at {} times",
        times.len()
    );
    times
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .fold(f64::INFINITY, f64::min)
}
