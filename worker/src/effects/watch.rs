//! Watched alarms: their state is read again and again while the release rolls forward, and once more at the
//! end of the bake, where the watched hosts are looked at once more too.

use std::time::Duration;

use drawgate_rollout::limits::{CALL_MS, PATIENCE_MS, between_ms};
use drawgate_rollout::{Failure, StepOutcome, WatchPlan};
use tokio::time::{Instant, sleep};

use super::connections::Effects;
use super::outcome::Sorted;
use super::task::Task;
use crate::aws::Alarm;

/// A watch ends this long before its deadline, so that time is left for the full patience once more.
const LAST_WORDS: Duration = Duration::from_millis(PATIENCE_MS + CALL_MS);

/// The result of one look at the watched alarms.
enum Sight {
    Quiet,
    /// One of the alarms fires.
    Fires(Failure),
    /// Some alarms could not be seen: they must not count as quiet.
    Blind(Failure),
}

impl Effects {
    /// Watches until an alarm fires, until the alarms cannot be seen for the patience of a step rolling
    /// forward, or until its time is over while all are quiet: then the driver begins the watch anew.
    pub(super) async fn watch_alarms(&self, task: Task<'_>) -> StepOutcome {
        let interval = Duration::from_millis(task.plan.definition.alarms.watch_interval_ms);
        let mut seen_at = Instant::now();
        loop {
            match self.look_at_watched(task).await {
                Sight::Fires(failure) => return StepOutcome::Refused { failure },
                Sight::Quiet if Instant::now() + LAST_WORDS >= task.deadline => return StepOutcome::done(),
                Sight::Quiet => seen_at = Instant::now(),
                Sight::Blind(failure) if seen_at.elapsed() >= Duration::from_millis(PATIENCE_MS) => {
                    return StepOutcome::Transient {
                        failure: blind(&failure),
                    };
                }
                Sight::Blind(failure) => {
                    tracing::warn!(release = %task.id(), what = %failure.what, "watched alarms are not seen");
                }
            }
            sleep(interval).await;
        }
    }

    /// Waits for the end of the bake, then looks once more, so that the version is called good only after a
    /// look at the end.
    pub(super) async fn bake(&self, task: Task<'_>) -> StepOutcome {
        let now = task.clock.now();
        let left_ms = task
            .release
            .bakes_until()
            .map_or(0, |until| between_ms(now, until));
        sleep(Duration::from_millis(left_ms)).await;
        match self.look_at_watched(task).await {
            Sight::Quiet => match Box::pin(self.hosts_watch(task).last_look()).await {
                Some(failure) => StepOutcome::Refused { failure },
                None => StepOutcome::done(),
            },
            Sight::Fires(failure) => StepOutcome::Refused { failure },
            Sight::Blind(failure) => StepOutcome::Transient { failure },
        }
    }

    async fn look_at_watched(&self, task: Task<'_>) -> Sight {
        let watched = &task.plan.watched;
        let names: Vec<String> = watched.iter().map(|alarm| alarm.name.clone()).collect();
        let alarms = match self.aws.alarms_matching(&names).await.sorted() {
            Ok(alarms) => alarms,
            Err(outcome) => {
                let unsaid = || Failure::new("no answer");
                return Sight::Blind(outcome.failure().cloned().unwrap_or_else(unsaid));
            }
        };
        // An alarm that fires is reported before one that is missing.
        let mut missing = None;
        for plan in watched {
            match alarms.iter().find(|alarm| alarm.name == plan.name) {
                Some(alarm) if plan.fires(&alarm.state, alarm.since) => {
                    return Sight::Fires(fired(plan, alarm));
                }
                Some(_) => {}
                None => missing = Some(&plan.name),
            }
        }
        missing.map_or(Sight::Quiet, |name| {
            Sight::Blind(Failure::new(format!("alarm {name} is not there any more")))
        })
    }
}

fn fired(plan: &WatchPlan, alarm: &Alarm) -> Failure {
    let name = &plan.name;
    let what = match alarm.reason.as_str() {
        "" => format!("{name} went into ALARM"),
        reason => format!("{name} went into ALARM: {reason}"),
    };
    Failure::new(what).with_hint(format!(
        "aws cloudwatch describe-alarm-history --alarm-name {name} tells what it saw"
    ))
}

fn blind(failure: &Failure) -> Failure {
    let s = PATIENCE_MS / 1000;
    let blind = Failure::new(format!("could not be seen for {s} s: {}", failure.what));
    match &failure.hint {
        Some(hint) => blind.with_hint(hint),
        None => blind,
    }
}
