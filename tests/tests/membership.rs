//! An instance launched at each phase of a roll ends on the desired version; a roll goes on without an
//! instance that is terminated at any phase.
//!
//! Releases follow one another on one fleet. While the first of each pair is rolled on two hosts, a third one
//! is launched, which boots the version that is desired at that moment; while the second is rolled on three,
//! the third is terminated and its host dies. `make test` takes a few phases, by a seed that is printed
//! (`DRAWGATE_SEED` repeats it); `make membership` takes all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use std::time::{Instant, SystemTime};

use drawgate_schemas::{Direction, HostPhase, Outcome, ReleaseId};
use drawgate_tests::lab::TWO;
use drawgate_tests::oracle::Look;
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::wait::until;
use drawgate_tests::{Events, Prepared, Rolling, Scene, Service};
use serde_json::{Value, json};

const DESIRED: &str = "/drawgate/wanted/staging/search";
const GROUP: &str = "search-staging";

/// Number of pairs of releases that `make test` takes.
const A_FEW: usize = 2;

/// A moment of a roll, named by the event that tells of it.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Kind(&'static str),
    Phase(HostPhase, usize),
}

fn moments(hosts: usize) -> Vec<Moment> {
    const PHASES: [HostPhase; 7] = [
        HostPhase::Deregistering,
        HostPhase::Draining,
        HostPhase::Swapping,
        HostPhase::Verifying,
        HostPhase::Registering,
        HostPhase::AwaitingHealthy,
        HostPhase::Done,
    ];
    let kinds = [
        "started",
        "staged",
        "scaling_suspended",
        "alarms_silenced",
        "desired_published",
        "scaling_resumed",
        "alarms_unsilenced",
    ];
    let phases = (1..=hosts).flat_map(|n| PHASES.map(|phase| Moment::Phase(phase, n)));
    kinds.map(Moment::Kind).into_iter().chain(phases).collect()
}

/// All moments, or a few of them by the seed.
fn chosen(all: Vec<Moment>, seed: u64, every: bool) -> Vec<Moment> {
    if every {
        return all;
    }
    let mut state = seed | 1;
    let pick = |_| {
        // xorshift64: any spread will do, and it needs no library.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all[usize::try_from(state % all.len() as u64).unwrap()]
    };
    (0..A_FEW).map(pick).collect()
}

struct Course {
    scene: Scene,
    events: Events,
    version: usize,
}

impl Course {
    async fn publish(&mut self) -> (ReleaseId, String) {
        self.version += 1;
        let tag = format!("v{}", self.version);
        let digest = self.scene.lab.image("search", &tag, &tag, "ok").await;
        let id = self.scene.publish("search", &tag, &[]).await;
        (id, self.scene.pinned("search", &digest))
    }

    async fn reached(&self, id: ReleaseId, moment: Moment) {
        match moment {
            Moment::Kind(kind) => drop(self.events.kind(id, kind).await),
            Moment::Phase(phase, n) => {
                self.events.nth_phase(id, Direction::Forward, phase, n).await;
            }
        }
    }

    async fn members(&self) -> Vec<Value> {
        let state = self.scene.lab.get("state").await;
        state["groups"][0]["instances"].as_array().cloned().unwrap()
    }

    /// Launches an instance on the third host at that moment, and boots it.
    async fn launched_at(&mut self, moment: Moment) -> String {
        let (id, image) = self.publish().await;
        self.reached(id, moment).await;
        let order = json!({"group": GROUP, "host": "h3", "pending_s": 1});
        let launched = self.scene.lab.post("group/launch", order).await;
        let boot = self.scene.lab.boot("h3", DESIRED, &[]).await;
        assert_eq!(boot.code, Some(0), "{moment:?}: {}", boot.said);
        self.scene
            .judge_telling(&self.events, id, Outcome::Succeeded)
            .await;
        let look = Look::at(&self.scene.lab).await;
        for host in ["h1", "h2", "h3"] {
            let container = look.container(host, "search");
            assert_eq!(
                (&container.image, container.running),
                (&image, true),
                "{host}, {moment:?}"
            );
        }
        until("three healthy targets", || async {
            let targets = self.scene.lab.targets("search-8080").await;
            (targets.len() == 3 && targets.iter().all(|(_, state)| state == "healthy")).then_some(())
        })
        .await;
        launched["id"].as_str().unwrap().to_owned()
    }

    /// Terminates the third instance at that moment and kills its host, whose address then falls silent, or
    /// refuses.
    async fn terminated_at(&mut self, moment: Moment, instance: &str, silent: bool) {
        let (id, image) = self.publish().await;
        self.reached(id, moment).await;
        let lab = &self.scene.lab;
        lab.post("instance/terminate", json!({"id": instance})).await;
        if silent {
            lab.post("hosts/h3/stop", json!({})).await;
        } else {
            lab.kill_host("h3").await;
        }
        self.scene
            .judge_telling(&self.events, id, Outcome::Succeeded)
            .await;
        // Once Auto Scaling's own processes run again, the group notices too.
        until("the group has two members", || async {
            (self.members().await.len() == 2).then_some(())
        })
        .await;
        lab.post("hosts/h3/start", json!({})).await;
        lab.on_host("h3", "docker rm -f $(docker ps -aq) >/dev/null")
            .await;
        let look = Look::at(lab).await;
        for host in ["h1", "h2"] {
            let container = look.container(host, "search");
            assert_eq!(
                (&container.image, container.running),
                (&image, true),
                "{host}, {moment:?}"
            );
        }
    }
}

fn seed() -> u64 {
    let given = std::env::var("DRAWGATE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        u64::try_from(now.unwrap().as_millis()).unwrap()
    })
}

#[tokio::test]
async fn trap_03_and_trap_10_members_come_and_go_at_each_phase() {
    let every = std::env::var("DRAWGATE_MEMBERSHIP").is_ok_and(|value| value == "all");
    let seed = seed();
    let mut spec = fleet_spec("search", &TWO, &[(8080, 8100)]);
    // The group must not launch a replacement, which would be on no host of the lab.
    spec["suspended"] = json!(["Launch"]);
    let beginning = Rolling::with(Service::of("search").publishing()).on_fleet(spec);
    let Prepared { scene, .. } = beginning.prepare().await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let mut course = Course {
        scene,
        events,
        version: 1,
    };
    let (id, _) = course.publish().await;
    course
        .scene
        .judge_telling(&course.events, id, Outcome::Succeeded)
        .await;

    let launches = chosen(moments(2), seed, every);
    let terminations = chosen(moments(3), seed.rotate_left(32), every);
    eprintln!("  seed {seed}: launched at {launches:?}, terminated at {terminations:?}");
    let pairs = launches.len().max(terminations.len());
    for n in 0..pairs {
        let (launch, terminate) = (launches[n % launches.len()], terminations[n % terminations.len()]);
        let begun = Instant::now();
        let instance = course.launched_at(launch).await;
        let between = Instant::now();
        course.terminated_at(terminate, &instance, n % 4 == 0).await;
        eprintln!(
            "  {} of {pairs}: launched at {launch:?} {:.1} s, terminated at {terminate:?} {:.1} s",
            n + 1,
            (between - begun).as_secs_f64(),
            between.elapsed().as_secs_f64(),
        );
    }
    course.scene.end(worker).await;
}
