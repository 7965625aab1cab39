//! A small fleet in virtual time. `perform` does to it what the worker's effects do to the real one: each looks, acts,
//! confirms, and may be repeated. Faults stand in for AWS, Docker and SSH on a bad day.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_rollout::definition::{
    AfterDefinition, AlarmDefinition, BeforeDefinition, CommandDefinition, CommandPlace, ContainerDefinition,
    FleetSelector, OnFailure, Place, PortMapping, Probe, Process, Protocol, RestartPolicy, RollPolicy,
    ServiceDefinition, SilenceBy, Surroundings, Swap, VerifyDefinition, VersionDefinition,
};
use drawgate_rollout::{
    AlarmSnapshot, BESIDE_WORKER, ContainerSnapshot, Evidence, Failure, Finding, FleetSnapshot,
    GroupSnapshot, HostPlan, HostSnapshot, HostView, ImageSnapshot, LABEL_RELEASE, MemberSnapshot, Newcomer,
    Observation, ObservedGroup, ObservedHost, ObservedParameter, ObservedTarget, Phase, Plan, Release,
    ScheduledAction, Step, StepOutcome, Stranger, TargetGroupSnapshot, TargetSnapshot, WantedPlan,
    WantedSnapshot, WatchPlan, limits, newcomer, plan,
};
use drawgate_schemas::{Digest, Direction, ReleaseRequest};
use jiff::Timestamp;
use serde_json::json;

pub(crate) const GROUP: &str = "web-asg";
pub(crate) const TARGET_GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web/1";
pub(crate) const ALARM: &str = "web-5xx";
/// The wanted version's parameter, and what this release puts there.
pub(crate) const PARAMETER: &str = "/drawgate/wanted/staging/api";
pub(crate) const VALUE: &str = "main-42";
pub(crate) const NAME: &str = "api";
pub(crate) const REPOSITORY: &str = "registry.example.com/team/api";
const OLD_IMAGE: &str = "registry.example.com/team/api:main-41";

pub(crate) fn digest(of: char) -> Digest {
    format!("sha256:{}", of.to_string().repeat(64)).parse().unwrap()
}

pub(crate) fn request() -> ReleaseRequest {
    serde_json::from_value(json!({
        "version": 1,
        "id": "0190f6f0-0000-7000-8000-000000000001",
        "environment": "staging",
        "service": "api",
        "image": format!("{REPOSITORY}:main-42"),
        "requested_at": "2026-01-01T00:00:00Z",
    }))
    .unwrap()
}

pub(crate) fn definition() -> ServiceDefinition {
    ServiceDefinition {
        service: "api".parse().unwrap(),
        environment: "staging".parse().unwrap(),
        fleet: FleetSelector::AutoScalingGroup(GROUP.to_owned()),
        roll: RollPolicy {
            max_unavailable: 1.into(),
            canary: None,
            zone_by_zone: false,
            max_pause_ms: 3_600_000,
            failure_budget: 0,
            max_roll_ms: 3_600_000,
            allow_missed_actions: false,
            allow_outage: false,
            min_healthy_time_ms: 2_000,
            min_drain_ms: 5_000,
            drain_timeout_ms: 60_000,
            healthy_timeout_ms: 120_000,
            poll_interval_ms: 1_000,
            pull_concurrency: 2,
            pull_timeout_ms: 300_000,
            min_disk_free_bytes: 1 << 30,
        },
        swap: Swap::Container(container_definition()),
        verify: VerifyDefinition {
            probe: Probe::Running,
            attempts: 3,
            interval_ms: 7_000,
            timeout_ms: 5_000,
        },
        alarms: AlarmDefinition {
            silence: vec!["web-*".to_owned()],
            ..AlarmDefinition::default()
        },
        suspend: Process::DEFAULT.to_vec(),
        wanted_parameter: None,
        lease_parameter: None,
        approval: None,
        images: vec![REPOSITORY.to_owned()],
        before: None,
        after: None,
    }
}

fn container_definition() -> ContainerDefinition {
    ContainerDefinition {
        name: NAME.to_owned(),
        ports: vec![PortMapping {
            address: None,
            host: 8080,
            container: 80,
            protocol: Protocol::Tcp,
        }],
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        volumes: Vec::new(),
        network: None,
        restart: RestartPolicy::UnlessStopped,
        memory_bytes: None,
        nano_cpus: None,
        log_driver: None,
        log_options: BTreeMap::new(),
        labels: BTreeMap::new(),
        command: None,
        stop_timeout_s: 10,
        keep_images: 1,
    }
}

/// One container.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Container {
    pub(crate) running: bool,
    pub(crate) restart: RestartPolicy,
    pub(crate) labels: BTreeMap<String, String>,
}

/// The state of a host's one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Absent,
    Draining,
    Registered,
}

/// Which container has the service's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Old,
    New,
}

/// One instance.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Host {
    pub(crate) member: bool,
    pub(crate) target: Target,
    /// What fate does to its health, whatever runs.
    pub(crate) sick: bool,
    /// Its sickness was the old version's.
    pub(crate) healed_by_new: bool,
    pub(crate) old: Option<Container>,
    pub(crate) new: Option<Container>,
    pub(crate) named: Option<Which>,
    pub(crate) tagged: bool,
    /// Whether a step that changes what it serves was performed on it.
    pub(crate) disturbed: bool,
}

impl Host {
    pub(crate) fn running(&self) -> usize {
        [&self.old, &self.new]
            .into_iter()
            .flatten()
            .filter(|container| container.running)
            .count()
    }

    pub(crate) fn healthy(&self) -> bool {
        let sick = self.sick && !(self.healed_by_new && self.new.as_ref().is_some_and(|new| new.running));
        self.member && self.target == Target::Registered && self.running() == 1 && !sick
    }

    fn named(&self) -> Option<(Which, &Container)> {
        match self.named? {
            Which::Old => self.old.as_ref().map(|container| (Which::Old, container)),
            Which::New => self.new.as_ref().map(|container| (Which::New, container)),
        }
    }

