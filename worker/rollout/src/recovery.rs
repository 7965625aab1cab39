//! Recovery: the journal of a release whose ledger is lost is written anew from the marks that the release
//! has put on the things it touched, as far as the rollback needs it.
//!
//! ```text
//!   fleet as it is, less what the marks say was changed  --plan()-->  the plan that the lost release had, or one as good
//!   marks                                                --------->  what it had begun: of each, nobody knows how far it came
//!                                                                     then: rolled back
//! ```
//!
//! From there on `decide` treats the release like any other whose worker was killed during rollback.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drawgate_schemas::{Command, Direction, Leftover, LeftoverKind, ReleaseId, ReleaseRequest};
use jiff::Timestamp;

use crate::definition::names::{new_container, old_container};
use crate::definition::{Process, RestartPolicy, ServiceDefinition};
use crate::failure::Failure;
use crate::fleet::{
    ContainerSnapshot, FleetSnapshot, GroupSnapshot, HostSnapshot, HostView, OutsideDocker, Plan,
    TargetSnapshot,
};
use crate::journal::{Cause, Entry, Evidence, Phase, Record, Step, StepOutcome};
use crate::mends;
use crate::preflight::{Finding, plan};
use crate::release::path;
use crate::share::Share;

/// The marks that one release has left on the things it touched.
#[derive(Debug, Clone, PartialEq)]
pub struct Marks {
    pub release: ReleaseId,
    /// Processes that it suspended, by Auto Scaling group.
    pub suspended: BTreeMap<String, Vec<Process>>,
    /// Processes that it had suspended and let run for a while, so that sick hosts are replaced; by Auto
    /// Scaling group.
    pub let_run: BTreeMap<String, Vec<Process>>,
    /// Whether every process that a roll of this fleet suspends is suspended: hosts are worked on only then.
    pub still_suspended: bool,
    /// Alarms whose actions it disabled.
    pub silenced: BTreeSet<String>,
    /// Those of them that other releases silence too.
    pub silenced_by_others: BTreeSet<String>,
    /// Targets that it took out, by instance.
    pub taken_out: BTreeMap<String, Vec<TargetSnapshot>>,
    /// Hosts that have a container of this release.
    pub containers: BTreeMap<String, LeftContainers>,
    /// Whether this release has the fleet's lease.
    pub has_lease: bool,
}

/// What a release has left on a host.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftContainers {
    /// The image of its own container, as it was named.
    pub image: Option<String>,
    /// Whether that container runs, or has the service's name: then the host was swapped, or half so.
    pub swapped: bool,
    /// The container that it replaced, or was to replace.
    pub before: Option<ContainerSnapshot>,
    /// The restart policy of the replaced container, as the release's own container notes it.
    pub restart_before: Option<RestartPolicy>,
}

fn target_leftover(instance: &str, target: &TargetSnapshot) -> Leftover {
    let arn = &target.target_group;
    let group = arn.split('/').nth(1).unwrap_or(arn);
    let what = LeftoverKind::Target {
        id: target.id.clone(),
        port: target.port,
        target_group: group.to_owned(),
        found: "absent".to_owned(),
        expected: target.state.clone(),
    };
    what.mended_by(vec![
        mends::register_target(arn, &target.id, target.port),
        mends::untag_target(instance, group, target.port),
    ])
}

impl Marks {
    /// The marks of a release that has left nothing so far.
    pub fn of(release: ReleaseId) -> Self {
        Self {
            release,
            suspended: BTreeMap::new(),
            let_run: BTreeMap::new(),
            still_suspended: true,
            silenced: BTreeSet::new(),
            silenced_by_others: BTreeSet::new(),
            taken_out: BTreeMap::new(),
            containers: BTreeMap::new(),
            has_lease: false,
        }
    }

