//! A host that is not well while the fleet is rolled: EC2 says `running`, and the load balancer says `unhealthy`, or
//! its container restarts. Where it runs the new version and its engine answers, it speaks against the version;
//! otherwise it is sick by itself. The fleet has four hosts, rolled one at a time; the first to the fourth are
//! numbered in the order of the roll.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Direction, Event, HostPhase, HostSick, Outcome, ReleaseId, SickAnswer};
use drawgate_tests::lab::TWO;
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::{Fleet, Rolling, Service};
use serde_json::{Value, json};

/// Four hosts on version `v1`, and a release of `v2` that has begun.
struct Rolled {
    roll: Rolling,
    id: ReleaseId,
}

const HOSTS: [&str; 4] = ["h1", "h2", "h3", "h4"];

impl Rolled {
    async fn begin(service: Service, change: impl FnOnce(&mut Value)) -> Self {
        assert!(
            drawgate_tests::lab::hosts().len() >= HOSTS.len(),
            "needs a lab of four hosts: DRAWGATE_LAB_HOSTS=4, as `make e2e` has it"
        );
        let mut spec = fleet_spec("search", &HOSTS, &[(8080, 8100)]);
        change(&mut spec);
        let roll = Rolling::with(service).on_fleet(spec).image("v2").begin().await;
        let id = roll.publish("v2").await;
        Self { roll, id }
    }

    /// Waits until the n-th host drains on the way forward.
    async fn drains(&self, n: usize) {
        let nth = self
            .roll
            .events
            .nth_phase(self.id, Direction::Forward, HostPhase::Draining, n)
            .await;
        assert_eq!(nth, self.instance(n));
    }

    fn instance(&self, n: usize) -> String {
        self.roll.fleet.in_order()[n - 1].id.clone()
    }

    /// Signals the application of the n-th host: it hangs while its port stays open (`STOP`), or answers
    /// again (`CONT`).
    async fn signal(&self, n: usize, signal: &str) {
        let host = &self.roll.fleet.in_order()[n - 1].host;
        let kill = format!("docker kill --signal={signal} search");
        self.roll.scene.lab.on_host(host, &kill).await;
    }

    /// Signals a whole host: its application, and its engine.
    async fn signal_host(&self, n: usize, signal: &str) {
        let host = &self.roll.fleet.in_order()[n - 1].host;
        // An engine that hangs signals no container.
        if signal == "STOP" {
            self.signal(n, signal).await;
        }
        self.roll.scene.lab.signal_on(host, "dockerd", signal).await;
        if signal == "CONT" {
            self.signal(n, signal).await;
        }
    }

    /// Asserts that the release was rolled back because this host speaks against the version.
    async fn speaks_against(&self, n: usize, words: &str) {
        speaks_against(&self.roll, self.id, &self.instance(n), words).await;
    }

    /// The event that tells what the release does about a sick host.
    async fn told(&self) -> HostSick {
        match self.roll.events.kind(self.id, "host_sick").await.event {
            Event::HostSick(sick) => sick,
            other => panic!("{other:?}"),
        }
    }

    fn told_of(&self, sick: &HostSick, n: usize) {
        assert_eq!(sick.instances, [self.instance(n)]);
        assert_eq!(
            (sick.target_group.as_str(), sick.healthy, sick.floor),
            ("search-8080", 3, 3)
        );
    }

    /// Asserts that every host serves this image.
    async fn all_on(&self, image: &str) {
        self.roll.scene.lab.all_targets(&self.roll.fleet, "healthy").await;
        self.roll
            .look()
            .await
            .assert_runs(&self.roll.fleet, "search", image);
    }

    async fn ends(&self, outcome: Outcome) -> drawgate_schemas::Ended {
        self.roll.judge(self.id, outcome).await
    }

    /// The hosts that were rolled, in order.
    fn through(&self) -> Vec<String> {
        let done = |event: drawgate_schemas::StatusEvent| match event.event {
            Event::Host(host) if host.phase == HostPhase::Done => Some(host.instance),
            _ => None,
        };
        self.roll
            .events
            .of(self.id)
            .into_iter()
            .filter_map(done)
            .collect()
    }

    fn v2(&self) -> String {
        self.roll.pinned("v2")
    }
}

fn service(sick_wait: &str) -> Service {
    let mut service = Service::of("search");
    service.roll = format!("sick_wait = \"{sick_wait}\"");
    service
}

async fn speaks_against(roll: &Rolling, id: ReleaseId, instance: &str, words: &str) {
    let ended = roll.judge(id, Outcome::RolledBack).await;
    let summary = format!("{instance}: {words}");
    assert!(ended.summary.starts_with(&summary), "{}", ended.summary);
    let turned = roll.events.kind(id, "rolling_back").await.event;
    let Event::RollingBack {
        reason,
        instance: Some(named),
    } = &turned
    else {
        panic!("{turned:?}");
    };
    assert!(named == instance && reason.starts_with(words), "{turned:?}");
    assert!(ended.hint.unwrap().contains("--logs"));
    roll.assert_containers_as_before().await;
}

