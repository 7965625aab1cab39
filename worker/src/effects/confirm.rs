//! The last look: everything that the release touched, as it is now.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use drawgate_rollout::definition::Process;
use drawgate_rollout::{
    AlarmPlan, Evidence, GroupPlan, HostPlan, LABEL_RELEASE, ON_BASTION, Observation, ObservedGroup,
    ObservedHost, ObservedTarget, Step, StepOutcome, Stranger, version_name,
};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::time::{Instant, sleep, timeout_at};

use super::alarms::{TOGETHER, planned};
use super::connections::Effects;
use super::inspect::HOST_LOOK;
use super::membership::{Asked, CONSISTENCY, Membership, SeenGroups};
use super::names::GROUP_TAG;
use super::outcome::{Effect, either};
use super::target_health::SeenTarget;
use super::task::{LAST_WORDS, Task};

/// How many hosts are observed at the same time.
pub(super) const SIDE_BY_SIDE: usize = 8;

/// The groups, the hosts, and the members that the release does not know.
type ObservedFleet = (
    BTreeMap<String, ObservedGroup>,
    BTreeMap<String, ObservedHost>,
    Vec<(String, Stranger)>,
);

impl Effects {
    pub(super) async fn confirm(&self, task: Task<'_>) -> StepOutcome {
        either(self.try_confirm(task).await)
    }

    async fn try_confirm(&self, task: Task<'_>) -> Effect<StepOutcome> {
        // Boxed, because the SDK's futures are large.
        let ((groups, hosts, strangers), alarms, desired, tag_digest) = tokio::try_join!(
            Box::pin(self.observe_fleet(task)),
            Box::pin(self.observe_alarms(task)),
            Box::pin(self.observe_parameter(task)),
            Box::pin(async { Ok(self.tag_digest(task).await) }),
        )?;
        let observation = Observation {
            tag_digest,
            groups,
            hosts,
            desired,
            strangers: strangers.into_iter().collect(),
            ..alarms
        };
        Ok(StepOutcome::Done {
            evidence: Evidence::Observed {
                observation: Box::new(observation),
            },
        })
    }

    /// Observes the Auto Scaling groups, the hosts, and members that the release does not know, by one look at
    /// each group.
    async fn observe_fleet(&self, task: Task<'_>) -> Effect<ObservedFleet> {
        let planned = task.plan.groups.iter().map(|group| group.name.as_str());
        let of_hosts = task.release.everyone().filter_map(|host| host.group.as_deref());
        let names: BTreeSet<&str> = planned.chain(of_hosts).chain(task.fleets_group()).collect();
        let seen = self.see_groups(names.clone()).await?;
        let (hosts, strangers) = tokio::try_join!(
            Box::pin(self.observe_hosts(task, &seen)),
            Box::pin(self.strangers(task, &seen)),
        )?;
        let groups = observe_groups(task, &seen);
        if !task.plan.groups.iter().any(|plan| is_suspended(plan, &groups)) {
            return Ok((groups, hosts, strangers));
        }
        // The answer may be older than the call that resumed the group: it is a leftover at a second look only.
        sleep(CONSISTENCY).await;
        let seen = self.see_groups(names).await?;
        Ok((observe_groups(task, &seen), hosts, strangers))
    }

    async fn observe_hosts(
        &self,
        task: Task<'_>,
        seen: &SeenGroups,
    ) -> Effect<BTreeMap<String, ObservedHost>> {
        let instances = task.release.everyone().filter(|host| host.instance != ON_BASTION);
        let asked: Vec<Asked<'_>> = instances.map(Asked::of).collect();
        let members = self.memberships_in(seen, &asked).await?;
        // All hosts use the same moment, so they share one look at each target group. A look younger than the
        // poll interval is reused: it is later than every registering of a host that became healthy.
        let poll = Duration::from_millis(task.plan.definition.roll.poll_interval_ms);
        let recent = Instant::now().checked_sub(poll).unwrap_or_else(Instant::now);
        let looks: Vec<_> = task
            .release
            .everyone()
            .map(|host| self.observe_named(task, host, members.get(host.instance.as_str()), recent))
            .collect();
        stream::iter(looks).buffered(SIDE_BY_SIDE).try_collect().await
    }

    /// Observes the alarms; the rest of the observation stays empty. An answer may be older than the calls that ended
    /// their silence: what looks silenced is believed at a second look.
    async fn observe_alarms(&self, task: Task<'_>) -> Effect<Observation> {
        let seen = self.look_at_alarms(task).await?;
        let is_off = |(name, on): (&String, &bool)| !on && !seen.alarms_of_others.contains(name);
        let is_silenced =
            !seen.held_alarms.is_empty() || !seen.mute_rules.is_empty() || seen.alarms.iter().any(is_off);
        if !is_silenced || !task.release.done(&Step::Unsilence) {
            return Ok(seen);
        }
        sleep(CONSISTENCY).await;
        self.look_at_alarms(task).await
    }