    fn serving(&self, direction: Direction) -> Option<&Container> {
        match direction {
            Direction::Forward => self.new.as_ref(),
            Direction::Back => self.old.as_ref(),
        }
    }
}

/// How far the container of `[before]` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OneOff {
    Created,
    Running,
    Exited,
}

/// What goes wrong in place of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Refused,
    Transient,
    UnknownDone,
    UnknownNotDone,
    UnknownHalf,
    RefusedHalf,
    Gone,
}

/// How far an effect came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    None,
    Half,
    Whole,
}

/// Who has the fleet's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tenant {
    Us,
    /// A worker with another ledger.
    Another,
}

/// Another release that rolls the same group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Other {
    /// How often the lock is asked for in vain before it ends.
    pub(crate) outlasts: usize,
    /// Whether it ends by itself before the lock is asked for at all.
    pub(crate) is_about_to_end: bool,
}

/// Everything a release may touch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct World {
    pub(crate) hosts: BTreeMap<String, Host>,
    pub(crate) suspended: BTreeSet<String>,
    pub(crate) group_tag: Option<String>,
    pub(crate) alarms: BTreeMap<String, bool>,
    /// Alarms that carry the release's tag.
    pub(crate) alarm_tags: BTreeSet<String>,
    /// Alarms that somebody switches off when that step is performed, whatever we had made of them.
    pub(crate) switched_off: Vec<(Step, String)>,
    /// The end of the mute rule, if there is one.
    pub(crate) muted_until: Option<Timestamp>,
    /// The moment of the performance.
    pub(crate) now: Timestamp,
    /// Alarms in ALARM.
    pub(crate) firing: BTreeSet<String>,
    /// Alarms that go into ALARM when that step is performed.
    pub(crate) fires: Vec<(Step, String)>,
    pub(crate) definition: ServiceDefinition,
    /// What is locked for the release.
    pub(crate) locked: BTreeSet<String>,
    /// Another release that has the group.
    pub(crate) other: Option<Other>,
    /// How often a release has ended that had locks.
    pub(crate) frees: usize,
    /// What the worker remembers of its last look: what was locked for it then, and `frees`. Gone with the process.
    pub(crate) noted: Option<(BTreeSet<String>, usize)>,
    /// Faults yet to come: how often, for which step.
    pub(crate) faults: Vec<(Step, Fault, usize)>,
    /// Whether the zones of the target group are told apart.
    pub(crate) zonal: bool,
    /// Scheduled actions of the group.
    pub(crate) scheduled: Vec<ScheduledAction>,
    /// Members that join when that step is performed.
    pub(crate) arrivals: Vec<(Step, String)>,
    /// Members that are terminated when that step is performed.
    pub(crate) departures: Vec<(Step, String)>,
    /// Who has the fleet's lease.
    pub(crate) tenant: Option<Tenant>,
    /// The parameter of the wanted version.
    pub(crate) parameter: Option<String>,
    /// Whether instances start at boot what the parameter wants.
    pub(crate) boots: bool,
    /// Members that are on their way in, and stay so for so many looks.
    pub(crate) pending: BTreeMap<String, usize>,
    /// The one-off container of `[before]`.
    pub(crate) one_off: Option<OneOff>,
    /// How often `[before]` ran.
    pub(crate) before_runs: u32,
    /// With which exit code it ends.
    pub(crate) before_code: i64,
    /// Rules that a performance broke.
    pub(crate) broken: Vec<String>,
    /// What was performed, in its order.
    pub(crate) performed: Vec<Step>,
}

pub(crate) fn old_container() -> Container {
    Container {
        running: true,
        restart: RestartPolicy::Always,
        labels: BTreeMap::new(),
    }
}

pub(crate) fn fresh_host() -> Host {
    Host {
        member: true,
        target: Target::Registered,
        sick: false,
        healed_by_new: false,
        old: Some(old_container()),
        new: None,
        named: Some(Which::Old),
        tagged: false,
        disturbed: false,
    }
}

/// Instances with an odd number are in one zone, those with an even one in the other.
pub(crate) fn zone(instance: &str) -> &'static str {
    let n: usize = instance.trim_start_matches("i-").parse().unwrap_or(0);
    if n.is_multiple_of(2) {
        "eu-west-1b"
    } else {
        "eu-west-1a"
    }
}

/// An instance whose boot script started this release.
fn booted_host(release: &Release, restart: RestartPolicy) -> Host {
    let container = Container {
        running: true,
        restart,
        labels: BTreeMap::from([(LABEL_RELEASE.to_owned(), release.request.id.to_string())]),
    };
    Host {
        old: None,
        new: Some(container),
        named: Some(Which::New),
        ..fresh_host()
    }
}

fn wanted(release: &Release) -> WantedPlan {
    release.plan.as_ref().unwrap().wanted.clone().unwrap()
}

pub(crate) fn id(n: usize) -> String {
    format!("i-{n}")
}

impl World {
    /// A healthy fleet of `n` hosts, of which `max_unavailable` may be out.
    pub(crate) fn new(n: usize, max_unavailable: u32) -> Self {
        let mut definition = definition();
        definition.roll.max_unavailable = max_unavailable.into();
        definition.roll.allow_outage = n <= max_unavailable as usize;
        Self {
            hosts: (1..=n).map(|n| (id(n), fresh_host())).collect(),
            suspended: BTreeSet::new(),
            group_tag: None,
            alarms: BTreeMap::from([(ALARM.to_owned(), true)]),
            alarm_tags: BTreeSet::new(),
            switched_off: Vec::new(),
            muted_until: None,
            now: crate::driver::start(),
            firing: BTreeSet::new(),
            fires: Vec::new(),
            definition,
            locked: BTreeSet::new(),
            other: None,
            frees: 0,
            noted: None,
            faults: Vec::new(),
            zonal: false,
            scheduled: Vec::new(),
            arrivals: Vec::new(),
            departures: Vec::new(),
            tenant: None,
            parameter: None,
            boots: false,
            pending: BTreeMap::new(),
            one_off: None,
            before_runs: 0,
            before_code: 0,
            broken: Vec::new(),
            performed: Vec::new(),
        }
    }

