//! Mute rules: made with an end, extended while the roll lasts, deleted once the alarms are OK.

use std::time::Duration;

use drawgate_rollout::limits::{MUTE_MS, after, between_ms};
use drawgate_rollout::{Evidence, MuteRule, Step, StepOutcome};
use jiff::Timestamp;
use tokio::time::sleep;

use super::alarms::planned;
use super::connections::Effects;
use super::outcome::{Effect, Sorted, either, not_yet};
use super::ports::MutePort;
use super::task::Task;
use crate::aws::{Alarm, Aws, SeenMuteRule};

const MINUTE_MS: u64 = 60_000;

impl Effects {
    /// The steps on the mute rules of one release.
    pub(super) fn muting<'a>(&'a self, task: Task<'a>) -> Muting<'a, Aws> {
        Muting {
            alarms: &self.aws,
            task,
        }
    }
}

/// Makes the mute rules of a release, extends them, and deletes them.
pub(super) struct Muting<'a, A> {
    alarms: &'a A,
    task: Task<'a>,
}

impl<A: MutePort> Muting<'_, A> {
    /// Makes the rules, or extends those that are there.
    pub(super) async fn mute(&self) -> StepOutcome {
        either(self.try_mute().await)
    }

    async fn try_mute(&self) -> Effect<StepOutcome> {
        let until = after(self.task.clock.now(), MUTE_MS);
        self.mute_until(until).await?;
        Ok(StepOutcome::Done {
            evidence: Evidence::Muted { until },
        })
    }

    async fn mute_until(&self, until: Timestamp) -> Effect<()> {
        // CloudWatch refuses a rule that names an alarm which does not exist.
        let there = planned(self.alarms, self.task, |_| true).await?;
        for mut rule in self.task.plan.mute_rules(self.task.release.request.id) {
            rule.alarms
                .retain(|name| there.iter().any(|alarm| alarm.name == *name));
            if !rule.alarms.is_empty() {
                self.put_off(&rule, until).await?;
                self.confirm_active(&rule, until).await?;
            }
        }
        Ok(())
    }

    /// Writes a rule that ends at `until`. A rule that is there keeps its beginning, so that its window has
    /// no gap. A new rule begins with the running minute, or with the next where CloudWatch says that the
    /// running minute is over.
    async fn put_off(&self, rule: &MuteRule, until: Timestamp) -> Effect<()> {
        let now = self.task.clock.now();
        let seen = self.alarms.mute_rule(&rule.name).await.sorted()?;
        let from = match &seen {
            Some(seen) if seen.expired => after(now, MINUTE_MS),
            Some(SeenMuteRule { from: Some(from), .. }) => *from,
            _ => now,
        };
        let put = self
            .alarms
            .put_mute_rule(&rule.name, &rule.alarms, from, until)
            .await;
        match put {
            Err(error) if seen.is_none() && error.code() == Some("ValidationError") => {
                let next = after(now, MINUTE_MS);
                let again = self.alarms.put_mute_rule(&rule.name, &rule.alarms, next, until);
                again.await.sorted()
            }
            put => put.sorted(),
        }
    }

    async fn confirm_active(&self, rule: &MuteRule, until: Timestamp) -> Effect<()> {
        match self.alarms.mute_rule(&rule.name).await.sorted()? {
            Some(seen) if seen.active && seen.until.is_none_or(|ends| ends >= until) => Ok(()),
            _ => not_yet(format!("mute rule {} is not active yet", rule.name)),
        }
    }

    /// Waits until no alarm is in ALARM, or until `settle_ms` is over; then deletes the rules.
    pub(super) async fn unmute(&self) -> StepOutcome {
        either(self.try_unmute().await)
    }

    async fn try_unmute(&self) -> Effect<StepOutcome> {
        let there = self.rules_there().await?;
        if there.is_empty() {
            return Ok(StepOutcome::already());
        }
        let firing = self.settled().await?;
        for name in &there {
            self.alarms.delete_mute_rule(name).await.sorted()?;
        }
        match self.rules_there().await?.first() {
            Some(name) => not_yet(format!("mute rule {name} is there still")),
            None => Ok(StepOutcome::Done {
                evidence: Evidence::Unmuted { firing },
            }),
        }
    }

    async fn rules_there(&self) -> Effect<Vec<String>> {
        let mut there = Vec::new();
        for rule in self.task.plan.mute_rules(self.task.release.request.id) {
            let seen = self.alarms.mute_rule(&rule.name).await.sorted()?;
            there.extend(seen.is_some().then_some(rule.name));
        }
        Ok(there)
    }

    /// The alarms that are still in ALARM when the wait ends.
    async fn settled(&self) -> Effect<Vec<String>> {
        let task = self.task;
        let alarms = &task.plan.definition.alarms;
        let begun_at = task
            .release
            .steps
            .get(&Step::Unsilence)
            .map_or_else(|| task.clock.now(), |state| state.begun_at);
        let end = after(begun_at, alarms.settle_ms);
        let mut muted_for_it = false;
        loop {
            let firing = planned(self.alarms, task, is_firing).await?;
            let now = task.clock.now();
            if firing.is_empty() || now >= end {
                return Ok(firing.into_iter().map(|alarm| alarm.name).collect());
            }
            if !muted_for_it {
                self.mute_until(after(end, MUTE_MS)).await?;
                muted_for_it = true;
            }
            let pause_ms = alarms.watch_interval_ms.max(1_000).min(between_ms(now, end));
            sleep(Duration::from_millis(pause_ms)).await;
        }
    }
}

fn is_firing(alarm: &Alarm) -> bool {
    alarm.state == "ALARM"
}

#[cfg(test)]
mod tests;
