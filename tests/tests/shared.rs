//! Services that share things, released at the same moment: two services on one Auto Scaling group and on the
//! same hosts, and two services that silence the same alarms.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use std::time::Duration;

use drawgate_schemas::{Event, Outcome, ReleaseId, StatusEvent};
use drawgate_tests::lab::{Fleet, HOSTS};
use drawgate_tests::random::{self, Random, number};
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::{Events, Prepared, Scene, Service};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// The services, with their ports on the hosts.
const TWO: [(&str, u16); 2] = [("search", 8080), ("ingest", 8090)];

/// Makes the group `shared-staging` on these hosts, with a target group for each service, both on `v1`.
async fn shared_fleet(scene: &Scene, hosts: &[&str], delay_s: u32) -> Fleet {
    let group = |(name, port): (&str, u16)| {
        json!({"name": format!("{name}-{port}"), "port": port, "deregistration_delay_s": delay_s,
               "listen": port + 20, "health": {"path": "/health", "interval_s": 0.3, "timeout_s": 1,
               "healthy_threshold": 2, "unhealthy_threshold": 2}})
    };
    for (name, port) in TWO {
        scene.v1(name, hosts, &["-p", &format!("{port}:8080")]).await;
    }
    let spec = json!({
        "name": "shared-staging", "hosts": hosts, "target_groups": TWO.map(group), "suspended": ["ScheduledActions"],
        "health_check_type": "ELB", "tags": {"stack": "shared"},
        "alarms": [{"name": "search-5xx", "actions_enabled": true}, {"name": "ingest-5xx", "actions_enabled": true}],
    });
    let fleet = scene.lab.fleet(spec).await;
    scene.lab.all_targets(&fleet, "healthy").await;
    fleet
}

fn on_shared_group(name: &str, port: u16) -> Service {
    let mut service = Service::of(name).on_port(port);
    service.fleet = "auto_scaling_group = \"shared-{environment}\"".to_owned();
    service
}

/// The position of a release's event among all events that were heard.
fn place(events: &Events, id: ReleaseId, kind: &str) -> usize {
    let all = events.all();
    let found = all
        .iter()
        .position(|event| event.release == Some(id) && event.event.kind().name() == kind);
    found.unwrap_or_else(|| panic!("no {kind} of {id}"))
}

/// Asserts that the releases rolled one after the other, each as if it were alone: each suspended all its
/// processes itself, and left alone the process that a person had suspended.
fn assert_one_after_the_other(events: &Events, ids: [ReleaseId; 2]) {
    let mut order = ids;
    order.sort_by_key(|id| place(events, *id, "started"));
    let (ended, started) = (
        place(events, order[0], "succeeded"),
        place(events, order[1], "started"),
    );
    assert!(ended < started, "both rolled at once");
    for id in ids {
        let all = events.of(id);
        let suspended = all.iter().find_map(|event| match &event.event {
            Event::ScalingSuspended(suspension) => Some(suspension.clone()),
            _ => None,
        });
        let suspended = suspended.unwrap_or_else(|| panic!("{id} suspended nothing"));
        assert_eq!(
            suspended.left_alone,
            ["ScheduledActions"],
            "planned beside the other"
        );
        assert_eq!(suspended.processes.len(), 5, "{:?}", suspended.processes);
    }
}

/// Asserts by the lab's record of AWS calls that each release suspended and resumed processes once, and that
/// targets were touched only in between.
fn assert_calls(log: &Value, releases: usize) {
    let calls = log.as_array().unwrap().iter();
    let calls: Vec<&str> = calls.filter_map(|call| call["action"].as_str()).collect();
    let mut suspensions = 0;
    let mut is_suspended = false;
    for call in &calls {
        match *call {
            "autoscaling:SuspendProcesses" => {
                assert!(!is_suspended, "suspended twice");
                (is_suspended, suspensions) = (true, suspensions + 1);
            }
            "autoscaling:ResumeProcesses" => is_suspended = false,
            "elasticloadbalancing:DeregisterTargets" | "elasticloadbalancing:RegisterTargets" => {
                assert!(is_suspended, "{call} while processes run: {calls:?}");
            }
            _ => {}
        }
    }
    assert_eq!((suspensions, is_suspended), (releases, false));
}

async fn images(scene: &Scene, tag: &str) -> [String; 2] {
    [
        scene.lab.image(TWO[0].0, tag, tag, "ok").await,
        scene.lab.image(TWO[1].0, tag, tag, "ok").await,
    ]
}