    /// A service whose swap is a program of its own on each host, which tells the version too.
    pub(crate) fn commanded(mut self) -> Self {
        self.definition.swap = Swap::Command(CommandDefinition {
            place: CommandPlace::Host { directory: None },
            deploy: ["./deploy.sh", "--tag={tag}"].map(str::to_owned).into(),
            rollback: ["./deploy.sh", "--tag={previous}"].map(str::to_owned).into(),
            version: Some(VersionDefinition {
                run: ["cat", "VERSION"].map(str::to_owned).into(),
                is: Some("{tag}".to_owned()),
            }),
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            timeout_ms: 60_000,
        });
        self
    }

    /// The same beside the worker: one swap, and no hosts.
    pub(crate) fn beside_worker() -> Self {
        let mut world = Self::new(1, 1).commanded();
        world.definition.fleet = FleetSelector::BesideWorker;
        world.definition.roll.allow_outage = false;
        if let Swap::Command(command) = &mut world.definition.swap {
            command.place = CommandPlace::Worker(Surroundings::default());
        }
        let host = Host {
            target: Target::Absent,
            ..fresh_host()
        };
        world.hosts = [(BESIDE_WORKER.to_owned(), host)].into();
        world
    }

    /// With a lease of its own.
    pub(crate) fn with_lease(mut self) -> Self {
        self.definition.lease_parameter = Some("/drawgate/lease/staging/api".to_owned());
        self
    }

    /// With a `[before]` that cannot be undone, or one that can.
    pub(crate) fn with_before(mut self, reversible: bool) -> Self {
        self.definition.before = Some(BeforeDefinition {
            run: vec!["bin/migrate".to_owned()],
            env: BTreeMap::new(),
            reversible,
            timeout_ms: 600_000,
        });
        self
    }

    /// With an `[after]` of three attempts.
    pub(crate) fn with_after(mut self, on_failure: OnFailure) -> Self {
        self.definition.after = Some(AfterDefinition {
            run: vec!["bin/browse".to_owned()],
            place: Place::Container { image: None },
            env: BTreeMap::new(),
            attempts: 3,
            interval_ms: 9_000,
            timeout_ms: 60_000,
            on_failure,
        });
        self
    }

    pub(crate) fn with(mut self, step: Step, fault: Fault, times: usize) -> Self {
        self.faults.push((step, fault, times));
        self
    }

    pub(crate) fn with_arrival(mut self, step: Step, instance: &str) -> Self {
        self.arrivals.push((step, instance.to_owned()));
        self
    }

    /// A service that publishes its wanted version, on hosts whose boot script starts it.
    pub(crate) fn publishing(mut self, before: Option<&str>) -> Self {
        self.definition.wanted_parameter = Some(PARAMETER.to_owned());
        self.parameter = before.map(str::to_owned);
        self.boots = true;
        self
    }

    pub(crate) fn with_departure(mut self, step: Step, instance: &str) -> Self {
        self.departures.push((step, instance.to_owned()));
        self
    }

    /// That member is on its way in for so many looks.
    pub(crate) fn with_pending(mut self, instance: &str, looks: usize) -> Self {
        self.pending.insert(instance.to_owned(), looks);
        self
    }

    /// Its alarm is silenced and watched, and the roll bakes for so long.
    pub(crate) fn watched(mut self, bake_ms: u64) -> Self {
        self.definition.alarms.watch = vec![ALARM.to_owned()];
        self.definition.alarms.watch_interval_ms = 10_000;
        self.definition.alarms.bake_ms = bake_ms;
        self
    }

    /// Alarms are muted, and their actions stay on.
    pub(crate) fn muted(mut self) -> Self {
        self.definition.alarms.by = SilenceBy::MuteRule;
        self
    }

    pub(crate) fn with_alarm_at(mut self, step: Step) -> Self {
        self.fires.push((step, ALARM.to_owned()));
        self
    }

    /// Another release has the group: its tag is on it, it has suspended processes, and one of its hosts is draining.
    pub(crate) fn with_other(mut self, outlasts: usize) -> Self {
        self.group_tag = Some("another-release".to_owned());
        self.suspended
            .extend(["HealthCheck".to_owned(), "AZRebalance".to_owned()]);
        self.other = Some(Other {
            outlasts,
            is_about_to_end: false,
        });
        self
    }

    /// The other release ends and leaves everything as it was before it.
    fn other_ends(&mut self) {
        if self.other.take().is_some() {
            self.group_tag = None;
            self.suspended.clear();
            self.frees += 1;
        }
    }

    fn lock(&mut self, release: &Release) -> StepOutcome {
        if let Some(other) = &mut self.other {
            if other.outlasts > 0 {
                other.outlasts -= 1;
                return StepOutcome::Transient {
                    failure: Failure::new("group web-asg is locked by another release"),
                };
            }
            self.other_ends();
        }
        let wanted = release.touches();
        let fresh = self
            .noted
            .as_ref()
            .is_some_and(|(locked, frees)| wanted.is_subset(locked) || *frees == self.frees);
        self.locked.extend(wanted);
        done(Evidence::Locked { fresh })
    }

    /// What changes anything is locked first, and nobody else has it.
    fn check_locks(&mut self, release: &Release, step: &Step) {
        if step.reads() {
            return;
        }
        let instance = step.instance().filter(|id| *id != BESIDE_WORKER);
        let instance = instance.map(|id| format!("instance {id}"));
        let missing = |name: &String| !self.locked.contains(name);
        if self.other.is_some() || release.touches().iter().any(missing) || instance.iter().any(missing) {
            self.broken.push(format!("{step} without its locks"));
        }
    }

