//! A small fleet in virtual time. `perform` does to it what the worker's effects do to a real one: each
//! looks, acts, confirms, and may be repeated. Faults stand in for AWS, Docker and SSH on a bad day.

mod aws;
mod aws_state;
mod counting;
mod effects;
mod fixtures;
mod host;
mod hosts;
mod names;
mod performed;
mod service;
mod snapshot;
mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::mutant::Mutant;
use drawgate_rollout::definition::{
    AfterDefinition, AlarmDefinition, BeforeDefinition, Canary, CommandDefinition, CommandPlace,
    ContainerDefinition, FleetSelector, OnFailure, Place, PortMapping, PreflightPolicy, Probe, Process,
    Protocol, RestartPolicy, RollPolicy, START_TIMEOUT_DEFAULT_MS, ServiceDefinition, SilenceBy,
    Surroundings, Swap, VerifyDefinition, VersionDefinition,
};
use drawgate_rollout::{
    DesiredSnapshot, FleetSnapshot, GroupSnapshot, HostSnapshot, HostView, ON_BASTION, Phase, Release, Step,
    Supersede,
};
use drawgate_schemas::{Direction, ReleaseRequest};
use jiff::Timestamp;

pub use aws_state::{Aws, Scaling, SeenAlarm};
pub(crate) use aws_state::{calls_aws, is_a_watch};
pub use host::{Container, Host, Target, Which, fresh_host, old_container};
pub use hosts::Hosts;
pub use names::{
    ALARM, GROUP, NAME, PARAMETER, REPOSITORY, SECOND_GROUP, TARGET_GROUP, VALUE, digest, id, request,
};
pub use performed::Performed;
pub use service::definition;
pub(crate) use tally::Tally;

use self::host::{copy_of, is_rolled};

/// How far the container of `[before]` has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OneOff {
    /// The container never ran.
    Created,
    Running,
    Exited,
}

/// What goes wrong when a step is performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Refused: a definite no.
    Refused,
    /// Not done, and worth another attempt.
    Transient,
    /// The started version does not pass its verification.
    FailsVerification,
    /// Done, but the answer is lost.
    UnknownDone,
    /// Done, and AWS's answers are too old to confirm it.
    Unconfirmed,
    /// Half of it done, and AWS's answers are too old to go on.
    UnconfirmedHalf,
    /// Not done, and the answer is lost.
    UnknownNotDone,
    /// Half of it done, and the answer is lost.
    UnknownHalf,
    /// Refused after half of it was done.
    RefusedHalf,
    /// The instance is gone.
    Gone,
    /// AWS takes the first calls and throttles the next one; what is done stays done.
    Throttled,
}

/// How far an effect came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    None,
    /// Some of the calls.
    Half,
    /// All calls.
    Whole,
}

/// Who has the fleet's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseOwner {
    Us,
    /// A worker with another ledger.
    Another,
}

/// Another release that rolls the same group.
#[derive(Debug, Clone, PartialEq)]
pub struct Other {
    /// How often this release asks for the lock in vain before the other one ends.
    pub outlasts: usize,
    /// Whether the other release ends by itself right after this one has inspected the fleet.
    pub is_about_to_end: bool,
}

