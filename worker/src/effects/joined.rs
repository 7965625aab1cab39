//! Hosts that joined while the fleet was rolled: those that run the desired version already are up to date,
//! the others are rolled too, and those still on their way in are awaited.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_rollout::definition::FleetSelector;
use drawgate_rollout::{Evidence, HostView, Newcomer, Release, StepOutcome, Stranger, is_awaited, newcomer};
use futures_util::future::ready;
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use tokio::time::{sleep, timeout_at};

use super::confirm::{SIDE_BY_SIDE, look_until};
use super::connections::Effects;
use super::inspect::host_snapshot;
use super::membership::{Asked, CONSISTENCY, Membership, SeenGroups};
use super::outcome::{Effect, Sorted, either, not_yet};
use super::target_groups::{Found, Known};
use super::task::Task;
use crate::aws::Instance;

/// An instance, and its Auto Scaling group.
type Member = (Instance, Option<String>);

/// Members that the release does not know yet, as one look finds them.
#[derive(Default)]
struct Newcomers {
    in_service: Vec<Member>,
    /// What the release waits for, in words.
    awaited: Option<String>,
    by_themselves: Vec<String>,
}

impl Newcomers {
    /// Notes an instance that cannot be judged now. It is awaited, unless it was launched after the desired
    /// version was published: then it starts that version by itself.
    fn put_off(&mut self, task: Task<'_>, instance: &Instance, why: String) {
        if is_awaited(instance.launched_at, task.release) {
            self.awaited.get_or_insert(why);
        } else {
            self.by_themselves.push(instance.id.clone());
        }
    }
}

impl Effects {
    pub(super) async fn detect_joined(&self, task: Task<'_>) -> StepOutcome {
        either(self.try_detect_joined(task).await)
    }

    async fn try_detect_joined(&self, task: Task<'_>) -> Effect<StepOutcome> {
        let mut found = Box::pin(self.look_for_newcomers(task)).await?;
        // An instance launched just before the desired version was published may be missing from an answer as
        // old as that, so "none joined" is believed only at the second look.
        if task.plan.desired.is_some() && found.in_service.is_empty() && found.awaited.is_none() {
            sleep(CONSISTENCY).await;
            found = Box::pin(self.look_for_newcomers(task)).await?;
        }
        for joined in left_out_last(std::mem::take(&mut found.in_service), task.release) {
            let (mut hosts, mut up_to_date) = (Vec::new(), Vec::new());
            for (instance, newcomer) in self.judge(task, &joined).await? {
                match newcomer {
                    Newcomer::Roll(host) => hosts.push(*host),
                    Newcomer::UpToDate(host) => up_to_date.push(*host),
                    Newcomer::Await(why) => found.put_off(task, &instance, why),
                    // It does not answer still, or cannot be rolled: it stays as it is.
                    Newcomer::LeftOut => {}
                }
            }
            // Hosts that are ready do not wait for the others: the fleet is looked at again afterwards.
            if !hosts.is_empty() || !up_to_date.is_empty() {
                return Ok(StepOutcome::Done {
                    evidence: Evidence::Joined { hosts, up_to_date },
                });
            }
        }
        match found.awaited {
            Some(why) => not_yet(why),
            None => Ok(StepOutcome::Done {
                evidence: Evidence::NoneJoined {
                    by_themselves: found.by_themselves,
                },
            }),
        }
    }

    async fn look_for_newcomers(&self, task: Task<'_>) -> Effect<Newcomers> {
        let mut found = Newcomers::default();
        let groups = self.see_groups(task.fleets_group().into_iter().collect()).await?;
        for (instance, group, membership) in self.unknown_members(task, &groups).await? {
            match membership {
                // Standby, warm or on its way out: the release does not touch it.
                Membership::Gone { .. } => {}
                // It was left out when the release began: nobody waits for it.
                Membership::Awaited(_) if task.release.is_left_out(&instance.id) => {}
                Membership::Awaited(state) => {
                    let why = format!("{} joined and is {state}", instance.id);
                    found.put_off(task, &instance, why);
                }
                Membership::InService => found.in_service.push((instance, group)),
            }
        }
        Ok(found)
    }

