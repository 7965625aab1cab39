//! One release on two equal fleets: the model's, and the lab's. Each step is performed on both, and the
//! outcomes and the states afterwards are compared.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use drawgate_lab::lab::Fleet;
use drawgate_rehearsal::World;
use drawgate_rehearsal::world::definition as model_definition;
use drawgate_rollout::definition::{
    AfterDefinition, BeforeDefinition, Canary, FleetSelector, OnFailure, Place, ServiceDefinition, SilenceBy,
    Swap,
};
use drawgate_rollout::{Cause, Entry, Evidence, Failure, Record, Release, Step, StepOutcome};
use drawgate_schemas::{Digest, Environment, ReleaseRequest, Service};
use drawgate_worker::aws::Aws;
use drawgate_worker::clock::RollClock;
use drawgate_worker::effects::{Credentials, Definitions, Effects, LeaseOwner, Login};
use drawgate_worker::host::{HostSettings, Hosts, RegistryCredentials};
use jiff::Timestamp;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::outside::Outside;
use crate::view::{self, View};

/// The name of the service, its container and its repository.
pub(crate) const NAME: &str = "contract";
/// The name of the Auto Scaling group.
pub(crate) const GROUP: &str = "contract-staging";
/// The target groups, both on the port of the container.
pub(crate) const TARGET_GROUPS: [&str; 2] = ["contract-8080", "contract-admin"];
/// The alarm whose actions are on.
pub(crate) const ALARM: &str = "contract-5xx";
/// The parameter with the desired version.
pub(crate) const PARAMETER: &str = "/drawgate/wanted/staging/contract";
/// The parameter's value before the release.
pub(crate) const BEFORE: &str = "a version of before";
/// The parameter with the fleet's lease.
pub(crate) const LEASE: &str = "/drawgate/lease/staging/contract";
/// The table's names for the instances, in their order.
pub(crate) const FIRST: &str = "the first";
pub(crate) const SECOND: &str = "the second";
pub(crate) const HOSTS: [&str; 2] = ["h1", "h2"];

/// Time limit of a step that is to end.
pub(crate) const LONG: Duration = Duration::from_secs(40);
/// Time limit of a step whose answer never comes: looks and calls of the lab take a few milliseconds.
pub(crate) const CUT: Duration = Duration::from_secs(3);

/// The last second of a minute at which a mute rule may be made: on a busy machine a step takes some seconds.
const LATEST_S: u64 = 45;
/// Time between two looks at the lab.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The variant of a bench.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Setup {
    /// Whether alarms are muted by rules; otherwise their actions are disabled.
    pub(crate) mutes: bool,
    /// Whether the earlier version ignores SIGTERM, so that a stop takes as long as it may.
    pub(crate) is_stubborn: bool,
}

/// The same thing of both fleets.
pub(crate) struct Both<T> {
    pub(crate) model: T,
    pub(crate) lab: T,
}

/// The outcome of a step, or what the model did instead.
pub(crate) type Came = Result<StepOutcome, String>;

/// One release on both fleets.
pub(crate) struct Bench {
    pub(crate) outside: Arc<Outside>,
    pub(crate) fleet: Fleet,
    pub(crate) world: World,
    pub(crate) release: Release,
    effects: Effects,
    /// Whether alarms are muted by rules.
    mutes: bool,
    clock: RollClock,
}

struct Files {
    definition: ServiceDefinition,
    password: String,
}

impl Definitions for Files {
    fn of(&self, _: &Environment, _: &Service) -> Result<ServiceDefinition, String> {
        Ok(self.definition.clone())
    }
}

impl Credentials for Files {
    fn of(&self, _: &str) -> Result<Login, String> {
        Ok(Login::With(RegistryCredentials {
            username: "AWS".to_owned(),
            password: self.password.clone(),
        }))
    }
}

