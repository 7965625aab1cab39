//! Suspends the processes of an Auto Scaling group, and resumes exactly those, in an order that terminates no
//! host.
//!
//! `ResumeProcesses` and `SuspendProcesses` without a list act on *every* process (Amazon EC2 Auto Scaling
//! API Reference); no empty list is ever sent.

use drawgate_rollout::definition::Process;
use drawgate_rollout::{GroupPlan, Step, StepOutcome};
use drawgate_schemas::Direction;
use tokio::time::{Instant, sleep};

use super::connections::Effects;
use super::membership::CONSISTENCY;
use super::names::{GROUP_TAG, suspension};
use super::outcome::{Effect, Sorted, either, not_yet, refused};
use super::task::Task;
use crate::aws::{Group, TargetState};

impl Effects {
    pub(super) async fn suspend(&self, task: Task<'_>, name: &str) -> StepOutcome {
        either(self.try_suspend(task, name).await)
    }

    async fn try_suspend(&self, task: Task<'_>, name: &str) -> Effect<StepOutcome> {
        let plan = group_plan(task, name)?;
        let tag = suspension(&task.id(), &plan.suspend, &[]);
        let group = self.group(name).await?;
        match group.tags.get(GROUP_TAG) {
            Some(other) if *other != tag => {
                return refused(format!(
                    "{name} carries the suspension tag of another release: {other}"
                ));
            }
            Some(_) => {}
            // The tag comes first: an operator can restore the group from it when everything else is lost.
            None => {
                self.aws.tag_group(name, GROUP_TAG, &tag).await.sorted()?;
                // Two targets may share a group, and the last to write the tag has the group. An answer
                // without a tag is older than the tag, and says nothing of another release.
                match self.group(name).await?.tags.get(GROUP_TAG) {
                    Some(seen) if *seen == tag => {}
                    Some(_) => {
                        return refused(format!("{name} was taken by another release at the same moment"));
                    }
                    None => return not_yet(format!("{name} does not show its suspension tag yet")),
                }
            }
        }
        let missing = without(&plan.suspend, |process| is_suspended(&group, process));
        if missing.is_empty() {
            return Ok(StepOutcome::already());
        }
        self.aws.suspend(name, &missing).await.sorted()?;
        let seen = self.group(name).await?;
        match without(&plan.suspend, |process| is_suspended(&seen, process)).first() {
            Some(process) => not_yet(format!("{} of {name} is not suspended yet", process.as_str())),
            None => Ok(StepOutcome::done()),
        }
    }

    pub(super) async fn resume(&self, task: Task<'_>, name: &str) -> StepOutcome {
        either(self.try_resume(task, name).await)
    }

    /// Resumes HealthCheck first; then marks healthy the hosts that were marked unhealthy while this release
    /// had them out; then resumes ReplaceUnhealthy, which would terminate those hosts otherwise; then the
    /// rest.
    async fn try_resume(&self, task: Task<'_>, name: &str) -> Effect<StepOutcome> {
        let plan = group_plan(task, name)?;
        let Some(group) = self.aws.group_by_name(name).await.sorted()? else {
            // The group was deleted meanwhile: nothing of it can be left suspended.
            return Ok(StepOutcome::already());
        };
        if group
            .tags
            .get(GROUP_TAG)
            .is_some_and(|tag| !tag.starts_with(&task.id()))
        {
            // Another release has the group, and this one was refused: that release resumes what is
            // suspended.
            return Ok(StepOutcome::already());
        }
        let mut ours = without(&plan.suspend, |process| !is_suspended(&group, process));
        if ours.len() < plan.suspend.len() {
            // "Resumed already" is believed only at the second look: the first may be older than the
            // suspending.
            sleep(CONSISTENCY).await;
            let again = self.group(name).await?;
            ours = without(&plan.suspend, |process| {
                !is_suspended(&group, process) && !is_suspended(&again, process)
            });
        }
        let first = without(&ours, |process| process != Process::HealthCheck);
        self.resume_these(name, &first).await?;
        // An error that delays ReplaceUnhealthy must not leave the other processes suspended.
        let marked = match ours.contains(&Process::ReplaceUnhealthy) {
            true => self.mark_healthy(task, name).await.map(drop),
            false => Ok(()),
        };
        if marked.is_ok() && ours.contains(&Process::ReplaceUnhealthy) {
            self.resume_these(name, &[Process::ReplaceUnhealthy]).await?;
        }
        let rest = without(&ours, |process| {
            matches!(process, Process::HealthCheck | Process::ReplaceUnhealthy)
        });
        self.resume_these(name, &rest).await?;
        marked?;
        let seen = self.group(name).await?;
        if let Some(process) = plan.suspend.iter().find(|process| is_suspended(&seen, **process)) {
            return not_yet(format!("{} of {name} is still suspended", process.as_str()));
        }
        if seen.tags.contains_key(GROUP_TAG) {
            self.aws.untag_group(name, GROUP_TAG).await.sorted()?;
        }
        Ok(if ours.is_empty() {
            StepOutcome::already()
        } else {
            StepOutcome::done()
        })
    }

