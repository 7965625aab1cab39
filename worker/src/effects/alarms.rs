//! Alarm actions: off while the roll lasts for those that had them on, and on again for exactly those.

use drawgate_rollout::StepOutcome;

use super::names::ALARM_TAG;
use super::outcome::{Effect, Sorted, either, not_yet};
use super::{Effects, Task};
use crate::aws::Alarm;

impl Effects {
    pub(super) async fn silence(&self, task: Task<'_>) -> StepOutcome {
        either(self.try_silence(task).await)
    }

    async fn try_silence(&self, task: Task<'_>) -> Effect<StepOutcome> {
        let on = self.planned_alarms(task, |alarm| alarm.actions_enabled).await?;
        if on.is_empty() {
            return Ok(StepOutcome::already());
        }
        // The tag comes first: from it anybody can tell which alarms to enable again.
        for alarm in &on {
            self.aws
                .tag_alarm(&alarm.arn, ALARM_TAG, &task.id())
                .await
                .sorted()?;
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

    pub(super) async fn unsilence(&self, task: Task<'_>) -> StepOutcome {
        either(self.try_unsilence(task).await)
    }

    async fn try_unsilence(&self, task: Task<'_>) -> Effect<StepOutcome> {
        let off = self.planned_alarms(task, |alarm| !alarm.actions_enabled).await?;
        if !off.is_empty() {
            self.aws.enable_actions(&names(&off)).await.sorted()?;
        }
        if let Some(alarm) = self
            .planned_alarms(task, |alarm| !alarm.actions_enabled)
            .await?
            .first()
        {
            return not_yet(format!("actions of {} are still off", alarm.name));
        }
        for alarm in &task.plan.alarms {
            self.aws.untag_alarm(&alarm.arn, ALARM_TAG).await.sorted()?;
        }
        Ok(if off.is_empty() {
            StepOutcome::already()
        } else {
            StepOutcome::done()
        })
    }

    /// Alarms of the plan as they are now. One that was deleted meanwhile is not missed.
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

fn names(alarms: &[Alarm]) -> Vec<String> {
    alarms.iter().map(|alarm| alarm.name.clone()).collect()
}
