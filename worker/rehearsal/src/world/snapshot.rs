//! What a look at the fleet shows: the fleet as it was at first, with everything that has changed since.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_rollout::definition::Process;
use drawgate_rollout::{
    AlarmSnapshot, ContainerSnapshot, Evidence, FleetSnapshot, HostPlan, HostSnapshot, HostView,
    LABEL_RELEASE, LeftContainers, Marks, MemberSnapshot, Observation, ObservedGroup, ObservedHost,
    ObservedParameter, ObservedTarget, Plan, Release, StepOutcome, Stranger,
};

use drawgate_schemas::ReleaseId;

use super::effects::done;
use super::*;

impl World {
    pub(super) fn alarm_snapshots(&self, patterns: &[String]) -> Vec<AlarmSnapshot> {
        let named = |name: &&String| {
            let mut patterns = patterns.iter();
            patterns.any(|pattern| {
                let prefix = pattern.strip_suffix('*');
                prefix.map_or(*name == pattern, |prefix| name.starts_with(prefix))
            })
        };
        self.alarms
            .keys()
            .filter(named)
            .map(|name| self.alarm_snapshot(name))
            .collect()
    }

    /// The marks that a release has left on the things it touched, as the doctor sees them without the
    /// ledger.
    pub fn marks(&self, release: ReleaseId) -> Marks {
        let mut marks = Marks::of(release);
        marks.silenced.clone_from(&self.alarm_tags);
        marks.silenced_by_others = self
            .alarm_tags
            .intersection(&self.alarms_of_others)
            .cloned()
            .collect();
        marks.has_lease = self.lease_owner == Some(LeaseOwner::Us);
        for (name, group) in &self.groups {
            if group.tag.as_deref() == Some(release.to_string().as_str()) {
                let named = |says: bool| {
                    let all = self.processes_of(name).into_iter();
                    all.filter(move |process| group.tag_says.contains(process.as_str()) == says)
                };
                marks.suspended.insert(name.clone(), named(true).collect());
                marks.let_run.insert(name.clone(), named(false).collect());
            }
        }
        for (instance, host) in self.hosts.iter().filter(|(_, host)| host.member) {
            if host.tagged {
                let seen = self.seen_first(instance).map(|seen| seen.targets.clone());
                marks.taken_out.insert(instance.clone(), seen.unwrap_or_default());
            }
            if let Some(left) = self.left_on(instance, host) {
                marks.containers.insert(instance.clone(), left);
            }
        }
        marks.on(&self.snapshot(), &self.definition)
    }

    /// The processes that the tag of a group names: those that the definition suspends, without those that
    /// were suspended before.
    fn processes_of(&self, name: &str) -> Vec<Process> {
        let before = self.fleet.groups.iter().find(|seen| seen.name == name);
        let by_others =
            |process: &Process| before.is_some_and(|seen| seen.suspended.contains(process.as_str()));
        let all = self.definition.suspend.iter().copied();
        all.filter(|process| !by_others(process)).collect()
    }

    fn left_on(&self, instance: &str, host: &Host) -> Option<LeftContainers> {
        let new = host.new.as_ref()?;
        let before = host.old.as_ref().and_then(|old| {
            Some(ContainerSnapshot {
                running: old.running,
                restart: old.restart,
                labels: old.labels.clone(),
                ..self.container_before(instance)?.clone()
            })
        });
        Some(LeftContainers {
            image: None,
            swapped: new.running || host.named == Some(Which::New),
            before,
            restart_before: self.container_before(instance).map(|before| before.restart),
        })
    }

    /// The first alarm of the watch list.
    pub fn watched_alarm(&self) -> Option<String> {
        let watched = self.alarm_snapshots(&self.definition.alarms.watch);
        watched.into_iter().next().map(|alarm| alarm.name)
    }

    pub(super) fn alarm_snapshot(&self, name: &str) -> AlarmSnapshot {
        let mut known = self.fleet.alarms.iter().chain(&self.fleet.watched);
        let known = known.find(|alarm| alarm.name == name).cloned();
        let mut seen = known.unwrap_or_else(|| AlarmSnapshot {
            name: name.to_owned(),
            arn: format!("arn:alarm:{name}"),
            actions_enabled: true,
            silenced: false,
            unasked: false,
            scales_only: false,
            state: "OK".to_owned(),
            since: None,
        });
        seen.actions_enabled = self.alarms[name];
        let tagged = self.alarms_of_others.contains(name) || self.alarm_tags.contains(name);
        seen.silenced = !seen.actions_enabled && tagged;
        if self.firing.contains(name) {
            "ALARM".clone_into(&mut seen.state);
        }
        seen
    }