/// Everything a release may touch.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    pub hosts: Hosts,
    /// Whether the fleet is made up: then its ids contain numbers.
    pub made_up: bool,
    /// The fleet as it was at first. Instances that are in it and not among `hosts` are not the service's.
    pub fleet: Arc<FleetSnapshot>,
    /// The place of each instance in that fleet, to find it without looking at all others.
    pub places: Arc<BTreeMap<String, usize>>,
    /// The fleet's Auto Scaling groups.
    pub groups: BTreeMap<String, Scaling>,
    /// Alarms by name, and whether their actions are on.
    pub alarms: BTreeMap<String, bool>,
    /// Alarms that carry the release's tag.
    pub alarm_tags: BTreeSet<String>,
    /// Alarms that a release of another service silences too.
    pub alarms_of_others: BTreeSet<String>,
    /// Whether another service's file names the same alarms.
    pub shares_alarms: bool,
    /// Alarms that somebody switches off when that step is performed, whatever the release had made of them.
    pub switched_off: Vec<(Step, String)>,
    /// The end of the mute rule, if there is one.
    pub muted_until: Option<Timestamp>,
    /// The moment at which a step is performed.
    pub now: Timestamp,
    /// Alarms in ALARM.
    pub firing: BTreeSet<String>,
    /// Alarms that go into ALARM when that step is performed.
    pub fires: Vec<(Step, String)>,
    /// The request of the release.
    pub request: ReleaseRequest,
    /// What the service's file says.
    pub definition: ServiceDefinition,
    /// The names that are locked for the release.
    pub locked: BTreeSet<String>,
    /// Another release that has the group locked.
    pub other: Option<Other>,
    /// How often a release that had locks has ended.
    pub frees: usize,
    /// What the worker remembers of its last look: `locked` and `frees` at that moment. The worker's death
    /// loses it.
    pub noted: Option<(BTreeSet<String>, usize)>,
    /// Faults to come: the step, the fault, and how many times.
    pub faults: Vec<(Step, Fault, usize)>,
    /// Instances that join when that step is performed.
    pub arrivals: Vec<(Step, String)>,
    /// Instances that fell ill by themselves at any moment.
    pub ever_sick: BTreeSet<String>,
    /// Members that are terminated when that step is performed.
    pub departures: Vec<(Step, String)>,
    /// Who has the fleet's lease.
    pub lease_owner: Option<LeaseOwner>,
    /// The parameter of the desired version.
    pub parameter: Option<String>,
    /// Whether new instances boot the version in the parameter.
    pub boots: bool,
    /// Instances that are `Pending`, with the number of looks until they are not.
    pub pending: BTreeMap<String, usize>,
    /// Instances that do not answer over SSH, with the number of looks until they do.
    pub silent: BTreeMap<String, usize>,
    /// The one-off container of `[before]`.
    pub one_off: Option<OneOff>,
    /// How often `[before]` ran.
    pub before_runs: u32,
    /// The exit code of `[before]`.
    pub before_code: i64,
    /// The state of AWS beside the fleet.
    pub aws: Aws,
    /// The mistake made on purpose.
    pub mutant: Option<Mutant>,
    /// Rules that a performed step broke.
    pub broken: Vec<String>,
    /// The performed steps, in order.
    pub performed: Performed,
}

fn instances(fleet: &FleetSnapshot) -> impl Iterator<Item = String> {
    fleet.hosts.iter().map(|host| host.instance.clone())
}

impl Scaling {
    fn is_held_by_other(&self, release: &Release) -> bool {
        let tag = self.tag.as_ref();
        tag.is_some_and(|tag| *tag != release.request.id.to_string())
    }
}

impl World {
    /// A healthy fleet of `n` hosts, of which `max_unavailable` may be out.
    pub fn new(n: usize, max_unavailable: u32) -> Self {
        let mut definition = definition();
        definition.roll.max_unavailable = max_unavailable.into();
        definition.roll.allow_outage = n <= max_unavailable as usize;
        let mut world = Self::of(request(), definition, fixtures::fleet(n));
        world.alarms = BTreeMap::from([(ALARM.to_owned(), true)]);
        world.made_up = true;
        world
    }

