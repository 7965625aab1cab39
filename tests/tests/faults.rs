//! Everything around the worker fails in the middle of a roll, one fault at a time: the release finishes, or
//! rolls back, and reports all of it. `make faults` makes every fault happen, for as long as it would last;
//! `make test` makes a few.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use std::time::Duration;

use drawgate_schemas::{Direction, Ended, HostPhase, Outcome, ReleaseId};
use drawgate_tests::disaster::{PortRule, SmallDisk};
use drawgate_tests::lab::{Fleet, HOSTS};
use drawgate_tests::oracle::Look;
use drawgate_tests::{Events, Load, Prepared, Rolling, Scene, Service, Worker};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::{Instant, sleep};

use Direction::Forward;
use HostPhase::{AwaitingHealthy, Draining, Swapping};

const AMQP: u16 = 5672;
const REGISTRY: u16 = 5000;
/// Longest time of a roll with any of these faults.
const LONGEST: Duration = Duration::from_secs(300);
/// An hour ahead, in libfaketime's notation.
const AN_HOUR_ON: &str = "+3600";
const AN_HOUR_BACK: &str = "-3600";
/// Access keys of the worker's session: the one that expires, and the one that a person brings then.
const SESSIONS: [&str; 2] = ["lab-session-1", "lab-session-2"];
const LIBFAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    BrokerAwayFor30s,
    ConnectionsReset,
    BrokerSilentFor30s,
    HostTerminated,
    HostReboots,
    HostAwayFor30s,
    EngineKilledWhileDraining,
    EngineKilledWhileSwapping,
    SshdStoppedFor20s,
    RegistryAwayFor20s,
    HalfOfAwsThrottled,
    AwsFailsFor20s,
    AwsTimesOutAfterActing,
    AwsAwayFor60s,
    SessionExpires,
    LedgersDiskFull,
    ClockGoesForward,
    ClockGoesBack,
    LongerThanTheConsumerTimeout,
}

use Fault::*;

const ALL: [Fault; 19] = [
    BrokerAwayFor30s,
    ConnectionsReset,
    BrokerSilentFor30s,
    HostTerminated,
    HostReboots,
    HostAwayFor30s,
    EngineKilledWhileDraining,
    EngineKilledWhileSwapping,
    SshdStoppedFor20s,
    RegistryAwayFor20s,
    HalfOfAwsThrottled,
    AwsFailsFor20s,
    AwsTimesOutAfterActing,
    AwsAwayFor60s,
    SessionExpires,
    LedgersDiskFull,
    ClockGoesForward,
    ClockGoesBack,
    LongerThanTheConsumerTimeout,
];

/// The faults that last no longer than a roll: those that `make test` makes.
const SOME: [Fault; 6] = [
    ConnectionsReset,
    EngineKilledWhileSwapping,
    HalfOfAwsThrottled,
    SessionExpires,
    LedgersDiskFull,
    ClockGoesForward,
];

/// One roll, and the parts that its fault needs.
struct Bench {
    scene: Scene,
    fleet: Fleet,
    events: Events,
    before: Look,
    disk: SmallDisk,
}