    /// Adds what the fleet tells of how far the release had come.
    #[must_use]
    pub fn on(mut self, fleet: &FleetSnapshot, definition: &ServiceDefinition) -> Self {
        let runs = |group: &GroupSnapshot| {
            let wanted = self.suspended.get(&group.name).unwrap_or(&definition.suspend);
            wanted
                .iter()
                .any(|process| !group.suspended.contains(process.as_str()))
        };
        self.still_suspended = !fleet.groups.iter().any(runs);
        self
    }

    /// Whether something of the release has to be put right on the fleet. A container that serves does not
    /// have to be: every release that has succeeded leaves one.
    pub fn is_anything_left(&self) -> bool {
        let aside = self.containers.values().any(|left| !left.swapped);
        aside || !self.suspended.is_empty() || !self.silenced.is_empty() || !self.taken_out.is_empty()
    }

    /// What has to be put right, each with the commands that do it, in the order in which they are safe:
    /// hosts first, scaling last.
    pub fn leftovers(&self, definition: &ServiceDefinition) -> Vec<Leftover> {
        let hosts = self
            .containers
            .iter()
            .filter_map(|(instance, left)| self.host_leftover(instance, left, definition));
        let mut all: Vec<Leftover> = hosts.collect();
        for (instance, targets) in &self.taken_out {
            all.extend(targets.iter().map(|target| target_leftover(instance, target)));
        }
        all.extend(self.silenced.iter().map(|alarm| self.alarm_leftover(alarm)));
        all.extend(
            self.suspended
                .iter()
                .map(|(group, processes)| self.group_leftover(group, processes)),
        );
        all
    }

    /// An alarm that another release silences too stays off: only the tag goes.
    fn alarm_leftover(&self, alarm: &str) -> Leftover {
        let untag = mends::untag_alarm_by_name(alarm, self.release);
        let name = alarm.to_owned();
        if self.silenced_by_others.contains(alarm) {
            return LeftoverKind::SilencedTag { alarm: name }.mended_by(vec![untag]);
        }
        let enable = mends::enable_alarm_actions(alarm);
        LeftoverKind::AlarmActionsOff { alarm: name }.mended_by(vec![enable, untag])
    }

    /// Resumes health checks first; then marks the hosts that were taken out as healthy, because a host that
    /// was marked unhealthy meanwhile would be replaced. No command is without a list of processes, because
    /// that would resume what a person has suspended too.
    fn group_leftover(&self, group: &str, processes: &[Process]) -> Leftover {
        let names: Vec<&str> = processes.iter().map(|process| process.as_str()).collect();
        let (first, rest): (Vec<&str>, Vec<&str>) = names
            .iter()
            .partition(|name| **name == Process::HealthCheck.as_str());
        let mut commands = Vec::new();
        if !first.is_empty() {
            commands.push(mends::resume_processes(group, &first));
        }
        commands.extend(
            self.taken_out
                .keys()
                .map(|instance| mends::mark_healthy(instance)),
        );
        if !rest.is_empty() {
            commands.push(mends::resume_processes(group, &rest));
        }
        commands.push(mends::untag_group(group));
        let what = LeftoverKind::ProcessesSuspended {
            group: group.to_owned(),
            processes: names.into_iter().map(str::to_owned).collect(),
        };
        what.mended_by(commands)
    }

    fn host_leftover(
        &self,
        instance: &str,
        left: &LeftContainers,
        definition: &ServiceDefinition,
    ) -> Option<Leftover> {
        let name = &definition.container()?.name;
        let (new, old) = (
            new_container(name, self.release),
            old_container(name, self.release),
        );
        let out = self.taken_out.contains_key(instance);
        match (left.swapped, out) {
            (false, false) => {
                let remove = Command::on(instance, format!("docker rm {new}"));
                let what = LeftoverKind::UnusedContainer {
                    instance: instance.to_owned(),
                    container: new,
                };
                Some(what.mended_by(vec![remove]))
            }
            (_, true) => {
                let restart = left
                    .restart_before
                    .map_or_else(String::new, |restart| format!(" --restart={restart}"));
                let mut commands = Vec::new();
                if left.swapped {
                    commands.push(format!("docker stop {name}; docker rename {name} {new}"));
                    commands.push(format!("docker rename {old} {name}"));
                }
                commands.push(format!("docker update{restart} {name}; docker start {name}"));
                commands.push(format!("docker rm {new}"));
                let what = LeftoverKind::HalfSwapped {
                    instance: instance.to_owned(),
                };
                let commands = commands.into_iter().map(|run| Command::on(instance, run));
                Some(what.mended_by(commands.collect()))
            }
            // The new container serves: a person has to say whether the host goes back.
            (true, false) => None,
        }
    }

