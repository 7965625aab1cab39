//! Disables the actions of alarms for the roll, and enables them again, where no mute rule (`mute.rs`) keeps
//! them from acting.
//!
//! An alarm whose actions a release disabled carries that release's tag until they are enabled again. An
//! alarm without the tag was switched off by somebody else, and stays off.

use drawgate_rollout::StepOutcome;

use super::connections::Effects;
use super::names::ALARM_TAG;
use super::outcome::{Effect, Sorted, either, not_yet};
use super::ports::{ActionPort, AlarmPort};
use super::task::Task;
use crate::aws::{Alarm, Aws, AwsError};

impl Effects {
    /// The steps on the alarms of one release.
    pub(super) fn silencing<'a>(&'a self, task: Task<'a>) -> Silencing<'a, Aws> {
        Silencing {
            alarms: &self.aws,
            task,
        }
    }
}

/// Disables the actions of a release's alarms, and enables them again.
pub(super) struct Silencing<'a, A> {
    alarms: &'a A,
    task: Task<'a>,
}

impl<A: ActionPort> Silencing<'_, A> {
    pub(super) async fn silence(&self) -> StepOutcome {
        either(self.try_silence().await)
    }

    async fn try_silence(&self) -> Effect<StepOutcome> {
        let on = self.planned(|alarm| alarm.actions_enabled).await?;
        if on.is_empty() {
            return Ok(StepOutcome::already());
        }
        // The tag comes first: an operator can tell from it which alarms to enable again.
        for alarm in &on {
            let tagged = self
                .alarms
                .tag_alarm(&alarm.arn, ALARM_TAG, &self.task.id())
                .await;
            unless_gone(tagged).sorted()?;
        }
        self.alarms.disable_actions(&names(&on)).await.sorted()?;
        self.confirm_silenced().await
    }

    async fn confirm_silenced(&self) -> Effect<StepOutcome> {
        match self.planned(|alarm| alarm.actions_enabled).await?.first() {
            Some(alarm) => not_yet(format!("actions of {} are still on", alarm.name)),
            None => Ok(StepOutcome::done()),
        }
    }

    pub(super) async fn unsilence(&self) -> StepOutcome {
        either(self.try_unsilence().await)
    }

    async fn try_unsilence(&self) -> Effect<StepOutcome> {
        let held = self.held().await?;
        let is_off = |alarm: &&Alarm| !alarm.actions_enabled;
        let off: Vec<Alarm> = held.iter().filter(is_off).cloned().collect();
        let off = names(&off);
        self.alarms.enable_actions(&off).await.sorted()?;
        self.confirm_enabled(&off).await?;
        for alarm in &held {
            let untagged = self.alarms.untag_alarm(&alarm.arn, ALARM_TAG).await;
            unless_gone(untagged).sorted()?;
        }
        Ok(if off.is_empty() {
            StepOutcome::already()
        } else {
            StepOutcome::done()
        })
    }

    async fn confirm_enabled(&self, names: &[String]) -> Effect<()> {
        let still_off = |alarm: &Alarm| !alarm.actions_enabled && names.contains(&alarm.name);
        match self.planned(still_off).await?.first() {
            Some(alarm) => not_yet(format!("actions of {} are still off", alarm.name)),
            None => Ok(()),
        }
    }

    /// Alarms of the plan that carry this release's tag.
    pub(super) async fn held(&self) -> Effect<Vec<Alarm>> {
        let mut held = Vec::new();
        for alarm in self.planned(|_| true).await? {
            let tag = self.alarms.alarm_tag(&alarm.arn, ALARM_TAG).await.sorted()?;
            if tag == Some(self.task.id()) {
                held.push(alarm);
            }
        }
        Ok(held)
    }

    async fn planned(&self, which: impl Fn(&Alarm) -> bool) -> Effect<Vec<Alarm>> {
        planned(self.alarms, self.task, which).await
    }
}

/// Alarms of the plan as they are now. An alarm deleted since the plan was made is left out.
pub(super) async fn planned(
    alarms: &impl AlarmPort,
    task: Task<'_>,
    which: impl Fn(&Alarm) -> bool,
) -> Effect<Vec<Alarm>> {
    let names: Vec<String> = task.plan.alarms.iter().map(|alarm| alarm.name.clone()).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut seen = alarms.alarms_matching(&names).await.sorted()?;
    seen.retain(|alarm| names.contains(&alarm.name) && which(alarm));
    Ok(seen)
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

#[cfg(test)]
mod tests;
