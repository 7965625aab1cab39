//! Mute rules: made with an end, extended while the roll lasts, deleted once the alarms are OK.

use std::collections::BTreeSet;
use std::time::Duration;

use drawgate_rollout::limits::{MUTE_MS, after, between_ms};
use drawgate_rollout::{Evidence, MuteRule, Step, StepOutcome};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::alarms::planned;
use super::connections::Effects;
use super::outcome::{Effect, Sorted, either, not_yet};
use super::ports::MutePort;
use super::task::{LAST_WORDS, Task};
use crate::aws::{Alarm, Aws, AwsError, SeenMuteRule};

const MINUTE_MS: u64 = 60_000;

/// How many rules are worked on side by side: CloudWatch takes three writes of rules a second.
const SIDE_BY_SIDE: usize = 4;

/// Pause between two looks at rules that are not active yet. One that waits for its minute is looked at again
/// when that begins.
const LOOK_AGAIN_MS: u64 = 5_000;

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
        let there: BTreeSet<String> = there.into_iter().map(|alarm| alarm.name).collect();
        let mut rules = self.task.plan.mute_rules(self.task.release.request.id);
        for rule in &mut rules {
            rule.alarms.retain(|name| there.contains(name));
        }
        rules.retain(|rule| !rule.alarms.is_empty());
        let puts: Vec<_> = rules.iter().map(|rule| self.put_off(rule, until)).collect();
        // A rule that is refused keeps no other one from being written.
        let put: Vec<Effect<()>> = stream::iter(puts).buffered(SIDE_BY_SIDE).collect().await;
        put.into_iter().collect::<Effect<()>>()?;
        self.await_active(rules, until).await
    }

    /// Makes a rule mute until `until`. A rule that is there keeps its beginning, so that its window has no
    /// gap. A new rule begins with the running minute, or with the next where CloudWatch refuses the running
    /// one, because that is over. Where it refuses the beginning of a rule that is there, that rule stays as it
    /// is, and its successor begins with the next minute, before this one ends.
    async fn put_off(&self, rule: &MuteRule, until: Timestamp) -> Effect<()> {
        let seen = self.look(rule).await?;
        if seen.mutes_until(until) {
            return Ok(());
        }
        let now = self.task.clock.now();
        let next_minute = after(now, MINUTE_MS);
        let (name, other, last) = match seen.last() {
            Last::Rule => (&rule.name, &rule.successor, seen.rule.as_ref()),
            Last::Successor => (&rule.successor, &rule.name, seen.successor.as_ref()),
        };
        let from = match last {
            Some(last) if last.expired => next_minute,
            Some(SeenMuteRule { from: Some(from), .. }) => *from,
            _ => now,
        };
        let put = self.alarms.put_mute_rule(name, &rule.alarms, from, until).await;
        match put {
            Err(error) if may_be_of_the_past(&error) && from < next_minute => {
                let name = if last.is_some() { other } else { name };
                let again = self.alarms.put_mute_rule(name, &rule.alarms, next_minute, until);
                again.await.sorted()
            }
            put => put.sorted(),
        }
    }

    /// Waits until all rules mute: a new one may begin with the next minute only.
    async fn await_active(&self, mut rules: Vec<MuteRule>, until: Timestamp) -> Effect<()> {
        loop {
            let looks: Vec<_> = rules.iter().map(|rule| self.look(rule)).collect();
            let seen: Vec<Windows> = stream::iter(looks).buffered(SIDE_BY_SIDE).try_collect().await?;
            let mut seen = seen.into_iter();
            rules.retain(|_| !seen.next().is_some_and(|seen| seen.mutes_until(until)));
            let Some(rule) = rules.first() else {
                return Ok(());
            };
            let now = self.task.clock.now();
            let to_next_minute = MINUTE_MS - between_ms(Timestamp::UNIX_EPOCH, now) % MINUTE_MS;
            let pause = Duration::from_millis(to_next_minute.min(LOOK_AGAIN_MS));
            if Instant::now() + pause + LAST_WORDS >= self.task.deadline {
                return not_yet(format!("mute rule {} is not active yet", rule.name));
            }
            sleep(pause).await;
        }
    }

    async fn look(&self, rule: &MuteRule) -> Effect<Windows> {
        Ok(Windows {
            rule: self.alarms.mute_rule(&rule.name).await.sorted()?,
            successor: self.alarms.mute_rule(&rule.successor).await.sorted()?,
        })
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
        let deletions: Vec<_> = there
            .iter()
            .map(|name| self.alarms.delete_mute_rule(name))
            .collect();
        let deleted: Vec<_> = stream::iter(deletions).buffered(SIDE_BY_SIDE).collect().await;
        deleted.into_iter().collect::<Result<(), _>>().sorted()?;
        match self.rules_there().await?.first() {
            Some(name) => not_yet(format!("mute rule {name} is there still")),
            None => Ok(StepOutcome::Done {
                evidence: Evidence::Unmuted { firing },
            }),
        }
    }

    /// The names of this release's rules that exist.
    pub(super) async fn rules_there(&self) -> Effect<Vec<String>> {
        let rules = self.task.plan.mute_rules(self.task.release.request.id);
        let looks: Vec<_> = rules.iter().map(|rule| self.look(rule)).collect();
        let seen: Vec<Windows> = stream::iter(looks).buffered(SIDE_BY_SIDE).try_collect().await?;
        let mut there = Vec::new();
        for (rule, seen) in rules.into_iter().zip(seen) {
            there.extend(seen.rule.is_some().then_some(rule.name));
            there.extend(seen.successor.is_some().then_some(rule.successor));
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

/// Whether CloudWatch may have refused a rule because it begins in the past. AWS documents no code for that, so it may
/// be any but those that say something else.
fn may_be_of_the_past(error: &AwsError) -> bool {
    error.is_refused() && !error.is_denied() && !error.is_limit() && !error.is_not_found()
}

/// The rule, and the successor, that mute the same alarms: each `None` where it does not exist.
struct Windows {
    rule: Option<SeenMuteRule>,
    successor: Option<SeenMuteRule>,
}

/// Which of the two ends last.
enum Last {
    Rule,
    Successor,
}

impl Windows {
    /// The one that ends last; the rule itself where neither is there, or both are over.
    fn last(&self) -> Last {
        let end = |seen: &Option<SeenMuteRule>| {
            let going_on = seen.as_ref().filter(|seen| !seen.expired);
            going_on.map(|seen| seen.until.unwrap_or(Timestamp::MAX))
        };
        match end(&self.successor) > end(&self.rule) {
            true => Last::Successor,
            false => Last::Rule,
        }
    }

    /// Whether the alarms are muted now, and without a gap until then.
    fn mutes_until(&self, until: Timestamp) -> bool {
        let lasts = |seen: &SeenMuteRule| seen.until.is_none_or(|ends| ends >= until);
        let both = || self.rule.iter().chain(&self.successor);
        let active = || both().filter(|seen| seen.active);
        let follows = |next: &SeenMuteRule| {
            let begins = |ends: Timestamp| next.from.is_some_and(|from| from <= ends);
            let in_time = active().any(|first| first.until.is_none_or(begins));
            in_time && !next.active && !next.expired
        };
        active().any(lasts) || both().any(|seen| follows(seen) && lasts(seen))
    }
}

/// An alarm whose actions somebody has switched off does nothing once it is unmuted: nobody waits for it.
fn is_firing(alarm: &Alarm) -> bool {
    alarm.state == "ALARM" && alarm.actions_enabled
}

#[cfg(test)]
mod tests;
