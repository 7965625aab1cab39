//! Alarms: mute rules (`mute.rs`) or disabled actions keep them from acting during the roll; afterwards they
//! are as before.
//!
//! An alarm whose actions a release disabled carries that release's tag until they are enabled again. An
//! alarm without the tag was switched off by somebody else, and stays off.

use drawgate_rollout::StepOutcome;

use super::connections::Effects;
use super::names::ALARM_TAG;
use super::outcome::{Effect, Sorted, either, not_yet};
use super::task::Task;
use crate::aws::{Alarm, AwsError};

impl Effects {
    pub(super) async fn silence(&self, task: Task<'_>) -> StepOutcome {
        either(match task.plan.mutes() {
            true => Box::pin(self.try_mute(task)).await,
            false => Box::pin(self.try_silence(task)).await,
        })
    }

    pub(super) async fn unsilence(&self, task: Task<'_>) -> StepOutcome {
        either(match task.plan.mutes() {
            true => Box::pin(self.try_unmute(task)).await,
            false => Box::pin(self.try_unsilence(task)).await,
        })
    }

    async fn try_silence(&self, task: Task<'_>) -> Effect<StepOutcome> {
        let on = self.planned_alarms(task, |alarm| alarm.actions_enabled).await?;
        if on.is_empty() {
            return Ok(StepOutcome::already());
        }
        // The tag comes first: an operator can tell from it which alarms to enable again.
        for alarm in &on {
            let tagged = self.aws.tag_alarm(&alarm.arn, ALARM_TAG, &task.id()).await;
            unless_gone(tagged).sorted()?;
        }
        self.aws.disable_actions(&names(&on)).await.sorted()?;
        match self
            .planned_alarms(task, |alarm| alarm.actions_enabled)
            .await?
            .first()
        {
            Some(alarm) => not_yet(format!("actions of {} are still on", alarm.name)),
            None => Ok(StepOutcome::done()),
        }
    }

    async fn try_unsilence(&self, task: Task<'_>) -> Effect<StepOutcome> {
        let held = self.held_alarms(task).await?;
        let off: Vec<Alarm> = held
            .iter()
            .filter(|alarm| !alarm.actions_enabled)
            .cloned()
            .collect();
        self.aws.enable_actions(&names(&off)).await.sorted()?;
        let off = names(&off);
        let still = |alarm: &Alarm| !alarm.actions_enabled && off.contains(&alarm.name);
        if let Some(alarm) = self.planned_alarms(task, still).await?.first() {
            return not_yet(format!("actions of {} are still off", alarm.name));
        }
        for alarm in &held {
            let untagged = self.aws.untag_alarm(&alarm.arn, ALARM_TAG).await;
            unless_gone(untagged).sorted()?;
        }
        Ok(if off.is_empty() {
            StepOutcome::already()
        } else {
            StepOutcome::done()
        })
    }

    /// Alarms of the plan that carry this release's tag.
    pub(super) async fn held_alarms(&self, task: Task<'_>) -> Effect<Vec<Alarm>> {
        let mut held = Vec::new();
        for alarm in self.planned_alarms(task, |_| true).await? {
            let tag = self.aws.alarm_tag(&alarm.arn, ALARM_TAG).await.sorted()?;
            if tag == Some(task.id()) {
                held.push(alarm);
            }
        }
        Ok(held)
    }

    /// Alarms of the plan as they are now. An alarm deleted since the plan was made is left out.
    pub(super) async fn planned_alarms(
        &self,
        task: Task<'_>,
        which: impl Fn(&Alarm) -> bool,
    ) -> Effect<Vec<Alarm>> {
        let wanted: Vec<String> = task.plan.alarms.iter().map(|alarm| alarm.name.clone()).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut alarms = self.aws.alarms_matching(&wanted).await.sorted()?;
        alarms.retain(|alarm| wanted.contains(&alarm.name) && which(alarm));
        Ok(alarms)
    }
}

/// An alarm that is deleted at this very moment must not keep the other alarms waiting.
fn unless_gone(done: Result<(), AwsError>) -> Result<(), AwsError> {
    match done {
        Err(error) if error.is_not_found() => Ok(()),
        done => done,
    }
}

fn names(alarms: &[Alarm]) -> Vec<String> {
    alarms.iter().map(|alarm| alarm.name.clone()).collect()
}