    /// The number of a made-up instance. 0 in a copy of an existing fleet, where digits in an id are no
    /// number.
    pub(crate) fn number(&self, instance: &str) -> u64 {
        let number = instance.strip_prefix("i-").filter(|_| self.made_up);
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// A copy of an existing fleet, as its snapshot shows it.
    pub fn of(request: ReleaseRequest, definition: ServiceDefinition, fleet: FleetSnapshot) -> Self {
        let rolled = fleet.hosts.iter().filter(|host| is_rolled(&fleet, host));
        let scaling = |group: &GroupSnapshot| {
            let scaling = Scaling {
                suspended: group.suspended.clone(),
                tag: group.suspension_tag.clone(),
                tag_says: BTreeSet::new(),
            };
            (group.name.clone(), scaling)
        };
        let alarms = fleet.alarms.iter().chain(&fleet.watched);
        let firing = alarms.clone().filter(|alarm| alarm.state == "ALARM");
        let silenced = fleet.alarms.iter().filter(|alarm| alarm.silenced);
        let alarms_of_others = silenced.map(|alarm| alarm.name.clone()).collect();
        let parameter = match &fleet.desired {
            Some(DesiredSnapshot::Read(wanted)) => wanted.before.clone(),
            _ => None,
        };
        Self {
            hosts: rolled
                .map(|host| (host.instance.clone(), copy_of(host)))
                .collect(),
            groups: fleet.groups.iter().map(scaling).collect(),
            firing: firing.map(|alarm| alarm.name.clone()).collect(),
            alarms: alarms
                .map(|alarm| (alarm.name.clone(), alarm.actions_enabled))
                .collect(),
            parameter,
            made_up: false,
            places: Arc::new(instances(&fleet).zip(0..).collect()),
            fleet: Arc::new(fleet),
            alarm_tags: BTreeSet::new(),
            alarms_of_others,
            shares_alarms: false,
            switched_off: Vec::new(),
            muted_until: None,
            now: crate::time::start(),
            fires: Vec::new(),
            request,
            definition,
            locked: BTreeSet::new(),
            other: None,
            frees: 0,
            noted: None,
            faults: Vec::new(),
            arrivals: Vec::new(),
            departures: Vec::new(),
            ever_sick: BTreeSet::new(),
            lease_owner: None,
            boots: false,
            pending: BTreeMap::new(),
            silent: BTreeMap::new(),
            one_off: None,
            before_runs: 0,
            before_code: 0,
            aws: Aws::default(),
            mutant: None,
            broken: Vec::new(),
            performed: Performed::default(),
        }
    }

    /// A service that swaps with a program of its own on each host; a program tells the version too.
    pub fn commanded(mut self) -> Self {
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
        for host in &mut self.fleet_mut().hosts {
            host.view = fixtures::answered();
        }
        self
    }

    /// The same kind of service on the bastion: one swap, and no hosts.
    pub fn on_bastion() -> Self {
        let mut world = Self::new(1, 1).commanded();
        world.definition.fleet = FleetSelector::Bastion;
        world.definition.roll.allow_outage = false;
        if let Swap::Command(command) = &mut world.definition.swap {
            command.place = CommandPlace::Worker(Surroundings::default());
        }
        Self::of(world.request, world.definition, fixtures::on_bastion())
    }

    /// People have suspended a process of the group, and switched an alarm off.
    #[must_use]
    pub fn by_people(mut self) -> Self {
        self.suspend_by_hand("ScheduledActions");
        self.alarms.insert("web-latency".to_owned(), false);
        self
    }

    /// The first instance is watched as a canary before the others follow.
    #[must_use]
    pub fn with_canary(mut self) -> Self {
        self.definition.roll.canary = Some(Canary {
            instances: 1,
            bake_ms: 60_000,
        });
        self
    }

    /// The fleet as it was at first, to be changed.
    pub fn fleet_mut(&mut self) -> &mut FleetSnapshot {
        Arc::make_mut(&mut self.fleet)
    }

    /// Suspends a process of every group, as a person would.
    pub fn suspend_by_hand(&mut self, process: &str) {
        for group in self.groups.values_mut() {
            group.suspended.insert(process.to_owned());
        }
        for group in &mut self.fleet_mut().groups {
            group.suspended.insert(process.to_owned());
        }
    }

    /// The processes that are suspended in some group.
    pub fn suspended(&self) -> BTreeSet<&str> {
        let all = self.groups.values().flat_map(|group| &group.suspended);
        all.map(String::as_str).collect()
    }

    /// The state of an instance that joins.
    pub fn newcomer(&self) -> Host {
        let mut like = self
            .fleet
            .hosts
            .iter()
            .filter(|host| is_rolled(&self.fleet, host));
        let mut host = like.next().map_or_else(fresh_host, copy_of);
        host.sick = false;
        host
    }

    /// Makes an instance sick: EC2 says `running`, its engine answers, and the load balancer says
    /// `unhealthy`.
    pub fn falls_ill(&mut self, instance: &str) {
        if let Some(host) = self.hosts.get_mut(instance) {
            host.sick = true;
            // No version cures this sickness: a swap that cured it would equal a host that gets well at that
            // moment.
            host.healed_by_new = false;
            self.ever_sick.insert(instance.to_owned());
        }
    }

    /// Makes an instance hang as a whole: the load balancer says `unhealthy`, and its engine does not answer.
    pub fn hangs(&mut self, instance: &str) {
        self.falls_ill(instance);
        if let Some(host) = self.hosts.get_mut(instance) {
            host.hangs = true;
        }
    }

    /// Lets the engine restart the container of the new version, which serves again at once.
    pub fn restarts(&mut self, instance: &str) {
        if let Some(host) = self.hosts.get_mut(instance) {
            host.restarts += 1;
        }
    }

    /// Makes a sick instance well; `late` when no host is worked on any more.
    pub fn gets_well(&mut self, instance: &str, late: bool) {
        if let Some(host) = self.hosts.get_mut(instance) {
            host.sick = false;
            host.hangs = false;
            host.well_late = late;
        }
    }

    /// Puts every instance into a second target group too.
    #[must_use]
    pub fn in_two_groups(mut self) -> Self {
        fixtures::in_two_groups(self.fleet_mut());
        for host in self.hosts.values_mut() {
            host.second = Some(host.target);
        }
        self
    }

    /// Gives the fleet a lease.
    pub fn with_lease(mut self) -> Self {
        self.definition.lease_parameter = Some("/drawgate/lease/staging/api".to_owned());
        self
    }

    /// Gives the service a `[before]`, reversible or not.
    pub fn with_before(mut self, reversible: bool) -> Self {
        self.definition.before = Some(BeforeDefinition {
            run: vec!["bin/migrate".to_owned()],
            env: BTreeMap::new(),
            reversible,
            timeout_ms: 600_000,
        });
        self
    }

    /// Gives the service an `[after]` of three attempts.
    pub fn with_after(mut self, on_failure: OnFailure) -> Self {
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

    /// Plans a fault of that step, so many times.
    pub fn with(mut self, step: Step, fault: Fault, times: usize) -> Self {
        self.faults.push((step, fault, times));
        self
    }

    /// Plans that an instance joins when that step is performed.
    pub fn with_arrival(mut self, step: Step, instance: &str) -> Self {
        self.arrivals.push((step, instance.to_owned()));
        self
    }

    /// Makes the service publish its desired version; the boot script of new instances starts it.
    pub fn publishing(mut self, before: Option<&str>) -> Self {
        self.definition.wanted_parameter = Some(PARAMETER.to_owned());
        self.parameter = before.map(str::to_owned);
        self.boots = true;
        self
    }

    /// Plans that an instance is terminated when that step is performed.
    pub fn with_departure(mut self, step: Step, instance: &str) -> Self {
        self.departures.push((step, instance.to_owned()));
        self
    }

    /// Makes an instance `Pending` for so many looks, from the start or from when it joins.
    pub fn with_pending(mut self, instance: &str, looks: usize) -> Self {
        self.pending.insert(instance.to_owned(), looks);
        self
    }

    /// Makes an instance silent over SSH for so many looks.
    pub fn with_silent(mut self, instance: &str, looks: usize) -> Self {
        self.silent.insert(instance.to_owned(), looks);
        self
    }

    /// Makes the release watch the alarm, and bake for so long.
    pub fn watched(mut self, bake_ms: u64) -> Self {
        self.definition.alarms.watch = vec![ALARM.to_owned()];
        self.definition.alarms.watch_interval_ms = 10_000;
        self.definition.alarms.bake_ms = bake_ms;
        self
    }

    /// Makes the release watch hosts whose turn is over, and bake for so long.
    #[must_use]
    pub fn watching_hosts(mut self, bake_ms: u64) -> Self {
        self.definition.roll.watch_hosts = true;
        self.definition.alarms.bake_ms = bake_ms;
        self
    }

    /// Lets another service's release silence the same alarm; it does so already when this release begins.
    #[must_use]
    pub fn sharing_alarms(mut self) -> Self {
        self.shares_alarms = true;
        let mut seen = self.alarm_snapshot(ALARM);
        (seen.actions_enabled, seen.silenced) = (false, true);
        self.fleet_mut().alarms.push(seen);
        self.other_silences();
        self
    }

    /// A release of another service silences the alarm, as `rollout::fleet::silence` says.
    pub fn other_silences(&mut self) {
        let previous = self.clone();
        let held = self.alarm_tags.contains(ALARM);
        if self.alarms.get(ALARM) == Some(&true) || held {
            self.alarms.insert(ALARM.to_owned(), false);
            self.alarms_of_others.insert(ALARM.to_owned());
        }
        self.remember_alarms(&previous);
    }

    /// That release leaves the alarm: it enables its actions, unless this release has tagged the alarm.
    pub fn other_unsilences(&mut self) {
        let previous = self.clone();
        if self.alarms_of_others.remove(ALARM) && !self.alarm_tags.contains(ALARM) {
            self.alarms.insert(ALARM.to_owned(), true);
        }
        self.remember_alarms(&previous);
    }

    /// Makes the release use a mute rule, so that the alarms' actions stay on.
    pub fn muted(mut self) -> Self {
        self.definition.alarms.by = SilenceBy::MuteRule;
        self
    }

    /// Plans that the alarm fires when that step is performed.
    pub fn with_alarm_at(mut self, step: Step) -> Self {
        self.fires.push((step, ALARM.to_owned()));
        self
    }

    /// Lets another release have the group: its tag is on the group, and it has suspended processes.
    pub fn with_other(mut self, outlasts: usize) -> Self {
        for group in self.groups.values_mut() {
            group.tag = Some("another-release".to_owned());
        }
        self.suspend_by_hand("HealthCheck");
        self.suspend_by_hand("AZRebalance");
        self.other = Some(Other {
            outlasts,
            is_about_to_end: false,
        });
        self
    }
}