/// The worker is killed while one release rolls and the other waits: locks belong to releases, not to the
/// process.
#[tokio::test]
async fn trap_07_two_services_roll_when_the_worker_is_killed() {
    let scene = Scene::begin().await;
    for (name, port) in TWO {
        scene.serve(&on_shared_group(name, port));
    }
    let fleet = shared_fleet(&scene, &HOSTS, 1).await;
    let digests = images(&scene, "v2").await;
    let mut roll = Prepared::of(scene, "search", fleet).start().await;
    roll.scene.lab.post("calls/reset", json!({})).await;

    let (one, other) = tokio::join!(
        roll.scene.publish(TWO[0].0, "v2", &[]),
        roll.scene.publish(TWO[1].0, "v2", &[])
    );
    let waits = |event: &drawgate_schemas::StatusEvent| match &event.event {
        Event::WaitsForLock { reason } => Some((event.release.unwrap(), reason.clone())),
        _ => None,
    };
    let (second, told) = roll.events.find("one that waits", waits).await;
    let first = if second == one { other } else { one };
    assert!(
        told.starts_with("group shared-staging is locked by release"),
        "{told}"
    );
    assert!(told.contains(&first.to_string()), "{told}");
    roll.events.kind(first, "scaling_suspended").await;
    roll.worker.kill().await;
    roll.worker = roll.scene.worker().await;

    roll.judge_telling(first, Outcome::Succeeded).await;
    roll.judge(second, Outcome::Succeeded).await;
    assert_one_after_the_other(&roll.events, [one, other]);
    assert_calls(&roll.scene.lab.get("calls/log").await, 2);
    let after = roll.look().await;
    after.assert_no_tags();
    for ((name, _), digest) in TWO.iter().zip(&digests) {
        after.assert_runs(&roll.fleet, name, &roll.scene.pinned(name, digest));
    }
    roll.end_after_kill().await;
}

/// Two services on one group, released at about the same moment, round after round: `DRAWGATE_SHARED_ROUNDS`
/// (3) rounds with delays from `DRAWGATE_SHARED_SEED`. `make shared` runs a hundred.
#[tokio::test]
async fn trap_07_released_at_once_with_random_delays() {
    let rounds = number("DRAWGATE_SHARED_ROUNDS").unwrap_or(3);
    let mut random = random::seeded_by("DRAWGATE_SHARED_SEED");
    let scene = Scene::begin().await;
    for (name, port) in TWO {
        let mut service = on_shared_group(name, port).at_once(2);
        service.allow_outage = true;
        scene.serve(&service);
    }
    let fleet = shared_fleet(&scene, &["h1", "h2"], 0).await;
    let tags = ["v2", "v3"];
    let digests = [images(&scene, tags[0]).await, images(&scene, tags[1]).await];
    let roll = Prepared::of(scene, "search", fleet).start().await;
    let (mut waited, mut slowest) = (0, Duration::ZERO);
    for round in 0..rounds {
        roll.scene.lab.post("calls/reset", json!({})).await;
        let began = Instant::now();
        // The delay is up to about a roll's length, so that the second release comes at any phase of the
        // first, its end included.
        let delay = Duration::from_millis(random.below(4_000));
        let first = usize::from(random.below(2) == 1);
        let which = usize::try_from(round % 2).unwrap();
        let one = roll.scene.publish(TWO[first].0, tags[which], &[]).await;
        sleep(delay).await;
        let other = roll.scene.publish(TWO[1 - first].0, tags[which], &[]).await;
        let context = format!("round {round}, delay {delay:?}, {} first", TWO[first].0);
        for id in [one, other] {
            let ended = roll.events.end(id).await;
            assert_eq!(ended.outcome, Outcome::Succeeded, "{context}: {}", ended.summary);
        }
        assert_one_after_the_other(&roll.events, [one, other]);
        assert_calls(&roll.scene.lab.get("calls/log").await, 2);
        let after = roll.look().await;
        after.assert_aws_as(&roll.before);
        after.assert_no_tags();
        for ((name, _), digest) in TWO.iter().zip(&digests[which]) {
            after.assert_runs(&roll.fleet, name, &roll.scene.pinned(name, digest));
        }
        let is_wait =
            |event: &drawgate_schemas::StatusEvent| matches!(event.event, Event::WaitsForLock { .. });
        waited += usize::from(
            [one, other]
                .iter()
                .any(|id| roll.events.of(*id).iter().any(is_wait)),
        );
        slowest = slowest.max(began.elapsed());
    }
    eprintln!("  {rounds} rounds: in {waited} of them one waited for the other; slowest round {slowest:?}");
    roll.end().await;
}

/// Two services on groups of their own, with their fleets: the alarms of the second one match the patterns of
/// both.
const SHARING: [(&str, &str, u16); 2] = [("search", "h1", 8100), ("search-api", "h2", 8110)];

/// What is to happen in one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// Both releases are good.
    Good,
    /// The image of this one of the two is bad.
    Bad(usize),
    /// The worker is killed, this long after the second release was published.
    Killed(Duration),
}