    pub(super) fn confirm(&self, release: &Release) -> StepOutcome {
        let plan = release.plan.as_ref().unwrap();
        let observed = |(name, group): (&String, &Scaling)| {
            let observed = ObservedGroup {
                suspended: group.suspended.clone(),
                held_by_us: group.tag.is_some() && !group.is_held_by_other(release),
                held_by_other: group.is_held_by_other(release),
            };
            (name.clone(), observed)
        };
        let members = release
            .everyone()
            .filter(|host| !release.gone.contains(&host.instance));
        let observation = Observation {
            tag_digest: Some(digest('d')),
            groups: self.groups.iter().map(observed).collect(),
            alarms: plan
                .alarms
                .iter()
                .map(|alarm| (alarm.name.clone(), self.actions_enabled(&alarm.name)))
                .collect(),
            held_alarms: self.alarm_tags.clone(),
            alarms_of_others: self.alarms_of_others.clone(),
            mute_rules: self.muted_until.iter().map(|_| "rule".to_owned()).collect(),
            hosts: members
                .map(|host| (host.instance.clone(), self.observe(release, plan, host)))
                .collect(),
            desired: plan.desired.as_ref().map(|_| ObservedParameter {
                value: self.parameter.clone(),
                version: self.parameter.clone(),
            }),
            strangers: self.strangers(release),
        };
        done(Evidence::Observed {
            observation: Box::new(observation),
        })
    }

    /// Whether the actions of an alarm are on. An alarm that does not exist any more counts as on.
    fn actions_enabled(&self, name: &str) -> bool {
        self.alarms.get(name).copied().unwrap_or(true)
    }