/// Makes Auto Scaling ignore the load balancer, so that it does not replace a host that hangs.
fn not_replaced(spec: &mut Value) {
    spec["health_check_type"] = json!("EC2");
}

/// (a) A host hangs before it is rolled: it is rolled next, which takes no serving host out, and the new
/// version cures it.
#[tokio::test]
async fn trap_34_one_that_hangs_before_its_turn_is_rolled_next() {
    let rolled = Rolled::begin(service("1m"), |_| {}).await;
    rolled.drains(1).await;
    rolled.signal(4, "STOP").await;
    let sick = rolled.told().await;
    rolled.told_of(&sick, 4);
    assert_eq!(sick.answer, SickAnswer::RolledNext);
    rolled.ends(Outcome::Succeeded).await;
    rolled.all_on(&rolled.v2()).await;
    // The load balancer takes a moment to notice: the second host may have gone out before.
    let through = rolled.through();
    let place = |n: usize| through.iter().position(|id| *id == rolled.instance(n));
    assert!(place(4) < place(3), "{through:?}");
    rolled.roll.end().await;
}

/// A host hangs after it was rolled, while another is out: its check fails with the new version, so nothing more is
/// begun, and the release is rolled back.
#[tokio::test]
async fn trap_34_a_rolled_host_that_fails_its_check_rolls_back() {
    let rolled = Rolled::begin(service("1m"), not_replaced).await;
    rolled.drains(2).await;
    rolled.signal(1, "STOP").await;
    rolled.speaks_against(1, "fails its check in search-8080: ").await;
    let through = rolled.through();
    assert!(!through.contains(&rolled.instance(4)), "{through:?}");
    rolled.all_on(&rolled.roll.scene.image("search", "v1")).await;
    rolled.roll.end().await;
}

/// A container ends while the fleet bakes, and its engine restarts it: it serves again at once, and speaks against
/// the version all the same.
#[tokio::test]
async fn trap_34_a_container_that_restarts_in_the_bake_rolls_back() {
    let mut service = Service::of("search");
    service.alarms = "bake = \"1m\"".to_owned();
    let roll = Rolling::with(service).on(&TWO).image("v2").begin().await;
    let id = roll.publish("v2").await;
    roll.events.kind(id, "baking").await;
    let first = &roll.fleet.in_order()[0];
    let ends = "docker exec search /bin/busybox kill 1";
    roll.scene.lab.on_host(&first.host, ends).await;
    let words = "the container has restarted once since the host's turn";
    speaks_against(&roll, id, &first.id, words).await;
    roll.end().await;
}

/// (b) A host hangs as a whole after it was rolled, while another is out, and gets well. Until then no host is taken
/// out, and the processes that replace sick hosts run. The host that was out is marked unhealthy meanwhile;
/// it is not terminated.
#[tokio::test]
async fn trap_34_one_that_hangs_after_its_turn_is_waited_for() {
    let rolled = Rolled::begin(service("1m"), not_replaced).await;
    rolled.drains(2).await;
    rolled.signal_host(1, "STOP").await;
    let marked = rolled.instance(2);
    let unhealthy = [
        "autoscaling",
        "set-instance-health",
        "--health-status",
        "Unhealthy",
        "--instance-id",
    ];
    rolled
        .roll
        .scene
        .lab
        .aws(&[&unhealthy[..], &[&marked]].concat())
        .await;
    let sick = rolled.told().await;
    rolled.told_of(&sick, 1);
    assert!(matches!(sick.answer, SickAnswer::Waits { .. }), "{sick:?}");
    let resumed = rolled.roll.events.kind(rolled.id, "scaling_resumed").await;
    let Event::ScalingResumed(suspension) = resumed.event else {
        panic!("{resumed:?}")
    };
    assert_eq!(suspension.processes, ["HealthCheck", "ReplaceUnhealthy"]);
    // On a busy machine the third host may have gone out before the load balancer noticed; then the fourth
    // has to wait.
    let through = rolled.through();
    let all = [1, 2, 3].map(|n| rolled.instance(n));
    assert!(all.starts_with(&through) && through.len() >= 2, "{through:?}");
    rolled.signal_host(1, "CONT").await;
    rolled.roll.events.kind(rolled.id, "sick_wait_over").await;
    rolled.ends(Outcome::Succeeded).await;
    rolled.all_on(&rolled.v2()).await;
    assert_suspended_when_taken_out(&rolled.roll.scene.lab.get("calls/log").await);
    rolled.roll.end().await;
}

/// Asserts that no target is deregistered while the processes that replace hosts run.
fn assert_suspended_when_taken_out(log: &Value) {
    let (mut runs, mut resumed) = (false, 0);
    for call in log.as_array().unwrap() {
        let (action, text) = (call["action"].as_str().unwrap(), call.to_string());
        match action.rsplit(':').next().unwrap() {
            "SuspendProcesses" if text.contains("ReplaceUnhealthy") => runs = false,
            "ResumeProcesses" if text.contains("ReplaceUnhealthy") => {
                runs = true;
                resumed += 1;
            }
            "DeregisterTargets" => assert!(!runs, "{call}"),
            _ => {}
        }
    }
    assert_eq!(resumed, 2, "in the wait, and at the end");
}