impl Round {
    /// One of four rounds has a bad image, and one a killed worker; the first three have one of each kind.
    fn of(number: u64, random: &mut Random) -> Self {
        let kind = if number < 3 { number } else { random.below(4) };
        match kind {
            1 => Self::Bad(usize::from(random.below(2) == 1)),
            2 => Self::Killed(Duration::from_millis(random.below(4_000))),
            _ => Self::Good,
        }
    }
}

/// Asserts that neither release waited for the other, or for anything.
fn assert_nobody_waited(events: &Events, ids: [ReleaseId; 2], context: &str) {
    for id in ids {
        let waits = |event: &StatusEvent| matches!(event.event.kind().name(), "waits_for_lock" | "blocked");
        let waited = events.of(id).into_iter().find(waits);
        assert!(waited.is_none(), "{context}: {waited:?}");
    }
}

/// Whether one release silenced alarms before the other one had ended.
fn overlapped(events: &Events, ids: [ReleaseId; 2]) -> bool {
    let all = events.all();
    let place = |id: ReleaseId, which: fn(&Event) -> bool| {
        all.iter()
            .position(|event| event.release == Some(id) && which(&event.event))
    };
    let silenced = |id| place(id, |event| matches!(event, Event::AlarmsSilenced { .. }));
    let ended = |id| place(id, |event| matches!(event, Event::Ended(_)));
    ids.iter().all(|id| silenced(*id).is_some()) && {
        let last_silenced = ids.iter().filter_map(|id| silenced(*id)).max();
        let first_ended = ids.iter().filter_map(|id| ended(*id)).min();
        last_silenced < first_ended
    }
}

/// Two services that silence the same alarms, released at about the same moment, round after round:
/// `DRAWGATE_SHARED_ROUNDS` (3) rounds with delays from `DRAWGATE_SHARED_SEED`. `make shared-alarms` runs a
/// hundred.
#[tokio::test]
async fn trap_38_alarms_that_two_services_share_are_as_before() {
    let rounds = number("DRAWGATE_SHARED_ROUNDS").unwrap_or(3);
    let mut random = random::seeded_by("DRAWGATE_SHARED_SEED");
    let scene = Scene::begin().await;
    let mut fleets = Vec::new();
    for (name, host, listen) in SHARING {
        let mut service = Service::of(name);
        service.allow_outage = true;
        scene.serve(&service);
        scene.v1(name, &[host], &["-p", "8080:8080"]).await;
        for (tag, mode) in [("v2", "ok"), ("v3", "ok"), ("bad", "exit")] {
            scene.lab.image(name, tag, tag, mode).await;
        }
        let fleet = scene
            .lab
            .fleet(fleet_spec(name, &[host], &[(8080, listen)]))
            .await;
        scene.lab.all_targets(&fleet, "healthy").await;
        fleets.push(fleet);
    }
    let mut roll = Prepared::of(scene, SHARING[0].0, fleets.remove(0)).start().await;
    // Which of `v2` and `v3` each service gets next: a service whose release failed stays on the other one.
    let mut next = [0, 0];
    let mut at_once = 0;
    for round in 0..rounds {
        let what = Round::of(round, &mut random);
        // Up to about a roll's length, so that either one may be first to silence, and first to leave.
        let delay = Duration::from_millis(random.below(3_000));
        let first = usize::from(random.below(2) == 1);
        let context = format!(
            "round {round}, {what:?}, delay {delay:?}, {} first",
            SHARING[first].0
        );
        let tag = |which: usize| match what == Round::Bad(which) {
            true => "bad",
            false => ["v2", "v3"][next[which]],
        };
        let one = roll.scene.publish(SHARING[first].0, tag(first), &[]).await;
        sleep(delay).await;
        let other = roll
            .scene
            .publish(SHARING[1 - first].0, tag(1 - first), &[])
            .await;
        if let Round::Killed(after) = what {
            sleep(after).await;
            roll.worker.kill().await;
            roll.worker = roll.scene.worker().await;
        }
        for (id, which) in [(one, first), (other, 1 - first)] {
            let ended = roll.events.end(id).await;
            let expected = match what == Round::Bad(which) {
                true => Outcome::RolledBack,
                false => Outcome::Succeeded,
            };
            assert_eq!(ended.outcome, expected, "{context}: {}", ended.summary);
            next[which] = if expected == Outcome::Succeeded {
                1 - next[which]
            } else {
                next[which]
            };
        }
        let after = roll.look().await;
        after.assert_no_tags();
        after.assert_aws_as(&roll.before);
        assert_nobody_waited(&roll.events, [one, other], &context);
        at_once += u64::from(overlapped(&roll.events, [one, other]));
    }
    eprintln!("  {rounds} rounds: in {at_once} of them both silenced at the same time");
    roll.end_after_kill().await;
}