    fn fault(&mut self, step: &Step) -> Option<Fault> {
        let (_, fault, times) = self
            .faults
            .iter_mut()
            .find(|(faulty, _, times)| faulty == step && *times > 0)?;
        *times = times.saturating_sub(1);
        Some(*fault)
    }

    /// What a step brings, faults included.
    pub(crate) fn perform(&mut self, release: &Release, step: &Step) -> StepOutcome {
        self.arrive(release, step);
        let off = self.switched_off.iter().filter(|(at, _)| at == step);
        for (_, alarm) in off {
            self.alarms.insert(alarm.clone(), false);
            self.alarm_tags.remove(alarm);
        }
        let fires = self.fires.iter().filter(|(at, _)| at == step);
        self.firing.extend(fires.map(|(_, alarm)| alarm.clone()));
        let failure = || Failure::new("fault");
        match self.fault(step) {
            None => self.effect(release, step),
            Some(Fault::Refused) => StepOutcome::Refused { failure: failure() },
            Some(Fault::Transient) => StepOutcome::Transient { failure: failure() },
            Some(Fault::UnknownNotDone) => StepOutcome::Unknown { failure: failure() },
            Some(Fault::UnknownHalf) => {
                self.half(release, step);
                StepOutcome::Unknown { failure: failure() }
            }
            Some(Fault::RefusedHalf) => {
                self.half(release, step);
                StepOutcome::Refused { failure: failure() }
            }
            Some(Fault::UnknownDone) => {
                self.effect(release, step);
                StepOutcome::Unknown { failure: failure() }
            }
            Some(Fault::Gone) => {
                if let Some(host) = step.instance().and_then(|instance| self.hosts.get_mut(instance)) {
                    host.member = false;
                }
                StepOutcome::Done {
                    evidence: Evidence::Gone {
                        why: "terminated in EC2".to_owned(),
                    },
                }
            }
        }
    }

    /// The effect only, as far as it came before its worker died.
    pub(crate) fn perform_unheard(&mut self, release: &Release, step: &Step, extent: Extent) {
        match extent {
            Extent::None => {}
            Extent::Half => self.half(release, step),
            Extent::Whole => {
                self.perform(release, step);
            }
        }
    }

    fn arrive(&mut self, release: &Release, step: &Step) {
        for (at, instance) in &self.departures {
            if let (true, Some(host)) = (at == step, self.hosts.get_mut(instance)) {
                host.member = false;
            }
        }
        let arrived: Vec<String> = self
            .arrivals
            .iter()
            .filter(|(at, _)| at == step)
            .map(|(_, instance)| instance.clone())
            .collect();
        for instance in arrived {
            let wanted = self.boots && self.parameter.as_deref() == Some(VALUE);
            let booted = || {
                if wanted {
                    booted_host(release, self.definition.container().unwrap().restart)
                } else {
                    fresh_host()
                }
            };
            self.hosts.entry(instance).or_insert_with(booted);
        }
    }

    /// A step of several calls, stopped between them.
    fn half(&mut self, release: &Release, step: &Step) {
        let commanded = self.definition.command().is_some();
        match step {
            Step::Suspend { .. } => self.group_tag = Some(release.request.id.to_string()),
            Step::RunBefore { .. } => self.start_before(),
            // All processes run again, the tag is still there.
            Step::Resume { .. } => self
                .suspended
                .retain(|process| !ours(release).any(|ours| ours == *process)),
            Step::Host {
                instance,
                phase: Phase::Deregister,
                ..
            } => self.host(instance).tagged = true,
            Step::Host {
                instance,
                phase: Phase::Swap,
                direction,
            } => {
                let host = self.host(instance);
                host.disturbed = true;
                let (leaves, comes) = match direction {
                    Direction::Forward => (&mut host.old, Which::New),
                    Direction::Back => (&mut host.new, Which::Old),
                };
                if let Some(leaves) = leaves {
                    if !commanded {
                        leaves.restart = RestartPolicy::No;
                    }
                    leaves.running = false;
                }
                host.named = Some(comes);
            }
            _ => {}
        }
    }

    pub(crate) fn has_half(step: &Step) -> bool {
        match step {
            Step::Suspend { .. } | Step::Resume { .. } | Step::RunBefore { .. } => true,
            Step::Host { phase, .. } => matches!(phase, Phase::Deregister | Phase::Swap),
            _ => false,
        }
    }

    fn host(&mut self, instance: &str) -> &mut Host {
        self.hosts.get_mut(instance).unwrap()
    }

    fn effect(&mut self, release: &Release, step: &Step) -> StepOutcome {
        self.performed.push(step.clone());
        self.check_locks(release, step);
        self.check_lease(step);
        if matches!(step, Step::Inspect | Step::Sweep) {
            self.noted = Some((self.locked.clone(), self.frees));
        }
        match step {
            Step::Resolve => done(Evidence::Resolved { digest: digest('d') }),
            Step::Order => unreachable!("an order is never performed"),
            Step::Inspect => self.inspect(release),
            Step::Lock => self.lock(release),
            Step::TakeLease => self.take_lease(),
            Step::GiveLeaseBack => {
                self.tenant = self.tenant.filter(|tenant| *tenant == Tenant::Another);
                StepOutcome::done()
            }
            _ if self.left(step) => done(Evidence::Gone {
                why: "terminated in EC2".to_owned(),
            }),
            Step::Reserve => self.reserve(release),
            Step::Publish => self.publish(release),
            Step::Unpublish => self.unpublish(release),
            Step::Canary => self.watch_canary(release),
            Step::Stage { .. } | Step::After => StepOutcome::done(),
            Step::CreateBefore { .. } => {
                self.one_off.get_or_insert(OneOff::Created);
                StepOutcome::done()
            }
            Step::RunBefore { instance } => self.run_before(instance),
            Step::Suspend { .. } => self.suspend(release),
            Step::Silence => self.silence(release),
            Step::Renew => self.mute(),
            Step::Unsilence => self.unsilence(release),
            Step::Resume { .. } => self.resume(release),
            Step::Sweep => self.sweep(release),
            Step::Watch | Step::Bake => self.look_at_watched(release),
            Step::Confirm => self.confirm(release),
            Step::Retire { instance } => self.retire(release, instance),
            Step::Host {
                instance,
                direction,
                phase,
            } => self.on_host(release, instance, *direction, *phase),
        }
    }