    /// The plan of the rollback.
    ///
    /// # Errors
    /// What preflight has against any release of this fleet.
    pub fn plan(
        &self,
        request: &ReleaseRequest,
        definition: &ServiceDefinition,
        fleet: FleetSnapshot,
    ) -> Result<Plan, Vec<Finding>> {
        let mut definition = definition.clone();
        // A rollback does not need what is asked of a release that goes forward.
        definition.alarms.watch = Vec::new();
        definition.roll.allow_outage = true;
        definition.roll.canary = None;
        definition.before = None;
        definition.after = None;
        definition.wanted_parameter = None;
        // A host that the lost release may have touched is left out of no rollback, and nobody waits here.
        definition.preflight.wait_ms = 0;
        definition.preflight.unreachable = Share::Count(0);
        let fleet = self.as_before(fleet, &definition);
        let mut plan = plan(request, request.image.digest(), &definition, &fleet)?;
        for group in &mut plan.groups {
            // Exactly what the mark says, whatever the service's file says today.
            if let Some(processes) = self.suspended.get(&group.name) {
                group.suspend.clone_from(processes);
                group.suspend.extend(self.let_run_in(&group.name));
            }
        }
        Ok(plan)
    }

    /// The fleet as it was before this release.
    fn as_before(&self, mut fleet: FleetSnapshot, definition: &ServiceDefinition) -> FleetSnapshot {
        for group in &mut fleet.groups {
            group.suspension_tag = None;
            group.scheduled = Vec::new();
            for process in self.suspended.get(&group.name).into_iter().flatten() {
                group.suspended.remove(process.as_str());
            }
        }
        for alarm in &mut fleet.alarms {
            let is_ours = self.silenced.contains(&alarm.name);
            alarm.actions_enabled |= is_ours;
            alarm.unasked &= !is_ours;
        }
        for host in &mut fleet.hosts {
            self.host_before(host, definition);
        }
        fleet.watched = Vec::new();
        fleet
    }

    fn host_before(&self, host: &mut HostSnapshot, definition: &ServiceDefinition) {
        for out in self.taken_out.get(&host.instance).into_iter().flatten() {
            let same = |target: &&mut TargetSnapshot| {
                (target.target_group.as_str(), target.port) == (out.target_group.as_str(), out.port)
            };
            match host.targets.iter_mut().find(same) {
                Some(target) => target.state.clone_from(&out.state),
                None => host.targets.push(out.clone()),
            }
        }
        let HostView::Reached {
            container,
            ports_held,
            outside,
            disk_free_bytes,
            ..
        } = &mut host.view
        else {
            return;
        };
        // The release's own container has the port now, and a name that no release may find taken: preflight
        // must see neither.
        ports_held.clear();
        **outside = OutsideDocker::default();
        *disk_free_bytes = None;
        if self.was_ending() {
            // The host stays as it is.
            return;
        }
        if let Some(left) = self.containers.get(&host.instance) {
            container.clone_from(&left.before);
        }
        if let Some(before) = container.as_mut().filter(|_| self.touched(&host.instance)) {
            before.running = true;
            // The restart policy was taken off before the container was stopped. Releases of earlier versions
            // have not noted which it was.
            let noted = self
                .containers
                .get(&host.instance)
                .and_then(|left| left.restart_before);
            let usual = definition.container().map(|container| container.restart);
            if let (RestartPolicy::No, Some(restart)) = (before.restart, noted.or(usual)) {
                before.restart = restart;
            }
        }
    }

