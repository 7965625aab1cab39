//! Suspends the processes of an Auto Scaling group, and resumes exactly those, in an order that terminates no
//! host.
//!
//! `ResumeProcesses` and `SuspendProcesses` without a list act on *every* process (Amazon EC2 Auto Scaling
//! API Reference); no empty list is ever sent.
//!
//! Auto Scaling's answers may be older than the last change, so no one answer decides what cannot be taken back:
//!
//! | an answer says                        | and what comes of it                                             |
//! |---------------------------------------|------------------------------------------------------------------|
//! | nobody's tag, or this release's       | believed                                                         |
//! | another's tag, or that there is no group | believed only at a second look                                |
//! | this process is suspended             | not asked for: it is suspended again, which changes nothing      |
//! | this release's processes run          | believed only at a second look                                   |
//! | this member is healthy                | believed where a second look, or the time, says the same         |
//!
//! That a call succeeded is believed without a look: it could only be contradicted by an answer that is older.

mod looks;

use std::collections::BTreeSet;
use std::time::Duration;

use drawgate_rollout::definition::Process;
use drawgate_rollout::{GroupPlan, HostPlan, Step, StepOutcome};
use tokio::time::{Instant, sleep};

use self::looks::{Ours, TaggedBy, believed, existing, is_suspended, unhealthy, without};
use super::connections::Effects;
use super::membership::CONSISTENCY;
use super::names::{GROUP_TAG, suspension};
use super::outcome::{Effect, Sorted, either, not_yet, refused};
use super::ports::{HealthPort, ScalingPort};
use super::target_health::find;
use super::task::Task;
use crate::aws::{Aws, Group, HealthWatch, TargetState};

/// Pause between two looks for a tag that was written just now: most answers are not much older than a moment.
const LOOK_FOR_TAG_AGAIN: Duration = Duration::from_millis(500);

impl Effects {
    /// The steps on the scaling of one release's groups.
    pub(super) fn suspension<'a>(&'a self, task: Task<'a>) -> Suspension<'a, Aws, HealthWatch> {
        Suspension {
            scaling: &self.aws,
            health: self.watch(&task.plan.definition),
            task,
        }
    }

    /// The group. Refuses if it does not exist.
    pub(super) async fn group(&self, name: &str) -> Effect<Group> {
        existing(&self.aws, name).await
    }

    /// The group as preflight judges it. A suspension tag is believed only at the second look: the release that
    /// left it may have ended just before, and what it had suspended would pass for suspended by a person.
    pub(super) async fn group_at_rest(&self, name: &str) -> Effect<Group> {
        believed(&self.aws, name, is_at_rest).await
    }
}

/// Whether no release keeps a group's processes suspended, by its tag.
pub(super) fn is_at_rest(group: &Group) -> bool {
    !group.tags.contains_key(GROUP_TAG)
}

/// Suspends the processes of a release's groups, and resumes them.
pub(super) struct Suspension<'a, S, H> {
    scaling: &'a S,
    health: H,
    task: Task<'a>,
}