    pub(super) async fn let_replace(&self, task: Task<'_>, name: &str) -> StepOutcome {
        either(self.try_let_replace(task, name).await)
    }

    /// As at the end, hosts are marked healthy between HealthCheck and ReplaceUnhealthy; all other processes
    /// stay suspended.
    async fn try_let_replace(&self, task: Task<'_>, name: &str) -> Effect<StepOutcome> {
        let plan = group_plan(task, name)?;
        let both: Vec<Process> = plan.replaces().collect();
        self.must_be_ours(task, name).await?;
        let first = without(&both, |process| process != Process::HealthCheck);
        self.resume_these(name, &first).await?;
        if both.contains(&Process::ReplaceUnhealthy) {
            let marked = self.mark_healthy(task, name).await?;
            let seen = self.group(name).await?;
            let is_marked = |id: &String| {
                let mut members = seen.members.iter();
                members.any(|member| member.id == *id && member.health == "Unhealthy")
            };
            if let Some(id) = marked.iter().find(|id| is_marked(id)) {
                return not_yet(format!(
                    "{id} is healthy, and {name} has it marked Unhealthy still"
                ));
            }
            self.resume_these(name, &[Process::ReplaceUnhealthy]).await?;
        }
        // The tag is written last: until then it names more processes than are suspended.
        let suspended = without(&plan.suspend, |process| both.contains(&process));
        let tag = suspension(&task.id(), &suspended, &both);
        self.aws.tag_group(name, GROUP_TAG, &tag).await.sorted()?;
        let seen = self.group(name).await?;
        match both.iter().find(|process| is_suspended(&seen, **process)) {
            Some(process) => not_yet(format!("{} of {name} is still suspended", process.as_str())),
            None => Ok(StepOutcome::done()),
        }
    }

    pub(super) async fn suspend_again(&self, task: Task<'_>, name: &str) -> StepOutcome {
        either(self.try_suspend_again(task, name).await)
    }

    async fn try_suspend_again(&self, task: Task<'_>, name: &str) -> Effect<StepOutcome> {
        let plan = group_plan(task, name)?;
        let both: Vec<Process> = plan.replaces().collect();
        self.must_be_ours(task, name).await?;
        let tag = suspension(&task.id(), &plan.suspend, &[]);
        self.aws.tag_group(name, GROUP_TAG, &tag).await.sorted()?;
        self.aws.suspend(name, &both).await.sorted()?;
        if may_resume_late(task, name) {
            sleep(CONSISTENCY).await;
        }
        let seen = self.group(name).await?;
        match both.iter().find(|process| !is_suspended(&seen, **process)) {
            Some(process) => not_yet(format!("{} of {name} is not suspended yet", process.as_str())),
            None => Ok(StepOutcome::done()),
        }
    }

    async fn must_be_ours(&self, task: Task<'_>, name: &str) -> Effect<()> {
        let group = self.group(name).await?;
        match group.tags.get(GROUP_TAG) {
            Some(tag) if tag.starts_with(&task.id()) => Ok(()),
            tag => refused(format!(
                "{name} does not carry this release's suspension tag, but {tag:?}"
            )),
        }
    }

    async fn resume_these(&self, name: &str, processes: &[Process]) -> Effect<()> {
        if processes.is_empty() {
            return Ok(());
        }
        self.aws.resume(name, processes).await.sorted()
    }

    /// Marks healthy only hosts that this release took out and that are healthy in all their target groups
    /// now: any other unhealthy host has a reason, and Auto Scaling must replace it.
    ///
    /// Gives the hosts that it marked.
    async fn mark_healthy(&self, task: Task<'_>, name: &str) -> Effect<Vec<String>> {
        let mut marked = Vec::new();
        let group = self.group(name).await?;
        for member in group.members.iter().filter(|member| member.health == "Unhealthy") {
            let Some(host) = task
                .release
                .host(&member.id)
                .filter(|host| task.release.touched(&host.instance))
            else {
                continue;
            };
            let mut healthy = true;
            for target in host.targets.iter().filter(|target| target.can_be_healthy()) {
                let state = self.state_of(task, target, Instant::now()).await?;
                healthy &= state == Some(TargetState::Healthy);
            }
            if healthy {
                self.aws.set_instance_health_healthy(&member.id).await.sorted()?;
                marked.push(member.id.clone());
            }
        }
        Ok(marked)
    }

    /// The group. Refuses if it does not exist.
    pub(super) async fn group(&self, name: &str) -> Effect<Group> {
        match self.aws.group_by_name(name).await.sorted()? {
            Some(group) => Ok(group),
            None => refused(format!("the Auto Scaling group {name} does not exist")),
        }
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

/// Whether a target's health is awaited in this direction: during rollback, only a target that was healthy
/// before.
pub(super) fn is_awaited(state_before: &str, can_be_healthy: bool, direction: Direction) -> bool {
    match direction {
        Direction::Forward => can_be_healthy,
        Direction::Back => state_before == "healthy",
    }
}