/// (c) A host hangs as a whole after it was rolled, while another is out, and Auto Scaling terminates it: the roll goes
/// on without it. Launch is suspended by a person here, so no replacement comes.
#[tokio::test]
async fn trap_34_one_that_hangs_is_replaced_while_it_is_waited_for() {
    let rolled = Rolled::begin(service("1m"), |spec| {
        spec["suspended"] = json!(["Launch", "ScheduledActions"])
    })
    .await;
    rolled.drains(2).await;
    rolled.signal_host(1, "STOP").await;
    let sick = rolled.told().await;
    rolled.told_of(&sick, 1);
    rolled.roll.events.kind(rolled.id, "sick_wait_over").await;
    let host = &rolled.roll.fleet.in_order()[0].host;
    rolled.roll.scene.lab.try_signal_on(host, "dockerd", "CONT").await;
    let Rolled { roll, id } = rolled;
    roll.judge_telling(id, Outcome::Succeeded).await;
    roll.scene.lab.all_targets(&roll.fleet, "healthy").await;
    let left: Vec<_> = roll.fleet.in_order().into_iter().skip(1).collect();
    let targets = roll.scene.lab.targets("search-8080").await;
    assert_eq!(targets.len(), left.len(), "{targets:?}");
    let rest = Fleet {
        instances: left,
        ..roll.fleet.clone()
    };
    roll.look().await.assert_runs(&rest, "search", &roll.pinned("v2"));
    roll.end().await;
}

/// A host hangs after it was rolled, hosts are not watched, and nobody cures it: the release rolls back, and names
/// the sick host. The rollback cures it here.
#[tokio::test]
async fn trap_34_past_sick_wait_the_release_is_rolled_back() {
    let mut service = service("2s");
    service.roll += "\nwatch_hosts = false";
    let rolled = Rolled::begin(service, not_replaced).await;
    rolled.drains(2).await;
    rolled.signal(1, "STOP").await;
    let ended = rolled.ends(Outcome::RolledBack).await;
    let sick = rolled.instance(1);
    for words in [
        sick.as_str(),
        "search-8080 has 3 healthy targets, and 3 must be left",
    ] {
        assert!(ended.summary.contains(words), "{}", ended.summary);
    }
    let turned = rolled.roll.events.kind(rolled.id, "rolling_back").await;
    assert!(
        matches!(turned.event, Event::RollingBack { instance: None, .. }),
        "{turned:?}"
    );
    let told: Vec<SickAnswer> = rolled
        .roll
        .events
        .of(rolled.id)
        .into_iter()
        .filter_map(|event| match event.event {
            Event::HostSick(sick) => Some(sick.answer),
            _ => None,
        })
        .collect();
    assert!(
        matches!(told[..], [SickAnswer::Waits { .. }, SickAnswer::RolledBack]),
        "{told:?}"
    );
    rolled.all_on(&rolled.roll.scene.image("search", "v1")).await;
    rolled.roll.assert_containers_as_before().await;
    rolled.roll.end().await;
}

/// (d) A host hangs during rollback, untouched and on the earlier version: the others roll back without it.
#[tokio::test]
async fn trap_34_nobody_is_left_half_way_when_one_hangs_in_rollback() {
    let mut service = service("1m");
    service.container = "volumes = [\"/home/deploy/conf:/conf\"]".to_owned();
    let check = "! /bin/busybox grep -qx $APP_VERSION /conf/broken";
    service.verify = Some(format!(
        "command = [\"/bin/sh\", \"-c\", \"{check}\"]\nattempts = 1"
    ));
    let rolled = Rolled::begin(service, not_replaced).await;
    for n in 1..=4 {
        let host = &rolled.roll.fleet.in_order()[n - 1].host;
        let text = if n == 3 { "v2" } else { "nothing" };
        let broken = format!("mkdir -p conf; echo {text} >conf/broken");
        rolled.roll.scene.lab.on_host(host, &broken).await;
    }
    rolled.drains(3).await;
    rolled.signal(4, "STOP").await;
    let ended = rolled.roll.judge_telling(rolled.id, Outcome::RolledBack).await;
    assert_eq!(ended.receipt.unwrap().leftovers, Vec::new());
    let targets = rolled.roll.scene.lab.targets("search-8080").await;
    let sick: Vec<_> = targets.iter().filter(|(_, state)| state != "healthy").collect();
    assert_eq!(sick, [&(rolled.instance(4), "unhealthy".to_owned())]);
    rolled.signal(4, "CONT").await;
    rolled.all_on(&rolled.roll.scene.image("search", "v1")).await;
    let after = rolled.roll.look().await;
    after.assert_aws_as(&rolled.roll.before);
    after.assert_containers_as(&rolled.roll.before);
    rolled.roll.end().await;
}