impl Bench {
    /// Resets the lab, makes two hosts of one group in two target groups with the earlier version, and copies
    /// them into the model.
    pub(crate) async fn begin(outside: &Arc<Outside>, setup: Setup) -> Self {
        outside.clear_faults().await;
        outside.wake().await;
        outside.lab.reset().await;
        let fleet = fleet(outside, setup).await;
        let repository = format!("{}/{NAME}", outside.lab.registry());
        let v2 = outside.lab.image(NAME, "v2", "v2", "ok").await;
        for host in HOSTS {
            // Images outlive a reset of the lab; the removal may find none.
            outside
                .try_docker(host, &["rmi", &format!("{repository}@{v2}")])
                .await;
        }
        let definition = definition(&repository, setup);
        let files = Arc::new(Files {
            definition: definition.clone(),
            password: outside.lab.registry_password(),
        });
        let settings = HostSettings {
            config_file: Some(outside.lab.ssh_config()),
            ..HostSettings::default()
        };
        let hosts = Hosts::new(settings).unwrap();
        let effects = Effects::new(Aws::connect().await, hosts, files.clone(), files);
        let request = request(&repository);
        let now = Timestamp::now();
        let accepted = Entry {
            n: 1,
            at: now,
            record: Record::Accepted {
                request: Box::new(request.clone()),
                ahead: 0,
                publisher: None,
                approval: None,
            },
        };
        let release = Release::begin(&accepted).unwrap();
        let digest: Digest = effects.digest_of(&request).await.unwrap().unwrap();
        let (snapshot, _) = effects.plan(&request, Some(&digest)).await.unwrap();
        Self {
            world: World::of(request, definition, snapshot),
            outside: Arc::clone(outside),
            fleet,
            release,
            effects,
            mutes: setup.mutes,
            clock: RollClock::set(now),
        }
    }

    /// Closes the connections.
    pub(crate) async fn end(self) {
        self.effects.close().await;
    }

    /// The n-th instance, in the order of a roll.
    pub(crate) fn instance(&self, n: usize) -> String {
        self.fleet.instances[n].id.clone()
    }

    /// The lab's name for the host of the n-th instance.
    pub(crate) fn host(&self, n: usize) -> String {
        self.fleet.instances[n].host.clone()
    }

    /// The instance behind a name of the table.
    pub(crate) fn named(&self, name: &str) -> String {
        self.instance(usize::from(name == SECOND))
    }

    /// The ARNs of the target groups, in the order of a host's targets.
    pub(crate) fn target_groups(&self) -> Vec<String> {
        let targets = &self.world.fleet.hosts[0].targets;
        targets.iter().map(|target| target.target_group.clone()).collect()
    }

    /// The release's id.
    pub(crate) fn id(&self) -> String {
        self.release.request.id.to_string()
    }

    /// Appends a record to the release's journal.
    pub(crate) fn note(&mut self, record: Record) {
        let entry = Entry {
            n: self.release.last_entry + 1,
            at: self.clock.now(),
            record,
        };
        self.release.apply(&entry).unwrap();
    }

    /// The step with this fleet's instances in place of the table's names.
    pub(crate) fn here(&self, step: &Step) -> Step {
        let mut text = serde_json::to_string(step).unwrap();
        for (n, name) in [FIRST, SECOND].iter().enumerate() {
            text = text.replace(&format!("\"{name}\""), &format!("\"{}\"", self.instance(n)));
        }
        serde_json::from_str(&text).unwrap()
    }

    /// Performs a step in the lab and then in the model, as the driver does: its intent is written first, and
    /// the lab's outcome afterwards.
    pub(crate) async fn perform(&mut self, step: &Step, limit: Duration) -> Both<Came> {
        if self.mutes && matches!(step, Step::Silence | Step::Renew) {
            away_from_the_end_of_a_minute().await;
        }
        self.note(Record::Intent { step: step.clone() });
        let deadline = Instant::now() + limit;
        let lab = match step {
            Step::TakeLease | Step::GiveLeaseBack => {
                let lease_owner = LeaseOwner {
                    ledger: "the ledger of this worker".to_owned(),
                    worker: "bastion".to_owned(),
                    epoch: 1,
                };
                self.effects
                    .lease(&self.release, step, &lease_owner, deadline)
                    .await
            }
            // Boxed, as the futures of all cells are, because the SDK's futures are large.
            _ => {
                let performed = self.effects.perform(&self.release, step, deadline, self.clock);
                Box::pin(performed).await
            }
        };
        self.world.now = self.clock.now();
        let (world, release) = (&mut self.world, &self.release);
        // A step on which the model panics is a difference like any other.
        let model = catch_unwind(AssertUnwindSafe(|| world.perform(release, step)));
        self.note(Record::Outcome {
            step: step.clone(),
            outcome: lab.clone(),
        });
        Both {
            model: model.map_err(|_| "panics".to_owned()),
            lab: Ok(lab),
        }
    }

    /// The state of both fleets.
    pub(crate) async fn look(&self) -> Both<View> {
        Both {
            model: view::of_model(&self.world, &self.release),
            lab: Box::pin(view::of_lab(self)).await,
        }
    }