    fn take_lease(&mut self) -> StepOutcome {
        match self.tenant.replace(Tenant::Us) {
            None => StepOutcome::done(),
            Some(Tenant::Us) => StepOutcome::already(),
            Some(Tenant::Another) => {
                self.tenant = Some(Tenant::Another);
                done(Evidence::LeasedToAnother {
                    failure: Failure::new("the fleet's lease is held by worker bastion-b"),
                })
            }
        }
    }

    /// Whoever has a lease, has the fleet for himself.
    fn check_lease(&mut self, step: &Step) {
        let has_it = self.definition.lease_parameter.is_none() || self.tenant == Some(Tenant::Us);
        if !has_it && !step.reads() {
            self.broken
                .push(format!("{step}, and the fleet's lease is {:?}", self.tenant));
        }
    }

    /// Only a container that has never run is started.
    fn start_before(&mut self) {
        if self.one_off == Some(OneOff::Created) {
            self.one_off = Some(OneOff::Running);
            self.before_runs += 1;
        }
    }

    fn run_before(&mut self, instance: &str) -> StepOutcome {
        if self.hosts.values().any(|host| host.disturbed) || !self.suspended.is_empty() {
            self.broken
                .push("[before] ran after something was touched".to_owned());
        }
        self.start_before();
        match self.one_off {
            None => refused("the container of [before] is gone"),
            Some(_) => {
                self.one_off = Some(OneOff::Exited);
                if self.before_code != 0 {
                    return refused("[before] ended with exit code 1");
                }
                done(Evidence::Ran {
                    on: instance.to_owned(),
                    output: vec!["3 tables".to_owned()],
                })
            }
        }
    }

    fn inspect(&mut self, release: &Release) -> StepOutcome {
        let snapshot = self.snapshot();
        let digest = release.digest.as_ref().unwrap();
        let planned = plan(&release.request, Some(digest), &self.definition, &snapshot);
        if self.other.as_ref().is_some_and(|other| other.is_about_to_end) {
            self.other_ends();
        }
        match planned {
            Ok(plan) => done(Evidence::Fit { plan: Box::new(plan) }),
            Err(findings) => done(Evidence::Unfit {
                touches: snapshot.touches(),
                failure: Failure::new(findings.iter().map(Finding::line).collect::<Vec<_>>().join("; ")),
            }),
        }
    }

    /// Whoever is on the new version must be well.
    fn watch_canary(&self, release: &Release) -> StepOutcome {
        let done = |instance: &str| {
            let settle = Step::Host {
                instance: instance.to_owned(),
                direction: Direction::Forward,
                phase: Phase::Settle,
            };
            release.done(&settle)
        };
        let mut canaries = self.hosts.iter().filter(|(instance, _)| done(instance));
        if canaries.all(|(_, host)| !host.member || host.healthy()) {
            StepOutcome::done()
        } else {
            refused("the canary is not healthy")
        }
    }

    fn suspend(&mut self, release: &Release) -> StepOutcome {
        if self.is_held_by_other(release) {
            return refused("carries another release's tag");
        }
        self.group_tag = Some(release.request.id.to_string());
        let before = self.suspended.len();
        self.suspended.extend(ours(release));
        if self.suspended.len() == before {
            StepOutcome::already()
        } else {
            StepOutcome::done()
        }
    }

    fn is_held_by_other(&self, release: &Release) -> bool {
        self.group_tag
            .as_ref()
            .is_some_and(|tag| *tag != release.request.id.to_string())
    }

    fn resume(&mut self, release: &Release) -> StepOutcome {
        if self.is_held_by_other(release) {
            return StepOutcome::already();
        }
        for process in ours(release) {
            self.suspended.remove(&process);
        }
        self.group_tag = None;
        StepOutcome::done()
    }

    fn silence(&mut self, release: &Release) -> StepOutcome {
        let plan = release.plan.as_ref().unwrap();
        if plan.mutes() {
            return self.mute();
        }
        for alarm in &plan.alarms {
            if self.alarms[&alarm.name] {
                self.alarm_tags.insert(alarm.name.clone());
                self.alarms.insert(alarm.name.clone(), false);
            }
        }
        StepOutcome::done()
    }

    fn mute(&mut self) -> StepOutcome {
        let until = limits::after(self.now, limits::MUTE_MS);
        self.muted_until = Some(until);
        done(Evidence::Muted { until })
    }

    fn unsilence(&mut self, release: &Release) -> StepOutcome {
        if release.plan.as_ref().unwrap().mutes() {
            self.muted_until = None;
            let firing = self.firing.iter().cloned().collect();
            return done(Evidence::Unmuted { firing });
        }
        for alarm in std::mem::take(&mut self.alarm_tags) {
            self.alarms.insert(alarm, true);
        }
        StepOutcome::done()
    }

    fn look_at_watched(&self, release: &Release) -> StepOutcome {
        let fires = |alarm: &&WatchPlan| self.firing.contains(&alarm.name) && alarm.fires("ALARM", None);
        match release.plan.as_ref().unwrap().watched.iter().find(fires) {
            Some(alarm) => refused(&format!("{} went into ALARM", alarm.name)),
            None => StepOutcome::done(),
        }
    }

