//! What the fleet looks like to whoever asks.

use std::collections::BTreeMap;

use drawgate_rollout::{
    AlarmSnapshot, ContainerSnapshot, Evidence, FleetSnapshot, GroupSnapshot, HostPlan, HostSnapshot,
    HostView, ImageSnapshot, LABEL_RELEASE, MemberSnapshot, Observation, ObservedGroup, ObservedHost,
    ObservedParameter, ObservedTarget, Plan, Release, StepOutcome, Stranger, TargetGroupSnapshot,
    TargetSnapshot, WantedPlan, WantedSnapshot,
};

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

    pub(super) fn confirm(&self, release: &Release) -> StepOutcome {
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
                    state: state_in(host, &target.target_group).to_owned(),
                })
                .collect(),
            unseen: None,
        }
    }

    /// The fleet as `Inspect` sees it.
    pub fn snapshot(&self) -> FleetSnapshot {
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

    fn arns(&self) -> impl Iterator<Item = &'static str> {
        arns(self.second_group)
    }

    fn target_group(&self, arn: &str) -> TargetGroupSnapshot {
        let healthy = self
            .hosts
            .values()
            .filter(|host| state_in(host, arn) == "healthy")
            .count();
        TargetGroupSnapshot {
            arn: arn.to_owned(),
            name: if arn == TARGET_GROUP { "web" } else { "admin" }.to_owned(),
            deregistration_delay_s: 30,
            health_check_interval_s: 5,
            healthy_threshold: 2,
            healthy: u32::try_from(healthy).unwrap(),
            zonal: self.zonal,
            slow_start_s: 0,
            keeps_connections: false,
        }
    }

    fn snapshot_of_hosts(&self) -> FleetSnapshot {
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
            target_groups: self.arns().map(|arn| self.target_group(arn)).collect(),
            alarms: self.alarm_snapshots(&self.definition.alarms.silence),
            watched: self.alarm_snapshots(&self.definition.alarms.watch),
            at: crate::sim::start(),
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
        targets: arns(host.second.is_some())
            .map(|arn| TargetSnapshot {
                target_group: arn.to_owned(),
                id: instance.to_owned(),
                port: 8080,
                zone: None,
                state: state_in(host, arn).to_owned(),
            })
            .collect(),
        view: HostView::Reached {
            engine: "28.0".to_owned(),
            disk_free_bytes: Some(10 << 30),
            container,
            ports_held: BTreeMap::new(),
            beside: Box::default(),
        },
    }
}

fn arns(two: bool) -> impl Iterator<Item = &'static str> {
    std::iter::once(TARGET_GROUP).chain(two.then_some(SECOND_GROUP))
}

fn state_in(host: &Host, target_group: &str) -> &'static str {
    let target = match target_group {
        SECOND_GROUP => host.second.unwrap_or(Target::Absent),
        _ => host.target,
    };
    match target {
        Target::Absent => "absent",
        Target::Draining => "draining",
        Target::Registered if host.is_well() => "healthy",
        Target::Registered => "unhealthy",
    }
}

pub(super) fn told(host: &Host) -> Option<String> {
    let (which, _) = host.named()?;
    Some(match which {
        Which::Old => "main-41".to_owned(),
        Which::New => "main-42".to_owned(),
    })
}

pub(super) fn container_id(instance: &str, which: Which) -> String {
    format!("{instance}-{which:?}")
}