    /// The differences between the two states.
    pub(crate) async fn differences(&self) -> Vec<String> {
        let Both { model, lab } = self.look().await;
        let said = |view: &View, key: &String| view.get(key).cloned().unwrap_or_else(|| "nothing".to_owned());
        let keys: BTreeSet<String> = model.keys().chain(lab.keys()).cloned().collect();
        keys.iter()
            .filter(|key| model.get(*key) != lab.get(*key))
            .map(|key| format!("{key}: model {}, lab {}", said(&model, key), said(&lab, key)))
            .collect()
    }

    /// Performs a preparing step, which has to succeed on both fleets. Where the lab says "not yet", the step is
    /// performed once more in the next minute, as the driver would: a machine that stood still for a while makes
    /// a mute rule too late in its minute.
    pub(crate) async fn bring(&mut self, step: &Step) {
        if matches!(step, Step::Lock) {
            return self.lock();
        }
        let mut both = self.perform(step, LONG).await;
        if matches!(both.lab, Ok(StepOutcome::Transient { .. })) {
            until_the_next_minute().await;
            both = self.perform(step, LONG).await;
        }
        for (who, outcome) in [("the lab", both.lab), ("the model", both.model)] {
            let done = outcome.as_ref().is_ok_and(|outcome| outcome.evidence().is_some());
            assert!(done, "{step} in {who}: {outcome:?}");
        }
    }

    /// Locks are the ledger's, so in the lab no step takes them; the model has its own.
    fn lock(&mut self) {
        let step = Step::Lock;
        self.note(Record::Intent { step: step.clone() });
        self.world.perform(&self.release, &step);
        self.note(Record::Outcome {
            step,
            outcome: StepOutcome::Done {
                evidence: Evidence::Locked { fresh: true },
            },
        });
    }

    /// Begins the rollback of the release.
    pub(crate) fn roll_back(&mut self) {
        let cause = Cause {
            step: Step::Canary,
            failure: Failure::new("as the contract suite has it"),
            attempts: 1,
        };
        self.note(Record::RollingBack { cause });
    }

    /// Keeps draining targets draining, or lets them go.
    pub(crate) async fn hold_draining(&self, hold: bool) {
        for group in TARGET_GROUPS {
            let order = json!({"target_group": group, "hold": hold});
            self.outside.lab.post("drain", order).await;
        }
    }