    fn strangers(&self, release: &Release) -> BTreeMap<String, Stranger> {
        let known: BTreeSet<&str> = release.everyone().map(|host| host.instance.as_str()).collect();
        let strangers = self
            .hosts
            .iter()
            .filter(|(instance, host)| host.member && !known.contains(instance.as_str()));
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

    fn observe(&self, release: &Release, plan: &Plan, planned: &HostPlan) -> ObservedHost {
        // An answer from before a host joined does not contain that host.
        let host = self.hosts.get(&planned.instance);
        // The worker does not look at the containers of a host that has left.
        let named = host.filter(|host| host.member).and_then(Host::named);
        ObservedHost {
            member: host.is_some_and(|host| host.member),
            version: named.and_then(|_| self.told(release, &planned.instance)),
            still: None,
            container: named.map(|(which, _)| self.container_id(&planned.instance, which)),
            image: named.and_then(|(which, _)| match which {
                Which::Old => Some(self.container_before(&planned.instance)?.image.clone()),
                Which::New => Some(plan.pinned()),
            }),
            running: named.is_some_and(|(_, container)| container.running),
            restart: named.map(|(_, container)| container.restart),
            release: named.and_then(|(_, container)| container.labels.get(LABEL_RELEASE).cloned()),
            targets: planned
                .targets
                .iter()
                .map(|target| ObservedTarget {
                    target_group: target.target_group.clone(),
                    port: target.port,
                    state: self.state_in(&planned.instance, &target.target_group),
                })
                .collect(),
            unseen: None,
        }
    }

    /// The fleet as `Inspect` sees it.
    pub fn snapshot(&self) -> FleetSnapshot {
        let mut seen = self.fleet.as_ref().clone();
        for group in &mut seen.groups {
            let Some(scaling) = self.groups.get(&group.name) else {
                continue;
            };
            group.suspended.clone_from(&scaling.suspended);
            group.suspension_tag.clone_from(&scaling.tag);
            let left = |member: &MemberSnapshot| {
                let host = self.hosts.get(&member.instance);
                host.is_some_and(|host| !host.member)
            };
            for member in &mut group.members {
                if left(member) {
                    "Terminating".clone_into(&mut member.lifecycle);
                } else if self.pending.get(&member.instance).is_some_and(|looks| *looks > 0) {
                    "Pending".clone_into(&mut member.lifecycle);
                }
            }
        }
        let joined = self
            .hosts
            .iter()
            .filter(|(instance, _)| !self.was_there(instance));
        for (instance, host) in joined {
            let lifecycle = if host.member { "InService" } else { "Terminating" };
            seen.groups.iter_mut().take(1).for_each(|group| {
                group.members.push(MemberSnapshot {
                    instance: instance.clone(),
                    lifecycle: lifecycle.to_owned(),
                });
            });
            seen.hosts.extend(self.kin(instance));
        }
        for host in &mut seen.hosts {
            self.see_host(host);
            host.targets
                .retain(|target| !self.aws.deleted.contains(&target.target_group));
        }
        seen.target_groups
            .retain(|group| !self.aws.deleted.contains(&group.arn));
        for group in &mut seen.target_groups {
            group.healthy = self.healthy_in(&group.arn);
        }
        seen.alarms = self.alarm_snapshots(&self.definition.alarms.silence);
        seen.watched = self.alarm_snapshots(&self.definition.alarms.watch);
        let parameter = self.definition.wanted_parameter.as_ref();
        seen.desired = parameter.map(|parameter| fixtures::wanted(parameter, self.parameter.as_deref()));
        seen
    }

    fn see_host(&self, seen: &mut HostSnapshot) {
        let Some(host) = self.hosts.get(&seen.instance) else {
            return;
        };
        for target in &mut seen.targets {
            target.state = self.state_in(&seen.instance, &target.target_group);
        }
        let id = host
            .named()
            .map(|(which, _)| self.container_id(&seen.instance, which));
        if self.silent.get(&seen.instance).is_some_and(|looks| *looks > 0) {
            seen.view = HostView::Unreachable {
                why: "no answer".to_owned(),
                hint: None,
            };
        }
        if let HostView::Reached { container, .. } = &mut seen.view {
            *container = host.named().and_then(|(_, named)| {
                Some(ContainerSnapshot {
                    id: id?,
                    running: named.running,
                    restart: named.restart,
                    labels: named.labels.clone(),
                    ..self.container_before(&seen.instance)?.clone()
                })
            });
        }
    }

    fn was_there(&self, instance: &str) -> bool {
        self.first_of(instance).is_some()
    }

    /// The instance as it was at first, where it was there then.
    fn first_of(&self, instance: &str) -> Option<&HostSnapshot> {
        let is_it = |host: &&HostSnapshot| host.instance == instance;
        let place = self.places.get(instance);
        let known = place.and_then(|place| self.fleet.hosts.get(*place)).filter(is_it);
        // A test may have put others into the fleet.
        known.or_else(|| self.fleet.hosts.iter().find(is_it))
    }

    /// The original state of an instance; an instance that joined is like the first of the others.
    fn kin(&self, instance: &str) -> Option<HostSnapshot> {
        if let Some(host) = self.first_of(instance) {
            return Some(host.clone());
        }
        let mut hosts = self.fleet.hosts.iter();
        let mut host = hosts
            .find(|host| self.hosts.contains_key(&host.instance))?
            .clone();
        for target in host
            .targets
            .iter_mut()
            .filter(|target| target.id == host.instance)
        {
            instance.clone_into(&mut target.id);
        }
        instance.clone_into(&mut host.instance);
        host.zone = self.zone(instance);
        Some(host)
    }

    pub(super) fn seen_first(&self, instance: &str) -> Option<&HostSnapshot> {
        let mut hosts = self.fleet.hosts.iter();
        let itself = self.first_of(instance);
        itself.or_else(|| hosts.find(|host| self.hosts.contains_key(&host.instance)))
    }

    /// The zone of an instance. Instances that join with an even number are in the second zone.
    pub fn zone(&self, instance: &str) -> String {
        let known = self.first_of(instance);
        let even = instance
            .trim_start_matches("i-")
            .parse()
            .is_ok_and(|n: usize| n.is_multiple_of(2));
        let first = self
            .fleet
            .hosts
            .get(usize::from(even))
            .or(self.fleet.hosts.first());
        known.or(first).map(|host| host.zone.clone()).unwrap_or_default()
    }

    fn container_before(&self, instance: &str) -> Option<&ContainerSnapshot> {
        match &self.seen_first(instance)?.view {
            HostView::Reached { container, .. } => container.as_ref(),
            _ => None,
        }
    }

    fn container_id(&self, instance: &str, which: Which) -> String {
        let known = self
            .was_there(instance)
            .then(|| self.container_before(instance))
            .flatten();
        match (which, known) {
            (Which::Old, Some(container)) => container.id.clone(),
            _ => format!("{instance}-{which:?}"),
        }
    }

    /// The version that the service's own program tells.
    pub(super) fn told(&self, release: &Release, instance: &str) -> Option<String> {
        let (which, _) = self.hosts.get(instance)?.named()?;
        match which {
            Which::Old => self.seen_first(instance)?.told().map(str::to_owned),
            Which::New => Some(release.request.version_name()),
        }
    }

    /// The state of a host's target in a target group, in the API's words.
    pub fn state_in(&self, instance: &str, target_group: &str) -> String {
        let state = match (self.hosts.get(instance), self.seen_first(instance)) {
            (Some(host), Some(seen)) => self.state_of(host, seen, target_group),
            _ => "absent",
        };
        state.to_owned()
    }

    fn state_of(&self, host: &Host, seen: &HostSnapshot, target_group: &str) -> &'static str {
        match host.state_in(seen, target_group) {
            "healthy" | "unhealthy" | "initial" if self.aws.unused.contains(target_group) => {
                ObservedTarget::UNUSED
            }
            state => state,
        }
    }

    /// The target groups that a host was in at first, in order.
    pub(super) fn arns_of(&self, instance: &str) -> Vec<String> {
        let targets = self
            .seen_first(instance)
            .into_iter()
            .flat_map(|seen| &seen.targets);
        targets.map(|target| target.target_group.clone()).collect()
    }

    /// The number of healthy targets of a target group, those of other services included.
    pub fn healthy_in(&self, target_group: &str) -> u32 {
        if self.aws.deleted.contains(target_group) {
            return 0;
        }
        let mut groups = self.fleet.target_groups.iter();
        let group = groups.find(|group| group.arn == target_group);
        let (now, before) = self.healthy_and_at_first(target_group);
        let all = group.map_or(0, |group| group.healthy as usize);
        u32::try_from(all.saturating_sub(before) + now).unwrap_or(u32::MAX)
    }
}