    fn let_run_in(&self, group: &str) -> impl Iterator<Item = Process> + '_ {
        self.let_run.get(group).into_iter().flatten().copied()
    }

    /// Whether the lost release stood at its end: its hosts were whole, and the processes that it had
    /// suspended were being resumed.
    pub fn was_ending(&self) -> bool {
        !self.still_suspended
    }

    fn is_swapped(&self, instance: &str) -> bool {
        self.containers.get(instance).is_some_and(|left| left.swapped)
    }

    /// Whether a host was taken out of service, or may have been.
    fn touched(&self, instance: &str) -> bool {
        self.is_swapped(instance) || self.taken_out.contains_key(instance)
    }

    /// The steps that the release had begun, as its marks prove, each with whether it had come to its end.
    fn begun(&self, plan: &Plan) -> Vec<(Step, bool)> {
        let mut begun = Vec::new();
        if plan.definition.lease_parameter.is_some() {
            begun.push((Step::TakeLease, false));
        }
        for group in self.suspended.keys() {
            begun.push((Step::Suspend { group: group.clone() }, false));
            if self.let_run_in(group).next().is_some() {
                begun.push((Step::LetReplace { group: group.clone() }, false));
            }
        }
        // A mute rule leaves no mark on an alarm, so the rollback looks whether there is one.
        if !self.silenced.is_empty() || (plan.mutes() && !plan.alarms.is_empty()) {
            begun.push((Step::Silence, false));
        }
        for host in &plan.hosts {
            let step = |(phase, done): (Phase, bool)| {
                (Step::on_host(&host.instance, Direction::Forward, phase), done)
            };
            begun.extend(self.phases(&host.instance).into_iter().map(step));
        }
        begun
    }

    /// How far a host had come. A swap may have begun wherever there is something to swap, and its rollback
    /// does no harm where it had not. Where processes were being resumed already, hosts are put back as they
    /// are.
    fn phases(&self, instance: &str) -> Vec<(Phase, bool)> {
        let (out, left) = (
            self.taken_out.contains_key(instance),
            self.containers.contains_key(instance),
        );
        let all = |done: bool, phases: &[Phase]| phases.iter().map(|phase| (*phase, done)).collect();
        match (out, left) {
            (true, true) if !self.was_ending() => all(
                false,
                &[Phase::Create, Phase::Deregister, Phase::Drain, Phase::Swap],
            ),
            (true, _) => all(false, &[Phase::Deregister]),
            (false, true) if self.is_swapped(instance) && !self.was_ending() => all(true, &path::FORWARD),
            (false, true) if self.is_swapped(instance) => Vec::new(),
            (false, true) => all(false, &[Phase::Create]),
            (false, false) => Vec::new(),
        }
    }

    /// The journal: accepted, planned, begun, rolled back.
    pub fn journal(&self, request: &ReleaseRequest, plan: &Plan, at: Timestamp) -> Vec<Entry> {
        let done = |step: Step, evidence| Record::Outcome {
            step,
            outcome: StepOutcome::Done { evidence },
        };
        let mut records = vec![
            Record::Accepted {
                request: Box::new(request.clone()),
                ahead: 0,
                publisher: None,
                approval: None,
            },
            Record::Started,
            Record::Intent { step: Step::Inspect },
            done(
                Step::Inspect,
                Evidence::PreflightPassed {
                    plan: Arc::new(plan.clone()),
                },
            ),
        ];
        for (step, ended) in self.begun(plan) {
            records.push(Record::Intent { step: step.clone() });
            let failure = Failure::new("its worker is gone, and its ledger with it");
            let outcome = match ended {
                true => StepOutcome::done(),
                false => StepOutcome::Unknown { failure },
            };
            records.push(Record::Outcome { step, outcome });
        }
        records.push(Record::RollingBack {
            cause: Cause {
                step: Step::Control,
                failure: Failure::new("its worker is gone, and its ledger with it: found by its marks"),
                attempts: 0,
            },
        });
        let entry = |(n, record)| Entry { n, at, record };
        (1..).zip(records).map(entry).collect()
    }
}