    /// Waits until the targets of an instance are in these states.
    pub(crate) async fn until_targets(&self, instance: &str, wanted: &[&str]) {
        let began = Instant::now();
        loop {
            let state = self.outside.lab.get("state").await;
            let groups = self.target_groups();
            let seen: Vec<String> = groups
                .iter()
                .map(|arn| view::state_in(&state, arn, instance))
                .collect();
            if seen == wanted {
                return;
            }
            assert!(
                began.elapsed() < LONG,
                "{instance} is {seen:?}, and not {wanted:?}"
            );
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until the load balancer has every target of these instances in this state.
    pub(crate) async fn until_health(&self, instances: &[String], wanted: &str) {
        until_health(&self.outside, instances, wanted).await;
    }
}

/// Waits for the next minute when this one is about to end. A mute rule begins with a full minute: a rule
/// that is made as the minute ends is not active yet at the next look, so the step is to be performed again.
/// That is correct, and unknown to the model.
async fn away_from_the_end_of_a_minute() {
    if second_of_minute() >= LATEST_S {
        until_the_next_minute().await;
    }
}

async fn until_the_next_minute() {
    sleep(Duration::from_secs(60 - second_of_minute())).await;
}

fn second_of_minute() -> u64 {
    Timestamp::now().as_second().rem_euclid(60).unsigned_abs()
}

async fn until_health(outside: &Outside, instances: &[String], wanted: &str) {
    let began = Instant::now();
    loop {
        let state = outside.lab.get("state").await;
        let groups = state["target_groups"].as_array().cloned().unwrap_or_default();
        let targets = groups
            .iter()
            .flat_map(|group| group["targets"].as_array().cloned().unwrap_or_default());
        let seen = targets.filter(|target| target["state"] == wanted);
        let seen: Vec<String> = seen
            .map(|target| target["id"].as_str().unwrap_or_default().to_owned())
            .collect();
        let is_so = |instance: &String| seen.iter().filter(|id| *id == instance).count() == groups.len();
        if instances.iter().all(is_so) {
            return;
        }
        assert!(began.elapsed() < LONG, "not {wanted}: {groups:?}");
        sleep(LOOK_AGAIN).await;
    }
}

async fn fleet(outside: &Outside, setup: Setup) -> Fleet {
    // A tag of its own, because a host that has an image of the tag would not pull the other image.
    let (tag, mode) = match setup.is_stubborn {
        true => ("stubborn", "ignore-term"),
        false => ("v1", "ok"),
    };
    outside.lab.image(NAME, tag, tag, mode).await;
    let image = format!("{}/{NAME}:{tag}", outside.lab.registry());
    for host in HOSTS {
        let order = json!({"image": image, "name": NAME, "args": ["-p", "8080:8080", "--restart", "always"]});
        outside.lab.post(&format!("hosts/{host}/run"), order).await;
    }
    let health = json!({"path": "/health", "interval_s": 0.3, "timeout_s": 1, "healthy_threshold": 2,
                        "unhealthy_threshold": 2});
    let groups: Vec<_> = TARGET_GROUPS
        .iter()
        .zip([8100, 8101])
        .map(|(name, listen)| {
            json!({"name": name, "port": 8080, "deregistration_delay_s": 1, "listen": listen, "health": health})
        })
        .collect();
    // A person has suspended Launch: an instance that the lab launched by itself would have an address
    // without a host.
    let spec = json!({
        "name": GROUP, "hosts": HOSTS, "target_groups": groups, "suspended": ["ScheduledActions", "Launch"],
        "health_check_type": "EC2",
        "alarms": [{"name": ALARM, "actions_enabled": true},
                   {"name": format!("{NAME}-latency"), "actions_enabled": false}],
    });
    let mut fleet = outside.lab.fleet(spec).await;
    fleet.instances.sort();
    outside.set_parameter(PARAMETER, Some(BEFORE)).await;
    until_health(outside, &fleet.ids(), "healthy").await;
    fleet
}

fn request(repository: &str) -> ReleaseRequest {
    let request = json!({
        "version": 1,
        "id": "0190f6f0-0000-7000-8000-0000000000c0",
        "environment": "staging",
        "service": NAME,
        "image": format!("{repository}:v2"),
        "requested_at": "2026-01-01T00:00:00Z",
    });
    serde_json::from_value(request).unwrap()
}

/// The model's own service on the lab's fleet, with times as short as the lab's, and with every feature that
/// a service can have.
fn definition(repository: &str, setup: Setup) -> ServiceDefinition {
    let mut definition = model_definition();
    definition.service = NAME.parse().unwrap();
    definition.fleet = FleetSelector::AutoScalingGroup(GROUP.to_owned());
    let roll = &mut definition.roll;
    roll.canary = Some(Canary {
        instances: 1,
        bake_ms: 500,
    });
    roll.min_healthy_time_ms = 200;
    roll.min_drain_ms = 500;
    roll.drain_timeout_ms = 20_000;
    roll.healthy_timeout_ms = 30_000;
    roll.poll_interval_ms = 200;
    roll.min_disk_free_bytes = 1 << 20;
    roll.watch_hosts = true;
    if let Swap::Container(container) = &mut definition.swap {
        container.name = NAME.to_owned();
        container.ports[0].container = 8080;
        container.stop_timeout_s = 3;
    }
    let alarms = &mut definition.alarms;
    alarms.silence = vec![format!("{NAME}-*")];
    alarms.watch = vec![ALARM.to_owned()];
    alarms.watch_interval_ms = 1_000;
    alarms.bake_ms = 500;
    if setup.mutes {
        alarms.by = SilenceBy::MuteRule;
    }
    definition.wanted_parameter = Some(PARAMETER.to_owned());
    definition.lease_parameter = Some(LEASE.to_owned());
    definition.images = vec![repository.to_owned()];
    definition.before = Some(BeforeDefinition {
        run: ["/bin/sh", "-c", "echo migrated"].map(str::to_owned).into(),
        env: [].into(),
        reversible: true,
        timeout_ms: 20_000,
    });
    definition.after = Some(AfterDefinition {
        run: ["/bin/sh", "-c", "echo browsed"].map(str::to_owned).into(),
        place: Place::Container { image: None },
        env: [].into(),
        attempts: 1,
        interval_ms: 1_000,
        timeout_ms: 20_000,
        on_failure: OnFailure::RollBack,
    });
    definition
}
