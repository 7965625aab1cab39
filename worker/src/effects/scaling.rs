//! Suspends the processes of an Auto Scaling group, and resumes exactly those, in an order that terminates no
//! host.
//!
//! `ResumeProcesses` and `SuspendProcesses` without a list act on *every* process (Amazon EC2 Auto Scaling
//! API Reference); no empty list is ever sent.

use drawgate_rollout::definition::Process;
use drawgate_rollout::{GroupPlan, HostPlan, Step, StepOutcome};
use tokio::time::{Instant, sleep};

use super::connections::Effects;
use super::membership::CONSISTENCY;
use super::names::{GROUP_TAG, suspension};
use super::outcome::{Effect, Sorted, either, not_yet, refused};
use super::ports::{HealthPort, ScalingPort};
use super::target_health::find;
use super::task::Task;
use crate::aws::{Aws, Group, HealthWatch, TargetState};

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
        let group = self.claim(plan).await?;
        let missing = without(&plan.suspend, |process| is_suspended(&group, process));
        if missing.is_empty() {
            return Ok(StepOutcome::already());
        }
        self.scaling.suspend(name, &missing).await.sorted()?;
        self.confirm_suspended(name, &plan.suspend).await
    }

    pub(super) async fn resume(&self, name: &str) -> StepOutcome {
        either(self.try_resume(name).await)
    }

    async fn try_resume(&self, name: &str) -> Effect<StepOutcome> {
        let plan = group_plan(self.task, name)?;
        let Some(ours) = self.look_for_ours(plan).await? else {
            return Ok(StepOutcome::already());
        };
        self.resume_in_order(name, &ours).await?;
        let seen = self.confirm_resumed(name, &plan.suspend).await?;
        if seen.tags.contains_key(GROUP_TAG) {
            self.scaling.untag_group(name, GROUP_TAG).await.sorted()?;
        }
        Ok(if ours.is_empty() {
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
        self.must_be_ours(name).await?;
        self.resume_replacing(name, &both).await?;
        // The tag is written last: until then it names more processes than are suspended.
        let suspended = without(&plan.suspend, |process| both.contains(&process));
        let tag = suspension(&self.task.id(), &suspended, &both);
        self.scaling.tag_group(name, GROUP_TAG, &tag).await.sorted()?;
        self.confirm_resumed(name, &both).await?;
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
        }
        self.confirm_suspended(name, &both).await
    }

    /// Looks at the group and tags it unless it is tagged; gives the group as it was before. Refuses a group
    /// of another release.
    async fn claim(&self, plan: &GroupPlan) -> Effect<Group> {
        let name = &plan.name;
        let tag = suspension(&self.task.id(), &plan.suspend, &[]);
        let group = existing(self.scaling, name).await?;
        match group.tags.get(GROUP_TAG) {
            Some(other) if *other != tag => {
                return refused(format!(
                    "{name} carries the suspension tag of another release: {other}"
                ));
            }
            Some(_) => return Ok(group),
            None => {}
        }
        // The tag comes first: an operator can restore the group from it when everything else is lost.
        self.scaling.tag_group(name, GROUP_TAG, &tag).await.sorted()?;
        // Two targets may share a group, and the last to write the tag has the group. An answer without a tag
        // is older than the tag, and says nothing of another release.
        match existing(self.scaling, name).await?.tags.get(GROUP_TAG) {
            Some(seen) if *seen == tag => Ok(group),
            Some(_) => refused(format!("{name} was taken by another release at the same moment")),
            None => not_yet(format!("{name} does not show its suspension tag yet")),
        }
    }

    async fn confirm_suspended(&self, name: &str, processes: &[Process]) -> Effect<StepOutcome> {
        let seen = existing(self.scaling, name).await?;
        match without(processes, |process| is_suspended(&seen, process)).first() {
            Some(process) => not_yet(format!("{} of {name} is not suspended yet", process.as_str())),
            None => Ok(StepOutcome::done()),
        }
    }

    /// The processes of a group that this release has suspended; `None` where nothing is this release's to
    /// resume.
    async fn look_for_ours(&self, plan: &GroupPlan) -> Effect<Option<Vec<Process>>> {
        let name = &plan.name;
        let Some(group) = self.scaling.group_by_name(name).await.sorted()? else {
            // The group was deleted meanwhile: nothing of it can be left suspended.
            return Ok(None);
        };
        let tag = group.tags.get(GROUP_TAG);
        if tag.is_some_and(|tag| !tag.starts_with(&self.task.id())) {
            // Another release has the group, and this one was refused: that release resumes what is
            // suspended.
            return Ok(None);
        }
        let ours = without(&plan.suspend, |process| !is_suspended(&group, process));
        if ours.len() == plan.suspend.len() {
            return Ok(Some(ours));
        }
        // "Resumed already" is believed only at the second look: the first may be older than the suspending.
        sleep(CONSISTENCY).await;
        let again = existing(self.scaling, name).await?;
        Ok(Some(without(&plan.suspend, |process| {
            !is_suspended(&group, process) && !is_suspended(&again, process)
        })))
    }

    /// Resumes HealthCheck first; then marks healthy the hosts that were marked unhealthy while this release
    /// had them out; then resumes ReplaceUnhealthy, which would terminate those hosts otherwise; then the
    /// rest.
    async fn resume_in_order(&self, name: &str, ours: &[Process]) -> Effect<()> {
        let first = without(ours, |process| process != Process::HealthCheck);
        self.resume_these(name, &first).await?;
        // An error that delays ReplaceUnhealthy must not leave the other processes suspended.
        let marked = match ours.contains(&Process::ReplaceUnhealthy) {
            true => self.mark_healthy(name).await.map(drop),
            false => Ok(()),
        };
        if marked.is_ok() && ours.contains(&Process::ReplaceUnhealthy) {
            self.resume_these(name, &[Process::ReplaceUnhealthy]).await?;
        }
        let rest = without(ours, |process| {
            matches!(process, Process::HealthCheck | Process::ReplaceUnhealthy)
        });
        self.resume_these(name, &rest).await?;
        marked
    }

    /// As at the end, hosts are marked healthy between HealthCheck and ReplaceUnhealthy; all other processes
    /// stay suspended.
    async fn resume_replacing(&self, name: &str, both: &[Process]) -> Effect<()> {
        let first = without(both, |process| process != Process::HealthCheck);
        self.resume_these(name, &first).await?;
        if !both.contains(&Process::ReplaceUnhealthy) {
            return Ok(());
        }
        let marked = self.mark_healthy(name).await?;
        let seen = existing(self.scaling, name).await?;
        let is_marked = |id: &String| {
            let mut members = seen.members.iter();
            members.any(|member| member.id == *id && member.health == "Unhealthy")
        };
        if let Some(id) = marked.iter().find(|id| is_marked(id)) {
            return not_yet(format!(
                "{id} is healthy, and {name} has it marked Unhealthy still"
            ));
        }
        self.resume_these(name, &[Process::ReplaceUnhealthy]).await
    }

    async fn confirm_resumed(&self, name: &str, processes: &[Process]) -> Effect<Group> {
        let seen = existing(self.scaling, name).await?;
        match processes.iter().find(|process| is_suspended(&seen, **process)) {
            Some(process) => not_yet(format!("{} of {name} is still suspended", process.as_str())),
            None => Ok(seen),
        }
    }

    async fn must_be_ours(&self, name: &str) -> Effect<()> {
        let group = existing(self.scaling, name).await?;
        match group.tags.get(GROUP_TAG) {
            Some(tag) if tag.starts_with(&self.task.id()) => Ok(()),
            tag => refused(format!(
                "{name} does not carry this release's suspension tag, but {tag:?}"
            )),
        }
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
    /// Gives the hosts that it marked.
    async fn mark_healthy(&self, name: &str) -> Effect<Vec<String>> {
        let release = self.task.release;
        let mut marked = Vec::new();
        let group = existing(self.scaling, name).await?;
        for member in group.members.iter().filter(|member| member.health == "Unhealthy") {
            let host = release.host(&member.id);
            let Some(host) = host.filter(|host| release.touched(&host.instance)) else {
                continue;
            };
            if self.is_healthy(host).await? {
                self.scaling
                    .set_instance_health_healthy(&member.id)
                    .await
                    .sorted()?;
                marked.push(member.id.clone());
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

/// The group. Refuses if it does not exist.
async fn existing(scaling: &impl ScalingPort, name: &str) -> Effect<Group> {
    match scaling.group_by_name(name).await.sorted()? {
        Some(group) => Ok(group),
        None => refused(format!("the Auto Scaling group {name} does not exist")),
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

fn is_suspended(group: &Group, process: Process) -> bool {
    group.suspended.contains_key(process.as_str())
}

fn without(processes: &[Process], drop: impl Fn(Process) -> bool) -> Vec<Process> {
    processes
        .iter()
        .copied()
        .filter(|process| !drop(*process))
        .collect()
}

#[cfg(test)]
mod tests;