    fn alarm_snapshots(&self, patterns: &[String]) -> Vec<AlarmSnapshot> {
        let named = |name: &&String| {
            let mut patterns = patterns.iter();
            patterns.any(|pattern| {
                let prefix = pattern.strip_suffix('*');
                prefix.map_or(*name == pattern, |prefix| name.starts_with(prefix))
            })
        };
        let snapshot = |name: &String| AlarmSnapshot {
            name: name.clone(),
            arn: format!("arn:alarm:{name}"),
            actions_enabled: self.alarms[name],
            scales_only: false,
            state: if self.firing.contains(name) { "ALARM" } else { "OK" }.to_owned(),
            since: None,
        };
        self.alarms.keys().filter(named).map(snapshot).collect()
    }

    /// Whether a step is about an instance that is no member any more.
    fn left(&self, step: &Step) -> bool {
        let host = step.instance().and_then(|instance| self.hosts.get(instance));
        host.is_some_and(|host| !host.member)
    }

    /// Whether the parameter holds what neither this release nor the one before it put there.
    fn is_foreign(&self, planned: &WantedPlan) -> bool {
        let seen = self.parameter.as_deref();
        seen != planned.before.as_deref() && !seen.is_some_and(|seen| planned.is_ours(seen))
    }

    fn reserve(&mut self, release: &Release) -> StepOutcome {
        let planned = wanted(release);
        if self.hosts.values().any(|host| host.disturbed) {
            self.broken.push("reserved after a host was touched".to_owned());
        }
        if self.is_foreign(&planned) {
            return refused("changed by somebody else");
        }
        self.parameter = Some(planned.reserved().to_owned());
        StepOutcome::done()
    }

    fn publish(&mut self, release: &Release) -> StepOutcome {
        let planned = wanted(release);
        let touched = self.hosts.values().filter(|host| host.member && host.disturbed);
        for host in touched {
            if !host.healthy() || host.named != Some(Which::New) {
                let what = "published before every known host is good";
                self.broken.push(what.to_owned());
            }
        }
        if self.is_foreign(&planned) {
            return refused("changed by somebody else");
        }
        self.parameter = Some(planned.value.clone());
        done(Evidence::Published {
            at: crate::driver::start(),
        })
    }

    /// What somebody else wants is left alone.
    fn unpublish(&mut self, release: &Release) -> StepOutcome {
        let planned = wanted(release);
        if self.is_foreign(&planned) {
            return StepOutcome::already();
        }
        self.parameter = planned.before;
        StepOutcome::done()
    }

    fn sweep(&mut self, release: &Release) -> StepOutcome {
        let plan = release.plan.as_ref().unwrap();
        let (mut hosts, mut adopted, mut awaited) = (Vec::new(), Vec::new(), None);
        for seen in self.snapshot().hosts {
            let known = release.everyone().any(|host| host.instance == seen.instance);
            if known || !self.hosts[&seen.instance].member {
                continue;
            }
            if self.is_pending(&seen.instance) {
                awaited = Some(format!("{} joined and is Pending", seen.instance));
                continue;
            }
            match newcomer(&seen, None, release, plan) {
                Newcomer::Roll(host) => hosts.push(*host),
                Newcomer::Adopt(host) => adopted.push(*host),
                Newcomer::Await(why) => awaited = Some(why),
            }
        }
        match awaited {
            _ if !hosts.is_empty() || !adopted.is_empty() => done(Evidence::Joined { hosts, adopted }),
            Some(why) => StepOutcome::Transient {
                failure: Failure::new(why),
            },
            None => StepOutcome::done(),
        }
    }

    fn is_pending(&mut self, instance: &str) -> bool {
        let Some(looks) = self.pending.get_mut(instance) else {
            return false;
        };
        *looks = looks.saturating_sub(1);
        *looks > 0
    }

    fn on_host(
        &mut self,
        release: &Release,
        instance: &str,
        direction: Direction,
        phase: Phase,
    ) -> StepOutcome {
        let planned = release.host(instance).unwrap().clone();
        if phase != Phase::Create {
            self.host(instance).disturbed = true;
        }
        if self
            .performed
            .iter()
            .any(|step| matches!(step, Step::Resume { .. }))
        {
            self.broken
                .push(format!("{instance} is worked on after scaling was resumed"));
        }
        if direction == Direction::Back
            && self.parameter.as_deref() == Some(VALUE)
            && !release.begun(&Step::Unpublish)
        {
            self.broken.push(format!(
                "{instance} goes back while new instances start what failed"
            ));
        }
        match phase {
            Phase::Create => self.create(release, instance),
            Phase::Deregister => self.deregister(release, instance),
            Phase::Drain => self.drain(instance),
            Phase::Swap => self.swap(&planned, direction),
            Phase::Verify => self.verify(&planned, direction),
            Phase::Enable => self.enable(&planned, direction),
            Phase::Register => self.register(instance),
            Phase::Settle => self.settle(&planned, direction),
        }
    }

    fn create(&mut self, release: &Release, instance: &str) -> StepOutcome {
        let host = self.host(instance);
        if host.new.is_some() {
            return StepOutcome::already();
        }
        let labels = BTreeMap::from([(LABEL_RELEASE.to_owned(), release.request.id.to_string())]);
        host.new = Some(Container {
            running: false,
            restart: RestartPolicy::No,
            labels,
        });
        StepOutcome::done()
    }

    fn deregister(&mut self, release: &Release, instance: &str) -> StepOutcome {
        let healthy = self.hosts.values().filter(|host| host.healthy()).count();
        let mut seen = release.clone();
        let left = release.hosts().filter(|host| !self.hosts[&host.instance].member);
        seen.gone.extend(left.map(|host| host.instance.clone()));
        let floor = seen.floor(TARGET_GROUP) as usize;
        if !ours(release).all(|process| self.suspended.contains(&process)) {
            self.broken
                .push(format!("{instance} deregistered while processes run"));
        }
        let host = self.host(instance);
        if host.healthy() && healthy <= floor {
            return StepOutcome::Transient {
                failure: Failure::new("the floor must be kept"),
            };
        }
        if host.target != Target::Registered {
            return StepOutcome::already();
        }
        host.tagged = true;
        host.target = Target::Draining;
        StepOutcome::done()
    }