    async fn judge(&self, task: Task<'_>, joined: &[Member]) -> Effect<Vec<(Instance, Newcomer)>> {
        if joined.is_empty() {
            return Ok(Vec::new());
        }
        let definition = &task.plan.definition;
        let instances: Vec<Instance> = joined.iter().map(|(instance, _)| instance.clone()).collect();
        let Found {
            target_groups,
            mut registrations,
            ..
        } = self.target_groups_of_newcomers(task, &instances, joined).await?;
        let looks = instances.iter().map(|instance| self.view(instance, definition));
        let views = in_time(task, looks.collect()).await;
        let judge = |((instance, group), view): (&Member, _)| {
            let targets = registrations.remove(&instance.id).unwrap_or_default();
            let seen = host_snapshot(instance, group.clone(), targets, view);
            let age = instance.launched_at.map(|at| Timestamp::now().duration_since(at));
            let newcomer = newcomer(&seen, age, &target_groups, task.release, task.plan);
            (instance.clone(), newcomer)
        };
        Ok(joined.iter().zip(views).map(judge).collect())
    }

    /// Where newcomers are registered: in the target groups of the fleet that is rolled, of their Auto Scaling
    /// groups, and those that the service's file names. No other group is asked.
    async fn target_groups_of_newcomers(
        &self,
        task: Task<'_>,
        instances: &[Instance],
        joined: &[Member],
    ) -> Effect<Found> {
        let names: BTreeSet<&String> = joined.iter().filter_map(|(_, group)| group.as_ref()).collect();
        let mut groups = Vec::new();
        for name in names {
            groups.extend(self.aws.group_by_name(name).await.sorted()?);
        }
        let definition = &task.plan.definition;
        let mut known = Known::of(definition, instances, &groups);
        known.arns.extend(task.plan.target_groups.keys().cloned());
        known.named.get_or_insert_default();
        self.target_groups_of(definition, &known).await
    }

    /// Instances that this release does not know yet, each with its group and its membership in it. The fleet's
    /// Auto Scaling group is among those that the step has seen.
    async fn unknown_members(
        &self,
        task: Task<'_>,
        seen: &SeenGroups,
    ) -> Effect<Vec<(Instance, Option<String>, Membership)>> {
        let instances = self.unknown_instances(task, seen).await?;
        let groups = self.groups_of(task, &instances).await?;
        let group_of = |instance: &Instance| groups.get(&instance.id).map(String::as_str);
        let asked: Vec<Asked<'_>> = instances
            .iter()
            .map(|instance| Asked {
                instance: &instance.id,
                group: group_of(instance),
            })
            .collect();
        let mut memberships = self.memberships_in(seen, &asked).await?;
        let of = |instance: &Instance| {
            let membership = memberships.remove(instance.id.as_str())?;
            let group = group_of(instance).map(str::to_owned);
            Some((instance.clone(), group, membership))
        };
        Ok(instances.iter().filter_map(of).collect())
    }

    /// Instances of the fleet, in any state, that this release does not know yet. A deleted group has none.
    async fn unknown_instances(&self, task: Task<'_>, seen: &SeenGroups) -> Effect<Vec<Instance>> {
        let known: BTreeSet<&str> = task
            .release
            .everyone()
            .map(|host| host.instance.as_str())
            .collect();
        let strange = |id: &String| !known.contains(id.as_str());
        match &task.plan.definition.fleet {
            FleetSelector::AutoScalingGroup(name) => {
                let group = seen.get(name).and_then(Option::as_ref);
                let members = group.into_iter().flat_map(|group| &group.members);
                let ids: Vec<String> = members.map(|member| member.id.clone()).filter(strange).collect();
                if ids.is_empty() {
                    return Ok(Vec::new());
                }
                self.aws.instances_by_ids(&ids).await.sorted()
            }
            FleetSelector::Bastion => Ok(Vec::new()),
            FleetSelector::Tags(tags) => {
                let mut all = self.aws.instances_by_tags(tags).await.sorted()?;
                all.retain(|instance| strange(&instance.id));
                Ok(all)
            }
        }
    }

