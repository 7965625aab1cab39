//! The health of a release's targets, as one look shows it. Reads only.

use drawgate_rollout::{Evidence, HostPlan, StepOutcome, TargetPlan};
use tokio::time::Instant;

use super::connections::Effects;
use super::membership::{Membership, membership};
use super::outcome::{Effect, Sorted, not_yet};
use super::ports::{HealthPort, MembershipPort};
use super::task::Task;
use crate::aws::{HealthWatch, SharedCalls, Target, TargetState, Targets};

/// Why a host does not count as healthy.
pub(super) struct Unhealthy {
    /// Whether the target is registered in the target group at all.
    pub(super) registered: bool,
    /// Whether nothing else is amiss than that no load balancer uses the group any more.
    pub(super) unused: bool,
    /// The target group's ARN.
    pub(super) target_group: String,
    pub(super) why: String,
}

/// A target, as one look shows it.
pub(super) enum SeenTarget {
    /// Registered, or draining still.
    InGroup(TargetState),
    /// Not in its group.
    Absent,
    /// Its group does not exist any more: there is nothing to take it out of, or to put it back into.
    GroupGone,
}

impl Effects {
    pub(super) fn target_health<'a>(&'a self, task: Task<'a>) -> TargetHealth<'a, HealthWatch, SharedCalls> {
        TargetHealth {
            health: self.watch(&task.plan.definition),
            members: &self.shared,
            task,
        }
    }
}

/// Looks at the targets of one release's hosts, and at whether those hosts are members.
pub(super) struct TargetHealth<'a, H, M> {
    pub(super) health: H,
    pub(super) members: &'a M,
    pub(super) task: Task<'a>,
}

impl<H: HealthPort, M: MembershipPort> TargetHealth<'_, H, M> {
    /// The targets of a group, by a look that began at or after `not_before`.
    pub(super) async fn targets_of(&self, arn: &str, not_before: Instant) -> Effect<Targets> {
        self.health.targets(arn, not_before).await.sorted()
    }

    /// A target, by a look that began at or after `not_before`.
    pub(super) async fn see(&self, target: &TargetPlan, not_before: Instant) -> Effect<SeenTarget> {
        let all = self.targets_of(&target.target_group, not_before).await?;
        Ok(match all {
            None => SeenTarget::GroupGone,
            Some(all) => match find(&all, target) {
                Some(own) => SeenTarget::InGroup(own.state.clone()),
                None => SeenTarget::Absent,
            },
        })
    }

    /// The name of a target's group.
    pub(super) fn name_of(&self, target: &TargetPlan) -> &str {
        let group = self.task.plan.target_groups.get(&target.target_group);
        group.map_or("", |group| group.name.as_str())
    }

    /// The first reason why the host is not healthy yet; that a group is not used any more comes last.
    pub(super) async fn first_unhealthy(
        &self,
        host: &HostPlan,
        awaited: &[&TargetPlan],
        not_before: Instant,
    ) -> Effect<Option<Unhealthy>> {
        let mut first_unused = None;
        for target in awaited {
            let Some(all) = self.targets_of(&target.target_group, not_before).await? else {
                continue;
            };
            let name = self.name_of(target);
            match find(&all, target) {
                Some(own) if own.state == TargetState::Healthy => {}
                Some(own) if own.state != TargetState::Draining => {
                    let why = own
                        .description
                        .as_deref()
                        .or(own.reason.as_deref())
                        .unwrap_or("no reason given");
                    let unhealthy = Unhealthy {
                        registered: true,
                        unused: own.state == TargetState::Unused,
                        target_group: target.target_group.clone(),
                        why: format!("{} in {name}: {why}", own.state),
                    };
                    match unhealthy.unused {
                        true => _ = first_unused.get_or_insert(unhealthy),
                        false => return Ok(Some(unhealthy)),
                    }
                }
                _ => {
                    // AWS's answer may be older than the registering, so a missing registration is awaited as
                    // health is.
                    self.must_be_member(host).await?;
                    return Ok(Some(Unhealthy {
                        registered: false,
                        unused: false,
                        target_group: target.target_group.clone(),
                        why: format!("not registered in {name}"),
                    }));
                }
            }
        }
        Ok(first_unused)
    }

    /// Returns if the instance is still a member; otherwise ends the step: the host is gone, or cannot be
    /// judged yet.
    pub(super) async fn must_be_member(&self, host: &HostPlan) -> Effect<()> {
        match membership(self.members, &host.instance, host.group.as_deref()).await? {
            Membership::InService => Ok(()),
            Membership::Awaited(state) => not_yet(format!("the instance is {state}")),
            Membership::Gone { why, .. } => Err(StepOutcome::Done {
                evidence: Evidence::Gone { why },
            }),
        }
    }
}

/// A target, as it was seen.
pub(super) fn find<'a>(all: &'a [Target], target: &TargetPlan) -> Option<&'a Target> {
    all.iter()
        .find(|other| other.id == target.id && other.port == target.port)
}