    fn drain(&mut self, instance: &str) -> StepOutcome {
        let host = self.host(instance);
        if host.target == Target::Registered {
            return StepOutcome::Transient {
                failure: Failure::new("still registered"),
            };
        }
        host.target = Target::Absent;
        StepOutcome::done()
    }

    fn swap(&mut self, planned: &HostPlan, direction: Direction) -> StepOutcome {
        let commanded = self.definition.command().is_some();
        let host = self.hosts.get_mut(&planned.instance).unwrap();
        if host.target != Target::Absent {
            self.broken.push(format!(
                "{} swapped while it is {:?}",
                planned.instance, host.target
            ));
        }
        if commanded {
            return run_program(host, direction);
        }
        if direction == Direction::Forward {
            let Some(new) = &mut host.new else {
                return refused("the created container is gone");
            };
            if planned.before.is_some() && host.old.is_none() {
                return refused("the old container is gone");
            }
            if let Some(old) = &mut host.old {
                old.restart = RestartPolicy::No;
                old.running = false;
            }
            new.running = true;
            host.named = Some(Which::New);
            return done(Evidence::Swapped {
                without_container_ms: planned.before.as_ref().map(|_| 800),
            });
        }
        if planned.before.is_some() && host.old.is_none() {
            return refused("the old container is gone");
        }
        if let Some(new) = &mut host.new {
            new.restart = RestartPolicy::No;
            new.running = false;
        }
        host.named = host.old.as_ref().map(|_| Which::Old);
        if let Some(old) = &mut host.old {
            old.running |= ran_before(planned);
        }
        StepOutcome::done()
    }

    fn verify(&mut self, planned: &HostPlan, direction: Direction) -> StepOutcome {
        if direction == Direction::Back && !ran_before(planned) {
            return StepOutcome::already();
        }
        match self.host(&planned.instance).serving(direction) {
            Some(container) if container.running => StepOutcome::done(),
            _ => refused("the container ended"),
        }
    }

    fn enable(&mut self, planned: &HostPlan, direction: Direction) -> StepOutcome {
        let wanted = match direction {
            Direction::Forward => self.definition.container().map(|container| container.restart),
            Direction::Back => planned.before.as_ref().map(|before| before.restart),
        };
        let host = self.host(&planned.instance);
        let container = match direction {
            Direction::Forward => &mut host.new,
            Direction::Back => &mut host.old,
        };
        if let (Some(container), Some(wanted)) = (container, wanted) {
            container.restart = wanted;
        }
        StepOutcome::done()
    }

    fn register(&mut self, instance: &str) -> StepOutcome {
        let host = self.host(instance);
        if !host.member {
            return done(Evidence::Gone {
                why: "terminated in EC2".to_owned(),
            });
        }
        if host.target == Target::Registered {
            return StepOutcome::already();
        }
        host.target = Target::Registered;
        StepOutcome::done()
    }

    fn settle(&mut self, planned: &HostPlan, direction: Direction) -> StepOutcome {
        let host = self.host(&planned.instance);
        if !host.member {
            return done(Evidence::Gone {
                why: "terminated in EC2".to_owned(),
            });
        }
        let awaited = direction == Direction::Forward || planned.was_healthy();
        if awaited && !host.healthy() {
            return StepOutcome::Transient {
                failure: Failure::new("unhealthy in web"),
            };
        }
        host.tagged = false;
        StepOutcome::done()
    }

    fn retire(&mut self, release: &Release, instance: &str) -> StepOutcome {
        let host = self.host(instance);
        if release.turned_back.is_some() && host.named != Some(Which::New) {
            host.new = None;
        }
        self.one_off = None;
        StepOutcome::done()
    }

    fn confirm(&self, release: &Release) -> StepOutcome {
        let plan = release.plan.as_ref().unwrap();
        let group = ObservedGroup {
            suspended: self.suspended.clone(),
            held_by_us: self.group_tag.is_some() && !self.is_held_by_other(release),
            held_by_other: self.is_held_by_other(release),
        };
        let members = release
            .everyone()
            .filter(|host| !release.gone.contains(&host.instance));
        let observation = Observation {
            tag_digest: Some(digest('d')),
            groups: BTreeMap::from([(GROUP.to_owned(), group)]),
            alarms: self.alarms.clone(),
            held_alarms: self.alarm_tags.clone(),
            mute_rules: self.muted_until.iter().map(|_| "rule".to_owned()).collect(),
            hosts: members
                .map(|host| (host.instance.clone(), self.observe(plan, host)))
                .collect(),
            wanted: plan.wanted.as_ref().map(|_| ObservedParameter {
                value: self.parameter.clone(),
                version: self.parameter.clone(),
            }),
            strangers: self.strangers(release),
        };
        done(Evidence::Observed {
            observation: Box::new(observation),
        })
    }

    fn strangers(&self, release: &Release) -> BTreeMap<String, Stranger> {
        let known = |instance: &str| release.everyone().any(|host| host.instance == instance);
        let strangers = self
            .hosts
            .iter()
            .filter(|(instance, host)| host.member && !known(instance));
        let seen = strangers.map(|(instance, host)| {
            let stranger = if self.pending.get(instance).is_some_and(|looks| *looks > 0) {
                Stranger::Booting {
                    state: "Pending".to_owned(),
                    by_itself: false,
                }
            } else {
                let container = host.named().map(|(_, container)| container);
                Stranger::Serves {
                    version: container.map(|_| "some version".to_owned()),
                    release: container.and_then(|container| container.labels.get(LABEL_RELEASE).cloned()),
                }
            };
            (instance.clone(), stranger)
        });
        seen.collect()
    }