    /// Members at the end that this release neither rolled nor found up to date.
    pub(super) async fn strangers(
        &self,
        task: Task<'_>,
        seen: &SeenGroups,
    ) -> Effect<Vec<(String, Stranger)>> {
        let members = self.unknown_members(task, seen).await?.into_iter();
        let looks: Vec<_> = members
            .map(|(instance, _, membership)| self.stranger(task, instance, membership))
            .collect();
        let strangers = stream::iter(looks).buffered(SIDE_BY_SIDE);
        Ok(strangers.filter_map(ready).collect().await)
    }

    async fn stranger(
        &self,
        task: Task<'_>,
        instance: Instance,
        membership: Membership,
    ) -> Option<(String, Stranger)> {
        let stranger = match membership {
            Membership::Gone { .. } => return None,
            Membership::Awaited(state) => Stranger::Booting {
                state,
                by_itself: !is_awaited(instance.launched_at, task.release),
            },
            Membership::InService => self.what_serves(task, &instance).await,
        };
        Some((instance.id, stranger))
    }

    async fn what_serves(&self, task: Task<'_>, instance: &Instance) -> Stranger {
        let view = self.view(instance, &task.plan.definition);
        let seen = timeout_at(look_until(task), view).await.ok();
        if let Some(HostView::Answered { version, .. }) = seen {
            return Stranger::Serves {
                version,
                release: None,
            };
        }
        let container = seen.as_ref().and_then(|view| match view {
            HostView::Reached { container, .. } => container.as_ref(),
            HostView::Answered { .. } | HostView::Unreachable { .. } => None,
        });
        let running = container.filter(|container| container.running);
        if running.is_none() && !is_awaited(instance.launched_at, task.release) {
            return Stranger::Booting {
                state: "in service, and runs nothing yet".to_owned(),
                by_itself: true,
            };
        }
        Stranger::Serves {
            version: running
                .map(|container| drawgate_rollout::version_name(&container.labels, &container.image)),
            release: running
                .and_then(|container| container.labels.get(drawgate_rollout::LABEL_RELEASE).cloned()),
        }
    }

    /// The Auto Scaling group of each instance that has one, by instance id.
    async fn groups_of(&self, task: Task<'_>, instances: &[Instance]) -> Effect<BTreeMap<String, String>> {
        let ids: Vec<String> = instances.iter().map(|instance| instance.id.clone()).collect();
        if let FleetSelector::AutoScalingGroup(name) = &task.plan.definition.fleet {
            return Ok(ids.into_iter().map(|id| (id, name.clone())).collect());
        }
        self.aws.groups_of_instances(&ids).await.sorted()
    }
}

/// Those that were left out come after all others: they were silent when the release began, and may be silent still,
/// and hosts that joined do not wait for that.
fn left_out_last(members: Vec<Member>, release: &Release) -> [Vec<Member>; 2] {
    let is_left_out = |(instance, _): &Member| release.is_left_out(&instance.id);
    let (left_out, joined) = members.into_iter().partition(is_left_out);
    [joined, left_out]
}

/// What hosts show, in their order. One that does not answer within the time of a look, or of the step, is silent: the
/// others' answers are told in any case.
async fn in_time(task: Task<'_>, looks: Vec<impl Future<Output = HostView>>) -> Vec<HostView> {
    let silent = || HostView::Unreachable {
        why: "does not answer".to_owned(),
        hint: None,
    };
    let looks: Vec<_> = looks
        .into_iter()
        .map(|look| async move {
            let seen = timeout_at(look_until(task), look).await;
            seen.unwrap_or_else(|_| silent())
        })
        .collect();
    stream::iter(looks).buffered(SIDE_BY_SIDE).collect().await
}

#[cfg(test)]
mod tests;