    async fn look_at_alarms(&self, task: Task<'_>) -> Effect<Observation> {
        let mut seen = Observation::default();
        let there = planned(&self.aws, task, |_| true).await?;
        for plan in &task.plan.alarms {
            let alarm = there.iter().find(|alarm| alarm.name == plan.name);
            seen.alarms
                .insert(plan.name.clone(), alarm.is_none_or(|alarm| alarm.actions_enabled));
        }
        // Of many alarms only those are asked for their tags whose actions are off, because each is a call, and a
        // tag of this release that is left on an alarm whose actions are on is one that could not be removed.
        let is_left = task.release.begun(&Step::Silence) && !task.release.done(&Step::Unsilence);
        let all = task.plan.alarms.len() <= TOGETHER || is_left;
        let asked = |alarm: &&AlarmPlan| match seen.alarms.get(&alarm.name) {
            Some(true) => all && !task.plan.mutes(),
            Some(false) => true,
            None => false,
        };
        let asked: Vec<&AlarmPlan> = task.plan.alarms.iter().filter(asked).collect();
        let id = task.id();
        for (alarm, holders) in Box::pin(self.silencing(task).holders_of(&asked)).await? {
            let name = &alarm.name;
            if holders.has(&id) {
                seen.held_alarms.insert(name.clone());
            }
            if seen.alarms.get(name) == Some(&false) && holders.has_others(&id) {
                seen.alarms_of_others.insert(name.clone());
            }
        }
        seen.mute_rules = Box::pin(self.muting(task).rules_there())
            .await?
            .into_iter()
            .collect();
        Ok(seen)
    }

    async fn observe_named(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        membership: Option<&Membership>,
        recent: Instant,
    ) -> Effect<(String, ObservedHost)> {
        let seen = self.observe(task, host, membership, recent).await?;
        Ok((host.instance.clone(), seen))
    }

    /// What stands without a membership is the bastion.
    async fn observe(
        &self,
        task: Task<'_>,
        host: &HostPlan,
        membership: Option<&Membership>,
        recent: Instant,
    ) -> Effect<ObservedHost> {
        let mut seen = ObservedHost::default();
        match membership {
            None | Some(Membership::InService | Membership::Awaited(_)) => seen.member = true,
            Some(Membership::Gone { ended: true, .. }) => {}
            Some(Membership::Gone { why, ended: false }) => seen.still = Some(why.clone()),
        }
        for target in &host.targets {
            let state = match self.target_health(task).see(target, recent).await? {
                SeenTarget::InGroup(state) => state.as_str().to_owned(),
                SeenTarget::Absent => "absent".to_owned(),
                SeenTarget::GroupGone => ObservedTarget::GROUP_DELETED.to_owned(),
            };
            seen.targets.push(ObservedTarget {
                target_group: target.target_group.clone(),
                port: target.port,
                state,
            });
        }
        if seen.member && !task.release.gone.contains(&host.instance) {
            self.observe_container(task, host, &mut seen).await;
        }
        Ok(seen)
    }

    async fn observe_container(&self, task: Task<'_>, host: &HostPlan, seen: &mut ObservedHost) {
        let Some(wanted) = task.plan.definition.container() else {
            return self.observe_version(task, host, seen).await;
        };
        match timeout_at(look_until(task), self.host(host).container(&wanted.name)).await {
            Err(_) => seen.unseen = Some("no answer".to_owned()),
            Ok(Err(error)) => seen.unseen = Some(super::outcome::chain(&error)),
            Ok(Ok(None)) => {}
            Ok(Ok(Some(container))) => {
                seen.release = container.labels.get(LABEL_RELEASE).cloned();
                seen.version = Some(version_name(&container.labels, &container.image_reference));
                seen.container = Some(container.id);
                seen.image = Some(container.image_reference);
                seen.running = container.running;
                seen.restart = Some(container.restart_policy);
            }
        }
    }

    /// The digest that the tag points to now. A registry that is away hides only whether the tag moved.
    async fn tag_digest(&self, task: Task<'_>) -> Option<drawgate_schemas::Digest> {
        task.plan.image.tag()?;
        task.plan.digest.as_ref()?;
        let host = task
            .release
            .hosts()
            .find(|host| !task.release.gone.contains(&host.instance))?;
        self.digest_from(task.release.request.id, &[self.host(host)], &task.plan.image)
            .await
            .ok()
    }
}

fn observe_groups(task: Task<'_>, seen: &SeenGroups) -> BTreeMap<String, ObservedGroup> {
    let id = task.id();
    let observe = |plan: &GroupPlan| {
        // A deleted group has nothing suspended: it counts as released.
        let group = seen.get(&plan.name).and_then(Option::as_ref);
        let observed = group.map_or_else(ObservedGroup::default, |group| {
            let tag = group.tags.get(GROUP_TAG);
            ObservedGroup {
                suspended: group.suspended_names(),
                held_by_us: tag.is_some_and(|tag| tag.starts_with(&id)),
                held_by_other: tag.is_some_and(|tag| !tag.starts_with(&id)),
            }
        });
        (plan.name.clone(), observed)
    };
    task.plan.groups.iter().map(observe).collect()
}

/// Whether a group looks as if this release held it still.
fn is_suspended(plan: &GroupPlan, groups: &BTreeMap<String, ObservedGroup>) -> bool {
    groups.get(&plan.name).is_some_and(|group| {
        let ours = |process: &Process| group.suspended.contains(process.as_str());
        group.held_by_us || (!group.held_by_other && plan.suspend.iter().any(ours))
    })
}

/// Until when a host is looked at. However many hosts are away, the result is told before the deadline.
pub(super) fn look_until(task: Task<'_>) -> Instant {
    let last = task.deadline.checked_sub(LAST_WORDS).unwrap_or(task.deadline);
    last.min(Instant::now() + HOST_LOOK)
}
