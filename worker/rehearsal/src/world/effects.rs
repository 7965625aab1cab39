//! What each step does to the fleet, as far as it comes.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_rollout::definition::RestartPolicy;
use drawgate_rollout::{
    BESIDE_WORKER, Calls, Evidence, Failure, Finding, FloorKept, HostPlan, LABEL_RELEASE, Newcomer, Obstacle,
    Phase, Release, Stage, Step, StepOutcome, WantedPlan, WatchPlan, limits, newcomer, plan,
};
use drawgate_schemas::Direction;

use super::*;

impl World {
    /// The other release ends and leaves everything as it was before it.
    pub(super) fn other_ends(&mut self) {
        if self.other.take().is_some() {
            for group in self.groups.values_mut() {
                group.tag = None;
                group.suspended.clear();
            }
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
        // Whoever joined is locked before anything is done to it; until then the others may go their way.
        let untouched = |name: &String| {
            let mut joined = release.joined.iter();
            joined.any(|host| {
                format!("instance {}", host.instance) == *name && !release.touched(&host.instance)
            })
        };
        let missing = |name: &String| !self.locked.contains(name) && !untouched(name);
        if self.other.is_some()
            || release.touches().iter().any(missing)
            || instance.iter().any(|name| !self.locked.contains(name))
        {
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
    pub fn perform(&mut self, release: &Release, step: &Step) -> StepOutcome {
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
            Some(Fault::FailsVerification) => StepOutcome::Transient {
                failure: Failure::new("does not pass, as it was told to here"),
            },
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
            Some(Fault::Unconfirmed) => {
                self.effect(release, step);
                StepOutcome::Transient { failure: failure() }
            }
            Some(Fault::UnconfirmedHalf) => {
                self.half(release, step);
                StepOutcome::Transient { failure: failure() }
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
    pub fn perform_unheard(&mut self, release: &Release, step: &Step, extent: Extent) {
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
        let like = self.newcomer();
        let late = self.performed.contains(&Step::Sweep);
        let unseen = self.performed.contains(&Step::Confirm);
        for instance in arrived {
            let wanted = self.boots && self.parameter.as_deref() == Some(VALUE);
            let booted = || {
                if wanted {
                    booted_host(release, self.definition.container().unwrap().restart, &like)
                } else {
                    like.clone()
                }
            };
            let host = self.hosts.entry(instance).or_insert_with(booted);
            host.joined_late = late && !host.disturbed;
            host.joined_unseen = unseen && !host.disturbed;
        }
    }

    /// A step of several calls, stopped between them.
    fn half(&mut self, release: &Release, step: &Step) {
        let commanded = self.definition.command().is_some();
        match step {
            Step::Suspend { group } => {
                let scaling = self.group(group);
                scaling.tag = Some(release.request.id.to_string());
                scaling.tag_says = ours(release, group).collect();
            }
            Step::RunBefore { .. } => self.start_before(),
            // All processes run again, the tag is still there.
            Step::Resume { group } => {
                let ours: BTreeSet<String> = ours(release, group).collect();
                self.mark_healthy();
                self.group(group)
                    .suspended
                    .retain(|process| !ours.contains(process));
            }
            // Health is checked again, and nobody is replaced yet.
            Step::LetReplace { group } => {
                self.group(group).suspended.remove(Process::HealthCheck.as_str());
            }
            Step::SuspendAgain { group } => self.group(group).tag_says = ours(release, group).collect(),
            // Tagged, and able to act still; or able to act again, and tagged still.
            Step::Silence if !self.mutes() => {
                let on = self.planned_alarms(release, true);
                self.alarm_tags.extend(on);
            }
            Step::Unsilence if !self.mutes() => {
                for alarm in self.alarm_tags.clone() {
                    self.alarms.insert(alarm, true);
                }
            }
            Step::Host {
                instance,
                phase: Phase::Deregister,
                ..
            } => {
                let host = self.host(instance);
                host.tagged = true;
                if host.second.is_some() && host.target == Target::Registered {
                    host.disturbed = true;
                    host.target = Target::Draining;
                }
            }
            Step::Host {
                instance,
                phase: Phase::Register,
                ..
            } if self.in_two(instance) => self.host(instance).target = Target::Registered,
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

    /// How far this step may come before it is broken off.
    pub fn extents(&self, step: &Step) -> &'static [Extent] {
        let registers_twice = match step {
            Step::Host {
                instance,
                phase: Phase::Register,
                ..
            } => self.in_two(instance),
            _ => false,
        };
        if Self::has_half(step) || registers_twice {
            &[Extent::None, Extent::Half, Extent::Whole]
        } else {
            &[Extent::None, Extent::Whole]
        }
    }

    fn in_two(&self, instance: &str) -> bool {
        let host = self.hosts.get(instance);
        host.is_some_and(|host| host.second.is_some())
    }

    /// Every combination of how far these steps may come.
    pub fn combinations<'s>(&self, steps: impl IntoIterator<Item = &'s Step>) -> Vec<Vec<Extent>> {
        let mut all = vec![Vec::new()];
        for step in steps {
            let longer = |shorter: &Vec<Extent>| {
                let shorter = shorter.clone();
                let extents = self.extents(step).iter();
                extents.map(move |extent| [shorter.as_slice(), &[*extent]].concat())
            };
            all = all.iter().flat_map(longer).collect();
        }
        all
    }

    /// Whether the step is made of several calls, and can stop between them.
    pub fn has_half(step: &Step) -> bool {
        step.properties().calls == Calls::Several
    }

    pub(super) fn host(&mut self, instance: &str) -> &mut Host {
        self.hosts.get_mut(instance).unwrap()
    }

    fn effect(&mut self, release: &Release, step: &Step) -> StepOutcome {
        let again = self.performed.contains(step);
        self.performed.push(step.clone());
        self.check_locks(release, step);
        self.check_lease(release, step);
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
                let ours = self.tenant == Some(Tenant::Us);
                self.tenant = self.tenant.filter(|_| !ours);
                done_or_already(ours)
            }
            _ if self.left(step) => without_host(step),
            Step::Reserve => self.reserve(release),
            Step::Publish => self.publish(release),
            Step::Unpublish => self.unpublish(release),
            Step::Canary => self.watch_canary(release),
            Step::Stage { .. } => done_or_already(!again),
            Step::After => self.run_after(release),
            Step::CreateBefore { .. } => {
                let created = self.one_off.is_none();
                self.one_off.get_or_insert(OneOff::Created);
                done_or_already(created)
            }
            Step::RunBefore { instance } => self.run_before(instance),
            Step::Suspend { group } => self.suspend(release, group),
            Step::LetReplace { group } => self.let_replace(release, group),
            Step::AwaitHealthy => self.await_healthy(release),
            Step::SuspendAgain { group } => self.suspend_again(release, group),
            Step::Silence => self.silence(release),
            Step::Renew => self.mute(release),
            Step::Unsilence => self.unsilence(release),
            Step::Resume { group } => self.resume(release, group),
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
    fn check_lease(&mut self, release: &Release, step: &Step) {
        // While everything is put back, no answer about the lease stops anything: the lane is ours.
        let puts_back = release.is_rolling_back() || release.stage() == Stage::Restoring;
        if puts_back && !release.done(&Step::TakeLease) {
            return;
        }
        let has_it = self.definition.lease_parameter.is_none() || self.tenant == Some(Tenant::Us);
        if !has_it && !step.reads() {
            self.broken
                .push(format!("{step}, and the fleet's lease is {:?}", self.tenant));
        }
    }

    /// Only a container that has never run is started.
    fn start_before(&mut self) {
        let again = self.bug == Some(Bug::RunsBeforeAgain) && self.one_off.is_some();
        if again || self.one_off == Some(OneOff::Created) {
            self.one_off = Some(OneOff::Running);
            self.before_runs += 1;
        }
    }

    fn run_before(&mut self, instance: &str) -> StepOutcome {
        if self.hosts.values().any(|host| host.disturbed)
            || self.groups.values().any(|group| group.tag.is_some())
        {
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
                done(ran(instance, &["3 tables"]))
            }
        }
    }

    /// On a host, where it does not run beside the worker.
    fn run_after(&self, release: &Release) -> StepOutcome {
        let definition = self.definition.after.as_ref();
        let in_container = definition.is_some_and(|after| matches!(after.place, Place::Container { .. }));
        let host = release.any_host().and_then(|instance| self.hosts.get(instance));
        match host {
            Some(host) if in_container && !host.member => StepOutcome::Transient {
                failure: Failure::new("the host does not answer"),
            },
            _ => done(ran("a host", &[])),
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
        let through = |instance: &str| release.is_through(instance, Direction::Forward);
        let mut canaries = self.hosts.iter().filter(|(instance, _)| through(instance));
        if canaries.all(|(_, host)| !host.member || host.healthy()) {
            StepOutcome::done()
        } else {
            refused("the canary is not healthy")
        }
    }

    fn suspend(&mut self, release: &Release, name: &str) -> StepOutcome {
        let group = match self.own_group(release, name) {
            Ok(group) => group,
            Err(refused) => return refused,
        };
        group.tag = Some(release.request.id.to_string());
        group.tag_says = ours(release, name).collect();
        let before = group.suspended.len();
        group.suspended.extend(ours(release, name));
        if group.suspended.len() == before {
            StepOutcome::already()
        } else {
            StepOutcome::done()
        }
    }

    fn group(&mut self, name: &str) -> &mut Scaling {
        self.groups.get_mut(name).unwrap()
    }

    /// The group, which has to be there and must not be another release's.
    fn own_group(&mut self, release: &Release, name: &str) -> Result<&mut Scaling, StepOutcome> {
        match self.groups.get_mut(name) {
            None => Err(refused("the Auto Scaling group does not exist")),
            Some(group) if group.is_held_by_other(release) => Err(refused("carries another release's tag")),
            Some(group) => Ok(group),
        }
    }

    fn resume(&mut self, release: &Release, name: &str) -> StepOutcome {
        let bug = self.bug;
        let Ok(group) = self.own_group(release, name) else {
            return StepOutcome::already();
        };
        let all: Vec<String> = match bug {
            Some(Bug::ResumesEverything) => group.suspended.iter().cloned().collect(),
            Some(Bug::ForgetsOneProcess) => ours(release, name).skip(1).collect(),
            _ => ours(release, name).collect(),
        };
        let before = group.suspended.len();
        for process in all {
            group.suspended.remove(&process);
        }
        let ran = group.suspended.len() == before;
        group.tag = None;
        group.tag_says.clear();
        self.mark_healthy();
        done_or_already(!ran)
    }

    /// Whoever is healthy is no longer marked as if it were not.
    fn mark_healthy(&mut self) {
        for host in self.hosts.values_mut() {
            host.marked &= !host.healthy();
        }
    }

    fn let_replace(&mut self, release: &Release, name: &str) -> StepOutcome {
        let bug = self.bug;
        let processes: Vec<String> = replacing(release, name).collect();
        let group = match self.own_group(release, name) {
            Ok(group) => group,
            Err(refused) => return refused,
        };
        for process in &processes {
            group.suspended.remove(process);
            if bug != Some(Bug::LeavesTheTagInTheWait) {
                group.tag_says.remove(process);
            }
        }
        if bug != Some(Bug::ReplacesBeforeMarking) {
            self.mark_healthy();
        }
        if processes
            .iter()
            .any(|process| process == Process::ReplaceUnhealthy.as_str())
        {
            let healthy = self
                .hosts
                .iter()
                .filter(|(_, host)| host.marked && host.healthy());
            let terminated: Vec<&String> = healthy.map(|(instance, _)| instance).collect();
            if !terminated.is_empty() {
                let what = format!(
                    "{terminated:?} are healthy, and terminated because they were marked while they were out"
                );
                self.broken.push(what);
            }
        }
        self.check_tag(release, name);
        StepOutcome::done()
    }

    fn suspend_again(&mut self, release: &Release, name: &str) -> StepOutcome {
        if self.bug == Some(Bug::ForgetsToSuspendAgain) {
            return StepOutcome::already();
        }
        let ours: Vec<String> = ours(release, name).collect();
        let group = match self.own_group(release, name) {
            Ok(group) => group,
            Err(refused) => return refused,
        };
        group.tag_says.extend(ours.iter().cloned());
        group.suspended.extend(ours);
        self.check_tag(release, name);
        StepOutcome::done()
    }

    /// The tag of a group says what of ours is suspended, also while hosts may be replaced.
    fn check_tag(&mut self, release: &Release, name: &str) {
        let group = &self.groups[name];
        let suspended: BTreeSet<String> = ours(release, name)
            .filter(|process| group.suspended.contains(process))
            .collect();
        if group.tag_says != suspended {
            let what = format!(
                "the tag of {name} says {:?}, and suspended are {suspended:?}",
                group.tag_says
            );
            self.broken.push(what);
        }
    }

    /// Whether the host whose turn it is may be taken out by now.
    fn await_healthy(&self, release: &Release) -> StepOutcome {
        let wait = release.sick_wait.as_ref().unwrap();
        let there = self.hosts.get(&wait.instance).is_some_and(|host| host.member);
        let kept = self.kept(release, &wait.instance, Direction::Forward);
        match kept.filter(|_| there) {
            Some(kept) => kept_in(kept),
            None => StepOutcome::done(),
        }
    }

    /// The floor that keeps a host in service, if one does.
    fn kept(&self, release: &Release, instance: &str, direction: Direction) -> Option<FloorKept> {
        let mut seen = release.clone();
        let left = release.hosts().filter(|host| !self.hosts[&host.instance].member);
        seen.gone.extend(left.map(|host| host.instance.clone()));
        let seen = &seen;
        let groups = seen.plan.iter().flat_map(|plan| plan.target_groups.keys());
        groups
            .filter(|group| self.state_in(instance, group) == "healthy")
            .find_map(|group| {
                let others = || seen.hosts().filter(|host| host.instance != instance);
                let is_healthy = |host: &HostPlan| self.state_in(&host.instance, group) == "healthy";
                let settling = others()
                    .filter(|host| seen.comes_back(host) && is_healthy(host))
                    .count();
                let all_healthy = self.healthy_in(group);
                let (healthy, floor) = match direction {
                    Direction::Back if self.bug != Some(Bug::KeepsTheFloorOfTheStart) => {
                        let healthy = all_healthy.saturating_sub(number(settling));
                        let out = others().filter(|host| seen.comes_back(host)).count();
                        (healthy, seen.floor_on_way_back(group, healthy, number(out)))
                    }
                    _ => (all_healthy, seen.floor(group)),
                };
                let floor = match self.bug {
                    Some(Bug::TakesTheLastHealthy) if direction == Direction::Back => 0,
                    _ => floor,
                };
                let is_sick = |host: &&HostPlan| {
                    let there = !seen.gone.contains(&host.instance) && host.instance != instance;
                    let in_it = host.targets.iter().any(|target| target.target_group == *group);
                    there && in_it && !seen.is_out(host) && !is_healthy(host)
                };
                let sick = seen.everyone().filter(is_sick);
                (healthy <= floor).then(|| FloorKept {
                    target_group: group.clone(),
                    zone: None,
                    healthy,
                    floor,
                    sick: sick.map(|host| host.instance.clone()).collect(),
                })
            })
    }

    fn silence(&mut self, release: &Release) -> StepOutcome {
        let plan = release.plan.as_ref().unwrap();
        if plan.mutes() {
            return self.mute(release);
        }
        let on: Vec<String> = self.planned_alarms(release, true);
        for alarm in &on {
            self.alarm_tags.insert(alarm.clone());
            self.alarms.insert(alarm.clone(), false);
        }
        done_or_already(!on.is_empty())
    }

    fn mutes(&self) -> bool {
        self.definition.alarms.by == SilenceBy::MuteRule
    }

    /// Alarms of the plan that are there, and whose actions are on, or off.
    fn planned_alarms(&self, release: &Release, on: bool) -> Vec<String> {
        let planned = release.plan.iter().flat_map(|plan| &plan.alarms);
        let is_so = |name: &&String| self.alarms.get(*name) == Some(&on);
        planned.map(|alarm| &alarm.name).filter(is_so).cloned().collect()
    }

    fn mute(&mut self, release: &Release) -> StepOutcome {
        let until = limits::after(self.now, limits::MUTE_MS);
        // A rule for alarms that are all gone is not made.
        let mut planned = release.plan.iter().flat_map(|plan| &plan.alarms);
        if planned.any(|alarm| self.alarms.contains_key(&alarm.name)) {
            self.muted_until = Some(until);
        }
        done(Evidence::Muted { until })
    }

    fn unsilence(&mut self, release: &Release) -> StepOutcome {
        if release.plan.as_ref().unwrap().mutes() {
            if self.muted_until.take().is_none() {
                return StepOutcome::already();
            }
            let firing = self.firing.iter().cloned().collect();
            return done(Evidence::Unmuted { firing });
        }
        let off = self.planned_alarms(release, false);
        let held = std::mem::take(&mut self.alarm_tags);
        let enabled = held.iter().any(|alarm| off.contains(alarm));
        for alarm in held {
            self.alarms.insert(alarm, self.bug != Some(Bug::ForgetsAnAlarm));
        }
        if self.bug == Some(Bug::EnablesEveryAlarm) {
            self.alarms.values_mut().for_each(|on| *on = true);
        }
        done_or_already(enabled)
    }

    fn look_at_watched(&self, release: &Release) -> StepOutcome {
        let fires = |alarm: &&WatchPlan| self.firing.contains(&alarm.name) && alarm.fires("ALARM", None);
        let watched = &release.plan.as_ref().unwrap().watched;
        if let Some(alarm) = watched.iter().find(fires) {
            return refused(&format!("{} went into ALARM", alarm.name));
        }
        match watched
            .iter()
            .find(|alarm| !self.alarms.contains_key(&alarm.name))
        {
            Some(alarm) => StepOutcome::Transient {
                failure: Failure::new(format!("alarm {} is not there any more", alarm.name)),
            },
            None => StepOutcome::done(),
        }
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
            if !(host.healthy() || host.sick) || host.named != Some(Which::New) {
                let what = "published before every known host is good";
                self.broken.push(what.to_owned());
            }
        }
        if self.is_foreign(&planned) {
            return refused("changed by somebody else");
        }
        let evidence = Evidence::Published {
            at: crate::time::start(),
        };
        let before = self.parameter.replace(planned.value.clone());
        match before == self.parameter {
            true => StepOutcome::AlreadyDone { evidence },
            false => done(evidence),
        }
    }

    /// What somebody else wants is left alone.
    fn unpublish(&mut self, release: &Release) -> StepOutcome {
        let planned = wanted(release);
        let is_ours = |seen: &String| planned.is_ours(seen);
        if !self.parameter.as_ref().is_some_and(is_ours) {
            return StepOutcome::already();
        }
        if self.bug != Some(Bug::ForgetsToUnpublish) {
            self.parameter = planned.before;
        }
        StepOutcome::done()
    }

    fn sweep(&mut self, release: &Release) -> StepOutcome {
        let plan = release.plan.as_ref().unwrap();
        let (mut hosts, mut adopted, mut awaited) = (Vec::new(), Vec::new(), None);
        for seen in self.snapshot().hosts {
            let known = release.everyone().any(|host| host.instance == seen.instance);
            let is_member = self.hosts.get(&seen.instance).is_some_and(|host| host.member);
            if known || !is_member {
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
        if self.bug == Some(Bug::MissesANewcomer) {
            return StepOutcome::done();
        }
        match awaited {
            _ if !hosts.is_empty() || !adopted.is_empty() => done(Evidence::Joined { hosts, adopted }),
            Some(why) => StepOutcome::Transient {
                failure: Failure::new(why),
            },
            None => done(Evidence::Swept {
                by_themselves: Vec::new(),
            }),
        }
    }

    pub(super) fn is_pending(&mut self, instance: &str) -> bool {
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
        // The floor may keep it in service: then nothing was done to it.
        if !matches!(phase, Phase::Create | Phase::Deregister) {
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
        // One that is mended alone, within the failure budget, may: the version is not given up.
        if direction == Direction::Back
            && release.is_rolling_back()
            && self.parameter.as_deref() == Some(VALUE)
            && !release.begun(&Step::Unpublish)
        {
            self.broken.push(format!(
                "{instance} goes back while new instances start what failed"
            ));
        }
        match phase {
            Phase::Create => self.create(release, instance),
            Phase::Deregister => self.deregister(release, instance, direction),
            Phase::Drain => self.drain(release, instance, direction),
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

    fn deregister(&mut self, release: &Release, instance: &str, direction: Direction) -> StepOutcome {
        let bug = self.bug;
        let kept = self.kept(release, instance, direction);
        if let Some(kept) = kept.filter(|_| bug != Some(Bug::IgnoresTheFloor)) {
            // One that an attempt before has taken out in part was not left alone.
            return match self.host(instance).registered() {
                true => kept_in(kept),
                false => StepOutcome::Transient {
                    failure: Failure::new("the floor must be kept"),
                },
            };
        }
        self.check_suspended(release, instance);
        let serving = self.serving(release);
        let host = self.host(instance);
        host.disturbed = true;
        if !host.registered_somewhere() {
            return StepOutcome::already();
        }
        host.tagged = true;
        host.marked = true;
        host.taken_sick |= host.sick;
        host.set_targets(Target::Draining);
        let last = !serving.is_subset(&self.serving(release));
        if last && !self.may_serve_nobody(release) {
            self.broken.push(format!(
                "{instance} was the last healthy one, and was deregistered"
            ));
        }
        StepOutcome::done()
    }

    /// Nobody served at the start, or the service's file says that it may be so.
    fn may_serve_nobody(&self, release: &Release) -> bool {
        let mut hosts = release.plan.iter().flat_map(|plan| &plan.hosts);
        self.definition.roll.allow_outage || !hosts.any(|host| !host.targets.is_empty() && host.was_healthy())
    }

    /// Target groups that have a healthy target.
    fn serving(&self, release: &Release) -> BTreeSet<String> {
        let groups = release.plan.iter().flat_map(|plan| plan.target_groups.keys());
        groups
            .filter(|group| self.healthy_in(group) > 0)
            .cloned()
            .collect()
    }

    /// What we suspended is suspended when a host is taken out. Where it could not be suspended again, the way back goes on.
    fn check_suspended(&mut self, release: &Release, instance: &str) {
        let runs = |(name, group): (&String, &Scaling)| {
            let again = Step::SuspendAgain { group: name.clone() };
            let given_up = release.is_rolling_back() && release.was_refused(&again);
            !given_up && ours(release, name).any(|process| !group.suspended.contains(&process))
        };
        if self.groups.iter().any(runs) {
            self.broken
                .push(format!("{instance} deregistered while processes run"));
        }
    }

    fn drain(&mut self, release: &Release, instance: &str, direction: Direction) -> StepOutcome {
        if self.bug == Some(Bug::SkipsTheDrain) {
            return StepOutcome::done();
        }
        let host = self.host(instance);
        if host.registered_somewhere() {
            // A registering that nobody heard of came after the deregistering.
            let again = self.deregister(release, instance, direction);
            if again.failure().is_some() {
                return again;
            }
        }
        self.host(instance).set_targets(Target::Absent);
        StepOutcome::done()
    }

    fn swap(&mut self, planned: &HostPlan, direction: Direction) -> StepOutcome {
        let commanded = self.definition.command().is_some();
        let host = self.hosts.get_mut(&planned.instance).unwrap();
        if host.targets().any(|target| target != Target::Absent) {
            self.broken.push(format!(
                "{} swapped while it is {:?}",
                planned.instance,
                host.targets().collect::<Vec<_>>()
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
                old.running = self.bug == Some(Bug::LeavesTheOldRunning);
            }
            host.named = Some(Which::New);
            if std::mem::replace(&mut new.running, true) {
                return StepOutcome::already();
            }
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
        let host = self.host(&planned.instance);
        match host.serving(direction) {
            Some(container) if container.running => return StepOutcome::done(),
            _ => {}
        }
        // A host may have been rebooted after its swap: the container of before is started again, and judged by the next look.
        if let (Direction::Back, Some(old)) = (direction, &mut host.old) {
            old.running = true;
        }
        refused("the container ended")
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
        match (container, wanted) {
            (_, None) => StepOutcome::already(),
            (None, Some(_)) => refused("the container is gone"),
            (Some(container), Some(wanted)) => {
                let before = std::mem::replace(&mut container.restart, wanted);
                done_or_already(before != wanted)
            }
        }
    }

    fn register(&mut self, instance: &str) -> StepOutcome {
        let bug = self.bug;
        let host = self.host(instance);
        if !host.member {
            return done(Evidence::Gone {
                why: "terminated in EC2".to_owned(),
            });
        }
        let drains = host.targets().any(|target| target == Target::Draining);
        if drains && bug == Some(Bug::TakesDrainingForRegistered) {
            return StepOutcome::already();
        }
        if bug == Some(Bug::RegistersWithoutThePort) {
            return StepOutcome::done();
        }
        host.set_targets(Target::Registered);
        StepOutcome::done()
    }

    fn settle(&mut self, planned: &HostPlan, direction: Direction) -> StepOutcome {
        let is_container = self.definition.container().is_some();
        let host = self.host(&planned.instance);
        if !host.member {
            return done(Evidence::Gone {
                why: "terminated in EC2".to_owned(),
            });
        }
        let serves = host.serving(direction).is_some_and(|container| container.running);
        if is_container && (direction == Direction::Forward || ran_before(planned)) && !serves {
            return refused("the container ended, or is gone");
        }
        let awaited = direction == Direction::Forward || planned.was_healthy();
        if awaited && !host.registered() {
            // A deregistering that nobody heard of came after the registering.
            self.register(&planned.instance);
        }
        let host = self.host(&planned.instance);
        if awaited && !host.healthy() {
            let target_group = planned.targets.first().map(|target| target.target_group.clone());
            let failure = Failure::new("unhealthy in web").with_obstacle(Obstacle::Unhealthy {
                target_group: target_group.unwrap_or_default(),
            });
            return StepOutcome::Transient { failure };
        }
        host.tagged = false;
        StepOutcome::done()
    }

    fn retire(&mut self, release: &Release, instance: &str) -> StepOutcome {
        let one_off = self.one_off.take().is_some();
        let host = self.host(instance);
        // One that runs is somebody's service, whatever went wrong before.
        let fails = |new: &mut Container| !new.running;
        let failed = release.is_rolling_back() && host.named != Some(Which::New);
        let removed = failed && host.new.take_if(fails).is_some();
        done_or_already(one_off || removed)
    }
}

/// What comes of a step whose instance was terminated.
fn without_host(step: &Step) -> StepOutcome {
    match step {
        // How far it came nobody knows, and nobody says that it is done.
        Step::CreateBefore { .. } | Step::RunBefore { .. } => StepOutcome::Transient {
            failure: Failure::new("the host does not answer"),
        },
        // The load balancer has let go of it: that it is gone is seen by a step that needs the host.
        Step::Host {
            phase: Phase::Deregister,
            ..
        } => StepOutcome::already(),
        Step::Host {
            phase: Phase::Drain, ..
        } => StepOutcome::done(),
        _ => done(Evidence::Gone {
            why: "terminated in EC2".to_owned(),
        }),
    }
}

/// An instance whose boot script started this release.
fn booted_host(release: &Release, restart: RestartPolicy, like: &Host) -> Host {
    let container = Container {
        running: true,
        restart,
        labels: BTreeMap::from([(LABEL_RELEASE.to_owned(), release.request.id.to_string())]),
    };
    Host {
        old: None,
        new: Some(container),
        named: Some(Which::New),
        ..like.clone()
    }
}
fn wanted(release: &Release) -> WantedPlan {
    release.plan.as_ref().unwrap().wanted.clone().unwrap()
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
    done(ran("a host", &[]))
}

fn ran(on: &str, output: &[&str]) -> Evidence {
    Evidence::Ran {
        on: on.to_owned(),
        output: output.iter().map(|line| (*line).to_owned()).collect(),
    }
}

fn ran_before(planned: &HostPlan) -> bool {
    planned.told_before.is_some() || planned.before.as_ref().is_some_and(|before| before.running)
}

/// The processes of a group that this release suspends.
fn ours<'r>(release: &'r Release, name: &str) -> impl Iterator<Item = String> + use<'r> {
    let groups = &release.plan.as_ref().unwrap().groups;
    let group = groups.iter().find(|group| group.name == name);
    group
        .into_iter()
        .flat_map(|group| &group.suspend)
        .map(|process| process.as_str().to_owned())
}

/// Those of them that replace unhealthy hosts.
fn replacing<'r>(release: &'r Release, name: &str) -> impl Iterator<Item = String> + use<'r> {
    let groups = &release.plan.as_ref().unwrap().groups;
    let group = groups.iter().find(|group| group.name == name);
    group
        .into_iter()
        .flat_map(|group| group.replaces())
        .map(|process| process.as_str().to_owned())
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn kept_in(kept: FloorKept) -> StepOutcome {
    StepOutcome::Transient {
        failure: Failure::new("the floor must be kept").with_obstacle(Obstacle::Floor(kept)),
    }
}

pub(super) fn done(evidence: Evidence) -> StepOutcome {
    StepOutcome::Done { evidence }
}

fn done_or_already(changed: bool) -> StepOutcome {
    match changed {
        true => StepOutcome::done(),
        false => StepOutcome::already(),
    }
}

pub(super) fn refused(what: &str) -> StepOutcome {
    StepOutcome::Refused {
        failure: Failure::new(what),
    }
}