impl Bench {
    async fn begin(fault: Fault) -> (Self, Worker) {
        let scene = Scene::begin().await;
        let disk = SmallDisk::mount(scene.folder().join("disk"), 96 << 20).await;
        scene.keep_ledger_in("disk");
        std::fs::write(scene.folder().join("time"), "+0").unwrap();
        let mut service = Service::of("search");
        // The default: the other tests' shorter bounds end before these faults do.
        service.drain_timeout = "5m".to_owned();
        service.healthy_timeout = "5m".to_owned();
        if fault == LongerThanTheConsumerTimeout {
            service.alarms = "watch = [\"search-5xx\"]\nbake = \"70s\"\n".to_owned();
        }
        let Prepared { scene, fleet, .. } = Rolling::with(service).prepare_in(scene).await;
        let time = scene.folder().join("time").to_string_lossy().into_owned();
        let faked = [
            ("LD_PRELOAD", LIBFAKETIME),
            ("FAKETIME_TIMESTAMP_FILE", time.as_str()),
            ("FAKETIME_NO_CACHE", "1"),
            // Only the wall clock is moved, because nobody can set the others.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        let session = scene.folder().join("session").to_string_lossy().into_owned();
        begin_session(&scene, SESSIONS[0]);
        let in_session = [
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_SECRET_ACCESS_KEY", ""),
            ("AWS_SHARED_CREDENTIALS_FILE", session.as_str()),
        ];
        let environment = match fault {
            ClockGoesForward | ClockGoesBack => &faked[..],
            SessionExpires => &in_session[..],
            _ => &[],
        };
        let worker = scene.worker_with(environment).await;
        let events = scene.lasting_events().await;
        let before = Look::at(&scene.lab).await;
        let bench = Self {
            scene,
            fleet,
            events,
            before,
            disk,
        };
        (bench, worker)
    }

    fn set_clock(&self, offset: &str) {
        std::fs::write(self.scene.folder().join("time"), offset).unwrap();
    }

    /// The worker's session is over; ten seconds later there is a new one in its profile's file.
    async fn renew_session(&self) {
        let fault = json!({"action": "*", "mode": "expired", "count": u32::MAX, "key": SESSIONS[0]});
        self.scene.lab.post("fault", fault).await;
        sleep(Duration::from_secs(10)).await;
        begin_session(&self.scene, SESSIONS[1]);
    }

    async fn aws_fails(&self, mode: &str, share: f64, count: u32) {
        let fault = json!({"action": "*", "mode": mode, "share": share, "count": count});
        self.scene.lab.post("fault", fault).await;
    }

    /// The lab's name of the n-th host that begins this phase.
    async fn host_in(&self, id: ReleaseId, phase: HostPhase, n: usize) -> String {
        let instance = self.events.nth_phase(id, Forward, phase, n).await;
        self.fleet.host_of(&instance).to_owned()
    }

    /// Makes the fault happen, and waits until it has passed.
    async fn strike(&self, fault: Fault, id: ReleaseId) {
        let lab = &self.scene.lab;
        match fault {
            RegistryAwayFor20s => {
                self.events.kind(id, "started").await;
                let rule = PortRule::silent(REGISTRY).await;
                sleep(Duration::from_secs(20)).await;
                rule.lift().await;
            }
            LongerThanTheConsumerTimeout => {
                self.events.kind(id, "baking").await;
            }
            ClockGoesForward | ClockGoesBack => {
                self.host_in(id, Draining, 2).await;
                let there = if fault == ClockGoesForward {
                    AN_HOUR_ON
                } else {
                    AN_HOUR_BACK
                };
                self.set_clock(there);
                self.host_in(id, AwaitingHealthy, 3).await;
                self.set_clock("+0");
            }
            EngineKilledWhileSwapping => {
                let host = self.host_in(id, Swapping, 2).await;
                lab.signal_on(&host, "dockerd", "KILL").await;
            }
            _ => {
                let host = self.host_in(id, Draining, 2).await;
                self.strike_while_draining(fault, &host).await;
            }
        }
    }

    async fn strike_while_draining(&self, fault: Fault, host: &str) {
        let lab = &self.scene.lab;
        match fault {
            BrokerAwayFor30s => {
                lab.post("rabbitmq/stop", json!({})).await;
                sleep(Duration::from_secs(30)).await;
                lab.post("rabbitmq/start", json!({})).await;
            }
            ConnectionsReset => {
                let rule = PortRule::reset(AMQP).await;
                sleep(Duration::from_secs(2)).await;
                rule.lift().await;
            }
            BrokerSilentFor30s => {
                let rule = PortRule::silent(AMQP).await;
                sleep(Duration::from_secs(30)).await;
                rule.lift().await;
            }
            HostTerminated => {
                lab.post(&format!("hosts/{host}/stop"), json!({})).await;
                let instances = &self.fleet.instances;
                let instance = instances.iter().find(|instance| instance.host == host).unwrap();
                lab.post("instance/terminate", json!({"id": instance.id})).await;
            }
            HostReboots => {
                lab.kill_host(host).await;
                lab.post(&format!("hosts/{host}/start"), json!({})).await;
            }
            HostAwayFor30s => {
                lab.post(&format!("hosts/{host}/stop"), json!({})).await;
                sleep(Duration::from_secs(30)).await;
                lab.post(&format!("hosts/{host}/start"), json!({})).await;
            }
            EngineKilledWhileDraining => lab.signal_on(host, "dockerd", "KILL").await,
            SshdStoppedFor20s => {
                lab.signal_on(host, "sshd", "STOP").await;
                sleep(Duration::from_secs(20)).await;
                lab.signal_on(host, "sshd", "CONT").await;
            }
            HalfOfAwsThrottled => self.aws_fails("throttle", 0.5, u32::MAX).await,
            AwsTimesOutAfterActing => self.aws_fails("timeout_after_act", 1.0, 6).await,
            AwsFailsFor20s => {
                self.aws_fails("error500", 1.0, u32::MAX).await;
                sleep(Duration::from_secs(20)).await;
                lab.clear_faults().await;
            }
            AwsAwayFor60s => {
                self.aws_fails("timeout", 1.0, u32::MAX).await;
                sleep(Duration::from_secs(60)).await;
                lab.clear_faults().await;
            }
            SessionExpires => self.renew_session().await,
            LedgersDiskFull => self.disk.fill(),
            other => panic!("{other:?} comes at another moment"),
        }
    }

    /// Repairs what does not recover by itself.
    async fn mend(&self, fault: Fault) {
        let lab = &self.scene.lab;
        lab.clear_faults().await;
        match fault {
            LedgersDiskFull => self.disk.empty(),
            // The host starts again only so that the later look can read its containers.
            HostTerminated => {
                for host in HOSTS {
                    lab.post(&format!("hosts/{host}/start"), json!({})).await;
                }
            }
            _ => {}
        }
    }

    /// Asserts that the worker's clock was moved, as its log shows, and that the roll's was not.
    async fn assert_own_time(&self, id: ReleaseId, worker: &Worker) {
        let log = worker.log();
        let said = log
            .lines()
            .filter_map(|line| line.split(' ').next()?.parse::<Timestamp>().ok());
        let (first, last) = (said.clone().min().unwrap(), said.max().unwrap());
        let apart = last.duration_since(first);
        assert!(
            apart > SignedDuration::from_mins(55),
            "its clock was moved by {apart}"
        );
        let journal = self.scene.journal(id).await;
        let times = journal
            .iter()
            .map(|entry| entry["at"].as_str().unwrap().parse().unwrap());
        let times: Vec<Timestamp> = times.collect();
        assert!(times.is_sorted(), "{times:?}");
        let took = times[times.len() - 1].duration_since(times[0]);
        assert!(
            took < SignedDuration::from_mins(5),
            "the roll took {took} by its own time"
        );
    }

    /// Judges the end: every remaining host is on one version and healthy, the rest is as before, and all of
    /// it was told.
    async fn judge(&self, fault: Fault, id: ReleaseId, v2: &str, ended: Ended) -> Outcome {
        let (scene, outcome) = (&self.scene, ended.outcome);
        let whole = matches!(outcome, Outcome::Succeeded | Outcome::RolledBack);
        assert!(whole, "{fault:?}: {outcome}: {}", ended.summary);
        let after = if fault == HostTerminated {
            // AWS is not compared: Auto Scaling may have begun to replace the instance, whose tags go with
            // its record.
            scene.judge_telling(&self.events, id, outcome).await;
            Look::at(&scene.lab).await
        } else {
            scene.judge(&self.events, id, outcome, &self.before).await;
            let after = Look::at(&scene.lab).await;
            after.assert_no_tags();
            after
        };
        let image = match outcome {
            Outcome::Succeeded => scene.pinned("search", v2),
            _ => scene.image("search", "v1"),
        };
        let mut left = self.fleet.clone();
        let gone = |instance: &str| {
            let events = self.events.of(id);
            let mut texts = events.iter().map(|event| serde_json::to_string(event).unwrap());
            fault == HostTerminated
                && texts.any(|text| text.contains(instance) && text.contains("terminated"))
        };
        left.instances.retain(|instance| !gone(&instance.id));
        assert!(left.instances.len() >= HOSTS.len() - 1, "{left:?}");
        after.assert_runs(&left, "search", &image);
        outcome
    }
}

/// Writes the profile's file, as a person does who logs in.
fn begin_session(scene: &Scene, key: &str) {
    let profile = format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n");
    std::fs::write(scene.folder().join("session"), profile).unwrap();
}

async fn roll_through(fault: Fault) {
    let began = Instant::now();
    let (bench, worker) = Bench::begin(fault).await;
    let v2 = bench.scene.lab.image("search", "v2", "v2", "ok").await;
    let scratch = tempfile::tempdir().unwrap();
    let load = Load::start(scratch.path(), &bench.fleet.target_groups[0].url, 40).await;
    let id = bench.scene.publish("search", "v2", &[]).await;
    let end = bench.events.end_within(id, LONGEST);
    let (ended, ()) = tokio::join!(end, bench.strike(fault, id));
    bench.mend(fault).await;
    let summary = ended.summary.clone();
    let outcome = bench.judge(fault, id, &v2, ended).await;
    if fault == SessionExpires {
        assert_eq!(outcome, Outcome::Succeeded, "{summary}");
    }
    if matches!(fault, ClockGoesForward | ClockGoesBack) {
        bench.assert_own_time(id, &worker).await;
    }
    let seen = load.stop_unharmed().await;
    eprintln!(
        "  {fault:?}: {outcome}, {} requests, 0 failed, {:.1} s: {summary}",
        seen.requests,
        began.elapsed().as_secs_f64()
    );
    worker.stop().await;
    bench.disk.unmount().await;
    bench.scene.broker.delete().await;
}

#[tokio::test]
async fn whatever_fails_in_mid_roll_it_finishes_or_restores_itself() {
    let wanted = std::env::var("DRAWGATE_FAULTS").unwrap_or_default();
    let faults: Vec<Fault> = match wanted.as_str() {
        "" => SOME.to_vec(),
        "all" => ALL.to_vec(),
        name => ALL
            .into_iter()
            .filter(|fault| format!("{fault:?}").contains(name))
            .collect(),
    };
    assert!(!faults.is_empty(), "DRAWGATE_FAULTS={wanted}: no such fault");
    for fault in faults {
        roll_through(fault).await;
    }
}