impl<S: ScalingPort, H: HealthPort> Suspension<'_, S, H> {
    pub(super) async fn suspend(&self, name: &str) -> StepOutcome {
        either(self.try_suspend(name).await)
    }

    async fn try_suspend(&self, name: &str) -> Effect<StepOutcome> {
        let plan = group_plan(self.task, name)?;
        let before = self.claim(plan).await?;
        // All of them, whichever look suspended: what an earlier release had suspended may look so still.
        self.scaling.suspend(name, &plan.suspend).await.sorted()?;
        let mut planned = plan.suspend.iter();
        let was_done =
            before.tags.contains_key(GROUP_TAG) && planned.all(|each| is_suspended(&before, *each));
        Ok(if was_done {
            StepOutcome::already()
        } else {
            StepOutcome::done()
        })
    }

    pub(super) async fn resume(&self, name: &str) -> StepOutcome {
        either(self.try_resume(name).await)
    }

    async fn try_resume(&self, name: &str) -> Effect<StepOutcome> {
        let plan = group_plan(self.task, name)?;
        let Some(found) = self.look_for_ours(plan).await? else {
            return Ok(StepOutcome::already());
        };
        self.resume_in_order(plan, &found).await?;
        if found.is_tagged {
            self.scaling.untag_group(name, GROUP_TAG).await.sorted()?;
        }
        Ok(if found.suspended.is_empty() {
            StepOutcome::already()
        } else {
            StepOutcome::done()
        })
    }

    pub(super) async fn let_replace(&self, name: &str) -> StepOutcome {
        either(self.try_let_replace(name).await)
    }

    async fn try_let_replace(&self, name: &str) -> Effect<StepOutcome> {
        let plan = group_plan(self.task, name)?;
        let both: Vec<Process> = plan.replaces().collect();
        let seen = self.must_be_ours(name).await?;
        self.resume_replacing(plan, &both, unhealthy(&seen)).await?;
        // The tag is written last: until then it names more processes than are suspended.
        let suspended = without(&plan.suspend, |process| both.contains(&process));
        let tag = suspension(&self.task.id(), &suspended, &both);
        self.scaling.tag_group(name, GROUP_TAG, &tag).await.sorted()?;
        Ok(StepOutcome::done())
    }

    pub(super) async fn suspend_again(&self, name: &str) -> StepOutcome {
        either(self.try_suspend_again(name).await)
    }

    async fn try_suspend_again(&self, name: &str) -> Effect<StepOutcome> {
        let plan = group_plan(self.task, name)?;
        let both: Vec<Process> = plan.replaces().collect();
        self.must_be_ours(name).await?;
        let tag = suspension(&self.task.id(), &plan.suspend, &[]);
        self.scaling.tag_group(name, GROUP_TAG, &tag).await.sorted()?;
        self.scaling.suspend(name, &both).await.sorted()?;
        if may_resume_late(self.task, name) {
            sleep(CONSISTENCY).await;
            self.confirm_suspended(name, &both).await?;
        }
        Ok(StepOutcome::done())
    }

    /// Looks at the group and tags it unless it is tagged; gives the group as it was before. Refuses a group
    /// of another release.
    async fn claim(&self, plan: &GroupPlan) -> Effect<Group> {
        let name = &plan.name;
        let tag = suspension(&self.task.id(), &plan.suspend, &[]);
        let others = |group: &Group| group.tags.get(GROUP_TAG).filter(|seen| **seen != tag).cloned();
        let before = believed(self.scaling, name, |group| others(group).is_none()).await?;
        if let Some(other) = others(&before) {
            return refused(format!(
                "{name} carries the suspension tag of another release: {other}"
            ));
        }
        if before.tags.contains_key(GROUP_TAG) {
            return Ok(before);
        }
        // The tag comes first: an operator can restore the group from it when everything else is lost.
        self.scaling.tag_group(name, GROUP_TAG, &tag).await.sorted()?;
        // Two targets may share a group, and the last to write the tag has the group. An answer without a tag
        // is older than the tag, and says nothing of another release.
        let until = Instant::now() + CONSISTENCY;
        loop {
            let seen = believed(self.scaling, name, |group| others(group).is_none()).await?;
            if others(&seen).is_some() {
                return refused(format!("{name} was taken by another release at the same moment"));
            }
            if seen.tags.contains_key(GROUP_TAG) {
                return Ok(before);
            }
            if Instant::now() >= until {
                return not_yet(format!("{name} does not show its suspension tag yet"));
            }
            sleep(LOOK_FOR_TAG_AGAIN).await;
        }
    }

    async fn confirm_suspended(&self, name: &str, processes: &[Process]) -> Effect<()> {
        let seen = existing(self.scaling, name).await?;
        match without(processes, |process| is_suspended(&seen, process)).first() {
            Some(process) => not_yet(format!("{} of {name} is not suspended yet", process.as_str())),
            None => Ok(()),
        }
    }

    /// What this release has suspended in a group; `None` where nothing is this release's to resume.
    async fn look_for_ours(&self, plan: &GroupPlan) -> Effect<Option<Ours>> {
        let name = &plan.name;
        let first = self.scaling.group_by_name(name).await.sorted()?;
        if let Some(group) = &first {
            let ours = Ours {
                is_held: true,
                ..Ours::seen_in(&[group], plan)
            };
            if self.tagged_by(group) == TaggedBy::ThisRelease && ours.suspended == plan.suspend {
                return Ok(Some(ours));
            }
        }
        // Everything else is believed only at the second look: the first may be older than the suspending, or
        // than the end of the release before.
        sleep(CONSISTENCY).await;
        let Some(again) = self.scaling.group_by_name(name).await.sorted()? else {
            // The group was deleted meanwhile: nothing of it can be left suspended.
            return Ok(None);
        };
        if self.tagged_by(&again) == TaggedBy::Another {
            // Another release has the group, and this one was refused: that release resumes what is
            // suspended.
            return Ok(None);
        }
        let both: Vec<&Group> = first.iter().chain([&again]).collect();
        Ok(Some(Ours::seen_in(&both, plan)))
    }

    fn tagged_by(&self, group: &Group) -> TaggedBy {
        match group.tags.get(GROUP_TAG) {
            None => TaggedBy::Nobody,
            Some(tag) if tag.starts_with(&self.task.id()) => TaggedBy::ThisRelease,
            Some(_) => TaggedBy::Another,
        }
    }

    /// Resumes all but ReplaceUnhealthy first; then marks healthy the hosts that were marked unhealthy while this
    /// release had them out; then resumes ReplaceUnhealthy, which would terminate those hosts otherwise. An error
    /// that delays ReplaceUnhealthy leaves no other process suspended. Where two looks show no mark, one call resumes
    /// all.
    async fn resume_in_order(&self, plan: &GroupPlan, found: &Ours) -> Effect<()> {
        let (name, ours) = (&plan.name, &found.suspended);
        let replaces = ours.contains(&Process::ReplaceUnhealthy);
        let mut marked = found.unhealthy.clone();
        if replaces && found.is_held && !runs_throughout(plan, Process::HealthCheck) {
            // Only a check of a person's own may have marked a host, and only while it was out.
            marked.extend(unhealthy(&existing(self.scaling, name).await?));
            if marked.is_empty() {
                return self.resume_these(name, ours).await;
            }
        }
        let first = without(ours, |process| process == Process::ReplaceUnhealthy);
        self.resume_these(name, &first).await?;
        if replaces {
            self.mark_healthy(plan, marked).await?;
            self.resume_these(name, &[Process::ReplaceUnhealthy]).await?;
        }
        Ok(())
    }

    /// As at the end, hosts are marked healthy between HealthCheck and ReplaceUnhealthy; all other processes
    /// stay suspended.
    async fn resume_replacing(
        &self,
        plan: &GroupPlan,
        both: &[Process],
        seen_unhealthy: BTreeSet<String>,
    ) -> Effect<()> {
        let name = &plan.name;
        let first = without(both, |process| process != Process::HealthCheck);
        self.resume_these(name, &first).await?;
        if !both.contains(&Process::ReplaceUnhealthy) {
            return Ok(());
        }
        let marked = self.mark_healthy(plan, seen_unhealthy).await?;
        if !marked.is_empty() {
            let still = unhealthy(&existing(self.scaling, name).await?);
            if let Some(id) = marked.intersection(&still).next() {
                return not_yet(format!(
                    "{id} is healthy, and {name} has it marked Unhealthy still"
                ));
            }
        }
        self.resume_these(name, &[Process::ReplaceUnhealthy]).await
    }

    /// The group. Refuses one that does not carry this release's tag.
    async fn must_be_ours(&self, name: &str) -> Effect<Group> {
        let is_ours = |group: &Group| self.tagged_by(group) == TaggedBy::ThisRelease;
        let group = believed(self.scaling, name, is_ours).await?;
        if is_ours(&group) {
            return Ok(group);
        }
        let tag = group.tags.get(GROUP_TAG);
        refused(format!(
            "{name} does not carry this release's suspension tag, but {tag:?}"
        ))
    }

    async fn resume_these(&self, name: &str, processes: &[Process]) -> Effect<()> {
        if processes.is_empty() {
            return Ok(());
        }
        self.scaling.resume(name, processes).await.sorted()
    }

    /// Marks healthy only hosts that this release took out and that are healthy in all their target groups
    /// now: any other unhealthy host has a reason, and Auto Scaling must replace it.
    ///
    /// `seen`: those that earlier looks had as unhealthy; each look may be too old to have all. Gives the hosts
    /// that it marked.
    async fn mark_healthy(&self, plan: &GroupPlan, seen: BTreeSet<String>) -> Effect<BTreeSet<String>> {
        // While HealthCheck is suspended nobody is marked. Where this release left it running, a mark may be
        // younger than an answer.
        if runs_throughout(plan, Process::HealthCheck) {
            sleep(CONSISTENCY).await;
        }
        let release = self.task.release;
        let mut marked = BTreeSet::new();
        let group = existing(self.scaling, &plan.name).await?;
        for id in seen.into_iter().chain(unhealthy(&group)).collect::<BTreeSet<_>>() {
            let host = release.host(&id);
            let Some(host) = host.filter(|host| release.touched(&host.instance)) else {
                continue;
            };
            if self.is_healthy(host).await? {
                self.scaling.set_instance_health_healthy(&id).await.sorted()?;
                marked.insert(id);
            }
        }
        Ok(marked)
    }

    async fn is_healthy(&self, host: &HostPlan) -> Effect<bool> {
        let mut healthy = true;
        for target in host.targets.iter().filter(|target| target.can_be_healthy()) {
            let look = self.health.targets(&target.target_group, Instant::now());
            // In a target group that does not exist any more nobody has to be healthy.
            let Some(all) = look.await.sorted()? else {
                continue;
            };
            healthy &= find(&all, target).is_some_and(|own| own.state == TargetState::Healthy);
        }
        Ok(healthy)
    }
}

fn group_plan<'a>(task: Task<'a>, name: &str) -> Effect<&'a GroupPlan> {
    match task.plan.groups.iter().find(|group| group.name == name) {
        Some(group) if !group.suspend.is_empty() => Ok(group),
        _ => refused(format!("{name} is not a group of this release")),
    }
}

/// Whether a call that resumes may still be on its way: an attempt at it ended without an answer.
fn may_resume_late(task: Task<'_>, name: &str) -> bool {
    let let_replace = Step::LetReplace {
        group: name.to_owned(),
    };
    let state = task.release.steps.get(&let_replace);
    state.is_some_and(|state| state.attempts > 1 || !task.release.done(&let_replace))
}

/// Whether a process goes on during the roll: it is not suspended by this release, nor was it before.
fn runs_throughout(plan: &GroupPlan, process: Process) -> bool {
    let mut before = plan.suspended_before.iter();
    !plan.suspend.contains(&process) && !before.any(|name| name == process.as_str())
}

#[cfg(test)]
mod tests;