    fn observe(&self, plan: &Plan, planned: &HostPlan) -> ObservedHost {
        let host = &self.hosts[&planned.instance];
        let named = host.named();
        ObservedHost {
            member: host.member,
            version: told(host),
            still: None,
            container: named.map(|(which, _)| container_id(&planned.instance, which)),
            image: named.map(|(which, _)| match which {
                Which::Old => OLD_IMAGE.to_owned(),
                Which::New => plan.pinned(),
            }),
            running: named.is_some_and(|(_, container)| container.running),
            release: named.and_then(|(_, container)| container.labels.get(LABEL_RELEASE).cloned()),
            targets: planned
                .targets
                .iter()
                .map(|target| ObservedTarget {
                    target_group: target.target_group.clone(),
                    port: target.port,
                    state: state(host).to_owned(),
                })
                .collect(),
            unseen: None,
        }
    }

    /// The fleet as `Inspect` sees it.
    pub(crate) fn snapshot(&self) -> FleetSnapshot {
        let mut snapshot = self.snapshot_of_hosts();
        for seen in snapshot
            .hosts
            .iter_mut()
            .filter(|_| self.definition.command().is_some())
        {
            seen.view = HostView::Answered {
                version: told(&self.hosts[&seen.instance]),
                untold: None,
            };
        }
        if self.definition.is_beside_worker() {
            snapshot.groups.clear();
            snapshot.target_groups.clear();
            for seen in &mut snapshot.hosts {
                seen.targets.clear();
                seen.group = None;
            }
        }
        snapshot
    }

    fn snapshot_of_hosts(&self) -> FleetSnapshot {
        let healthy = self.hosts.values().filter(|host| host.healthy()).count();
        let lifecycle = |host: &Host| if host.member { "InService" } else { "Terminating" };
        FleetSnapshot {
            groups: vec![GroupSnapshot {
                name: GROUP.to_owned(),
                suspended: self.suspended.clone(),
                suspension_tag: self.group_tag.clone(),
                scheduled: self.scheduled.clone(),
                members: self
                    .hosts
                    .iter()
                    .map(|(instance, host)| MemberSnapshot {
                        instance: instance.clone(),
                        lifecycle: lifecycle(host).to_owned(),
                    })
                    .collect(),
                ..GroupSnapshot::default()
            }],
            hosts: self
                .hosts
                .iter()
                .map(|(instance, host)| host_snapshot(instance, host))
                .collect(),
            target_groups: vec![TargetGroupSnapshot {
                arn: TARGET_GROUP.to_owned(),
                name: "web".to_owned(),
                deregistration_delay_s: 30,
                health_check_interval_s: 5,
                healthy_threshold: 2,
                healthy: u32::try_from(healthy).unwrap(),
                zonal: self.zonal,
                slow_start_s: 0,
                keeps_connections: false,
            }],
            alarms: self.alarm_snapshots(&self.definition.alarms.silence),
            watched: self.alarm_snapshots(&self.definition.alarms.watch),
            at: crate::driver::start(),
            image: ImageSnapshot::default(),
            secrets: BTreeMap::new(),
            wanted: self.definition.wanted_parameter.as_ref().map(|parameter| {
                WantedSnapshot::Read(Box::new(WantedPlan {
                    parameter: parameter.clone(),
                    before: self.parameter.clone(),
                    version_before: self.parameter.clone(),
                    placeholder: "nothing".to_owned(),
                    value: VALUE.to_owned(),
                }))
            }),
            unknown_host_keys: None,
        }
    }
}

fn host_snapshot(instance: &str, host: &Host) -> HostSnapshot {
    let container = host.named().map(|(which, container)| ContainerSnapshot {
        id: container_id(instance, which),
        image: OLD_IMAGE.to_owned(),
        digest: None,
        running: container.running,
        restart: container.restart,
        restarts: 0,
        auto_remove: false,
        labels: container.labels.clone(),
    });
    HostSnapshot {
        instance: instance.to_owned(),
        state: "running".to_owned(),
        address: "10.0.0.1".to_owned(),
        zone: zone(instance).to_owned(),
        group: Some(GROUP.to_owned()),
        targets: vec![TargetSnapshot {
            target_group: TARGET_GROUP.to_owned(),
            id: instance.to_owned(),
            port: 8080,
            zone: None,
            state: state(host).to_owned(),
        }],
        view: HostView::Reached {
            engine: "28.0".to_owned(),
            disk_free_bytes: Some(10 << 30),
            container,
            ports_held: BTreeMap::new(),
            beside: Box::default(),
        },
    }
}

fn state(host: &Host) -> &'static str {
    match host.target {
        Target::Absent => "absent",
        Target::Draining => "draining",
        Target::Registered if host.healthy() => "healthy",
        Target::Registered => "unhealthy",
    }
}

/// What a script does that exchanges one program for another.
fn run_program(host: &mut Host, direction: Direction) -> StepOutcome {
    let comes = match direction {
        Direction::Forward => Which::New,
        Direction::Back => Which::Old,
    };
    let new = host.new.get_or_insert_with(old_container);
    new.running = comes == Which::New;
    if let Some(old) = &mut host.old {
        old.running = comes == Which::Old;
    }
    host.named = Some(comes);
    done(Evidence::Ran {
        on: "a host".to_owned(),
        output: Vec::new(),
    })
}

fn told(host: &Host) -> Option<String> {
    let (which, _) = host.named()?;
    Some(match which {
        Which::Old => "main-41".to_owned(),
        Which::New => "main-42".to_owned(),
    })
}

fn container_id(instance: &str, which: Which) -> String {
    format!("{instance}-{which:?}")
}

fn ran_before(planned: &HostPlan) -> bool {
    planned.told_before.is_some() || planned.before.as_ref().is_some_and(|before| before.running)
}

/// The processes that this release suspends.
fn ours(release: &Release) -> impl Iterator<Item = String> {
    let groups = &release.plan.as_ref().unwrap().groups;
    groups
        .iter()
        .flat_map(|group| &group.suspend)
        .map(|process| process.as_str().to_owned())
}

fn done(evidence: Evidence) -> StepOutcome {
    StepOutcome::Done { evidence }
}

fn refused(what: &str) -> StepOutcome {
    StepOutcome::Refused {
        failure: Failure::new(what),
    }
}
