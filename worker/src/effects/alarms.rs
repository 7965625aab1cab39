//! Disables the actions of alarms for the roll, and enables them again, where no mute rule (`mute.rs`) keeps
//! them from acting.
//!
//! Releases of other services may silence the same alarms. Each release has a tag of its own on the alarm, and
//! the last one to leave enables its actions; `drawgate_rollout::Leave` has the rules, and the search of every
//! order of calls. An alarm that is off and carries no tag was switched off by somebody else, and stays off.
//!
//! A tag is one call for one alarm, so calls go side by side, and what AWS throttles is tried again without the
//! rest. Looks at tags are what CloudWatch admits the fewest of (10 a second, where it takes 20 tags), so many alarms
//! are left a hundred at a time and a few hundreds abreast, in such a way that looks never wait for anything else:
//!
//! ```text
//!   first hundred    look | mark, enable | ..... look | untag
//!   second hundred          look ....... | mark, enable |    look | untag
//! ```

pub(super) mod seen;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use drawgate_rollout::{
    AlarmPlan, Evidence, Holders, Leave, SILENCED_TAG, StepOutcome, silenced_tag, silenced_value,
};
use futures_util::stream::{self, StreamExt};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::connections::Effects;
use super::membership::CONSISTENCY;
use super::outcome::{Effect, Sorted, either, not_yet};
use super::ports::{ActionPort, AlarmPort};
use super::task::{LAST_WORDS, Task};
use crate::aws::{Alarm, Aws, AwsError};

/// How many alarms are worked on together: as many as one call takes that is not about tags. What is done to
/// them is done before the next ones, so that a worker that dies leaves few alarms half-way.
pub(super) const TOGETHER: usize = 100;

/// How many times [`TOGETHER`] are left at once: while one is looked at, another one is marked and a third one untagged.
const ABREAST: usize = 3;

/// How many calls are made side by side: at 200 ms a call, twice what CloudWatch allows in a second.
const SIDE_BY_SIDE: usize = 8;

/// Pause before calls that AWS throttled are made again: its buckets are refilled each second.
const THROTTLED_AGAIN: Duration = Duration::from_secs(1);

/// Most looks at alarms that others silence too, each [`CONSISTENCY`] after the last change. Two are the rule;
/// each further one answers a release that came or left in between.
const LOOKS: u32 = 5;

/// The tags of an alarm, by key.
type Tags = BTreeMap<String, String>;

impl Effects {
    /// The steps on the alarms of one release.
    pub(super) fn silencing<'a>(&'a self, task: Task<'a>) -> Silencing<'a, Aws> {
        Silencing::of(&self.aws, task)
    }
}

/// Disables the actions of a release's alarms, and enables them again.
pub(super) struct Silencing<'a, A> {
    alarms: &'a A,
    task: Task<'a>,
    /// The turn to look at tags. Looks that share their bucket all end late, looks in turn end one after another.
    looks: Mutex<()>,
}

impl<'a, A> Silencing<'a, A> {
    fn of(alarms: &'a A, task: Task<'a>) -> Self {
        Self {
            alarms,
            task,
            looks: Mutex::default(),
        }
    }
}

/// What has come of silencing some alarms.
struct Silenced<'p> {
    /// Whether there were any to tag.
    tagged: bool,
    /// Whether other releases had disabled any of them.
    shared: bool,
    /// Alarms that are off, and that nobody has tagged: a person switched them off since the release was
    /// planned, or the answer is older than the end of the release before. A second look tells.
    off_by_nobody: Vec<&'p AlarmPlan>,
}

/// An alarm that carries this release's tag, as it was seen.
struct Seen<'p> {
    alarm: &'p AlarmPlan,
    holders: Holders,
    /// Whether an earlier worker set the tag.
    tagged_by_earlier_worker: bool,
    /// Off where nobody looked, because what is next does not depend on it.
    actions_on: bool,
}

/// What has come of leaving the alarms so far.
#[derive(Default)]
struct Left<'p> {
    /// Whether the actions of any alarm were enabled.
    enabled: bool,
    /// Alarms that others silence too, or that are not seen as they should be: they are looked at once more, when AWS's
    /// answers must agree.
    again: Vec<&'p AlarmPlan>,
    /// Alarms that were left to other releases, which silence them still.
    to_others: Vec<String>,
    /// An alarm that is not as it should be yet.
    unfinished: Option<String>,
}

impl Left<'_> {
    fn add(&mut self, more: Self) {
        self.enabled |= more.enabled;
        self.again.extend(more.again);
        self.to_others.extend(more.to_others);
    }
}

impl<A: ActionPort> Silencing<'_, A> {
    pub(super) async fn silence(&self) -> StepOutcome {
        either(self.try_silence().await)
    }

    async fn try_silence(&self) -> Effect<StepOutcome> {
        let (mut tagged, mut shared) = (false, false);
        let mut off_by_nobody = Vec::new();
        let planned_alarms: Vec<&AlarmPlan> = self.task.plan.alarms.iter().collect();
        for alarms in planned_alarms.chunks(TOGETHER) {
            let silenced = self.silence_these(alarms).await?;
            tagged |= silenced.tagged;
            shared |= silenced.shared;
            off_by_nobody.extend(silenced.off_by_nobody);
        }
        if !off_by_nobody.is_empty() {
            sleep(CONSISTENCY).await;
            for alarms in off_by_nobody.chunks(TOGETHER) {
                let silenced = self.silence_these(alarms).await?;
                tagged |= silenced.tagged;
                shared |= silenced.shared;
            }
        }
        if !tagged {
            return Ok(StepOutcome::already());
        }
        self.confirm_silence(shared).await
    }

    /// Looks whether all actions are off, and once more where they seem not to be: the step over again would look at
    /// the tags of every alarm that is off by now, because of one answer that is older than the writes. An alarm that
    /// is `shared` was off before, so an old answer has it off too: another release that left it at that moment may
    /// have enabled it, before it saw this one's tag and disables it again.
    async fn confirm_silence(&self, shared: bool) -> Effect<StepOutcome> {
        let are_on = || planned(self.alarms, self.task, |alarm| alarm.actions_enabled);
        let in_time = || Instant::now() + CONSISTENCY + LAST_WORDS < self.task.deadline;
        if shared && in_time() {
            sleep(CONSISTENCY).await;
        }
        let mut on = are_on().await?;
        if !on.is_empty() && in_time() {
            sleep(CONSISTENCY).await;
            on = are_on().await?;
        }
        match on.first() {
            Some(alarm) => not_yet(format!("actions of {} are still on", alarm.name)),
            None => Ok(StepOutcome::done()),
        }
    }

    /// Tags and disables those of these alarms that are on, and those that other releases have disabled: they
    /// may have enabled them since the answer.
    async fn silence_these<'p>(&self, alarms: &[&'p AlarmPlan]) -> Effect<Silenced<'p>> {
        let id = self.task.id();
        let actions = self.actions(alarms.iter().copied()).await?;
        let are = |on: bool| {
            let all = alarms.iter().copied();
            all.filter(|alarm| actions.get(&alarm.name) == Some(&on))
                .collect::<Vec<_>>()
        };
        let (mut to_tag, off) = (are(true), are(false));
        let mut shared = false;
        let mut off_by_nobody = Vec::new();
        for (alarm, tags) in self.tags(&off).await? {
            let holders = holders(&tags);
            if holders.is_empty() {
                off_by_nobody.push(alarm);
            } else if holders.needs_tag(&id, false) {
                shared = true;
                to_tag.push(alarm);
            }
        }
        // The tag comes first: whoever finds the alarm off can tell from it who will enable it again.
        self.tag(&to_tag, false).await?;
        self.alarms.disable_actions(&names(&to_tag)).await.sorted()?;
        Ok(Silenced {
            tagged: !to_tag.is_empty(),
            shared,
            off_by_nobody,
        })
    }

    pub(super) async fn unsilence(&self) -> StepOutcome {
        either(self.try_unsilence().await)
    }

    async fn try_unsilence(&self) -> Effect<StepOutcome> {
        let hundreds: Vec<_> = self
            .task
            .plan
            .alarms
            .chunks(TOGETHER)
            .map(|alarms| self.leave(alarms))
            .collect();
        // One that fails keeps no other one half-way.
        let parts: Vec<Effect<Left<'_>>> = stream::iter(hundreds).buffered(ABREAST).collect().await;
        let mut left = Left::default();
        for part in parts {
            left.add(part?);
        }
        self.leave_again(&mut left).await?;
        if let Some(what) = left.unfinished {
            return not_yet(what);
        }
        Ok(match (left.to_others, left.enabled) {
            (held_by_others, _) if !held_by_others.is_empty() => StepOutcome::Done {
                evidence: Evidence::Unsilenced { held_by_others },
            },
            (_, true) => StepOutcome::done(),
            (_, false) => StepOutcome::already(),
        })
    }

    /// Leaves those of these alarms that nobody else silences, and begins to leave the others.
    async fn leave<'p>(&self, alarms: &'p [AlarmPlan]) -> Effect<Left<'p>> {
        let mut left = Left::default();
        let id = self.task.id();
        let is_shared = |seen: &Seen<'_>| seen.holders.has_others(&id);
        let all: Vec<&AlarmPlan> = alarms.iter().collect();
        let seen = self.look(&all, false).await?;
        self.change(&seen, &mut left).await?;
        let (shared, alone): (Vec<_>, Vec<_>) = seen.into_iter().partition(is_shared);
        left.again.extend(shared.iter().map(|seen| seen.alarm));
        let (settled, changed): (Vec<_>, Vec<_>) = alone
            .into_iter()
            .partition(|seen| self.next(seen) == Leave::Untag);
        self.untag(&settled).await?;
        // Another release may have come between the look and the change.
        let changed: Vec<&AlarmPlan> = changed.iter().map(|seen| seen.alarm).collect();
        let (shared, alone): (Vec<_>, Vec<_>) =
            self.look(&changed, true).await?.into_iter().partition(is_shared);
        self.change(&shared, &mut left).await?;
        left.again.extend(shared.iter().map(|seen| seen.alarm));
        let (settled, unfinished): (Vec<_>, Vec<_>) = alone
            .into_iter()
            .partition(|seen| self.next(seen) == Leave::Untag);
        self.untag(&settled).await?;
        left.again.extend(unfinished.iter().map(|seen| seen.alarm));
        Ok(left)
    }

    /// Leaves the alarms that others silence too, and those whose answers were older than the writes. Two
    /// releases that leave at the same moment each see the other's mark by the time of the look, so that
    /// neither leaves the alarm to the other.
    async fn leave_again<'p>(&self, left: &mut Left<'p>) -> Effect<()> {
        for _ in 0..LOOKS {
            if left.again.is_empty() {
                return Ok(());
            }
            sleep(CONSISTENCY).await;
            left.unfinished = None;
            for alarms in std::mem::take(&mut left.again).chunks(TOGETHER) {
                let seen = self.look(alarms, false).await?;
                let (settled, changed): (Vec<_>, Vec<_>) =
                    seen.into_iter().partition(|seen| self.next(seen) == Leave::Untag);
                self.untag(&settled).await?;
                let to_others = settled.iter().filter(|seen| !seen.actions_on);
                left.to_others
                    .extend(to_others.map(|seen| seen.alarm.name.clone()));
                self.change(&changed, left).await?;
                left.unfinished = left.unfinished.take().or_else(|| changed.first().map(still));
                left.again.extend(changed.iter().map(|seen| seen.alarm));
            }
        }
        Ok(())
    }

    fn next(&self, seen: &Seen<'_>) -> Leave {
        Leave::next(&self.task.id(), &seen.holders, seen.actions_on)
    }

    /// Marks tags as leaving, and enables or disables actions, as each alarm needs it.
    async fn change(&self, seen: &[Seen<'_>], left: &mut Left<'_>) -> Effect<()> {
        let mut to_mark = Vec::new();
        let (mut to_enable, mut to_disable) = (Vec::new(), Vec::new());
        for seen in seen {
            let Leave::Change { mark, switch } = self.next(seen) else {
                continue;
            };
            to_mark.extend(mark.then_some(seen.alarm));
            match switch {
                Some(true) => to_enable.push(seen.alarm),
                Some(false) => to_disable.push(seen.alarm),
                None => {}
            }
        }
        self.tag(&to_mark, true).await?;
        self.alarms.enable_actions(&names(&to_enable)).await.sorted()?;
        self.alarms.disable_actions(&names(&to_disable)).await.sorted()?;
        left.enabled |= !to_enable.is_empty();
        Ok(())
    }

    /// Looks at those of these alarms that carry this release's tag: at the tags first, then at the actions where
    /// what is next depends on them. `marked`: the tags were marked as leaving, whatever an older answer says.
    async fn look<'p>(&self, alarms: &[&'p AlarmPlan], marked: bool) -> Effect<Vec<Seen<'p>>> {
        let id = self.task.id();
        let mut seen = Vec::new();
        let tags = {
            let _turn = self.looks.lock().await;
            self.tags(alarms).await?
        };
        for (alarm, tags) in tags {
            let mut holders = holders(&tags);
            if holders.has(&id) {
                if marked {
                    holders.put(&id, true);
                }
                seen.push(Seen {
                    alarm,
                    holders,
                    tagged_by_earlier_worker: tags.get(SILENCED_TAG) == Some(&id),
                    actions_on: false,
                });
            }
        }
        let is_sure = |seen: &Seen<'_>| Leave::is_sure(&id, &seen.holders);
        let asked = seen.iter().filter(|seen| !is_sure(seen)).map(|seen| seen.alarm);
        let actions = self.actions(asked).await?;
        seen.retain_mut(|seen| match actions.get(&seen.alarm.name) {
            Some(on) => {
                seen.actions_on = *on;
                true
            }
            // One that was asked for, and is not there, is deleted.
            None => is_sure(seen),
        });
        Ok(seen)
    }

    /// Whether the actions of each of these alarms are on. A deleted alarm is left out.
    async fn actions(&self, alarms: impl Iterator<Item = &AlarmPlan>) -> Effect<BTreeMap<String, bool>> {
        let names: Vec<String> = alarms.map(|alarm| alarm.name.clone()).collect();
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let seen = self.alarms.alarms_matching(&names).await.sorted()?;
        Ok(seen
            .into_iter()
            .map(|alarm| (alarm.name, alarm.actions_enabled))
            .collect())
    }

    async fn tags<'p>(&self, alarms: &[&'p AlarmPlan]) -> Effect<Vec<(&'p AlarmPlan, Tags)>> {
        self.each(alarms, |alarm| self.alarms.alarm_tags(&alarm.arn))
            .await
    }

    async fn tag(&self, alarms: &[&AlarmPlan], leaves: bool) -> Effect<()> {
        let definition = &self.task.plan.definition;
        let key = silenced_tag(&self.task.id());
        let value = silenced_value(
            definition.environment.as_str(),
            definition.service.as_str(),
            leaves,
        );
        self.each(alarms, |alarm| self.alarms.tag_alarm(&alarm.arn, &key, &value))
            .await
            .map(drop)
    }

    async fn untag(&self, seen: &[Seen<'_>]) -> Effect<()> {
        let own = [silenced_tag(&self.task.id())];
        let both = [own[0].clone(), SILENCED_TAG.to_owned()];
        for earlier in [false, true] {
            let seen = seen
                .iter()
                .filter(|seen| seen.tagged_by_earlier_worker == earlier);
            let alarms: Vec<&AlarmPlan> = seen.map(|seen| seen.alarm).collect();
            let keys = if earlier { &both[..] } else { &own[..] };
            self.each(&alarms, |alarm| self.alarms.untag_alarm(&alarm.arn, keys))
                .await?;
        }
        Ok(())
    }

    /// The releases that have tagged each of these alarms.
    pub(super) async fn holders_of<'p>(
        &self,
        alarms: &[&'p AlarmPlan],
    ) -> Effect<Vec<(&'p AlarmPlan, Holders)>> {
        let tagged = self.tags(alarms).await?.into_iter();
        Ok(tagged.map(|(alarm, tags)| (alarm, holders(&tags))).collect())
    }

    /// Makes one call for each of these alarms, side by side. Calls that AWS throttled are made again until the
    /// step's time is over; the others are not. An alarm that is deleted at this very moment is left out.
    async fn each<'p, T, F>(
        &self,
        alarms: &[&'p AlarmPlan],
        call: impl Fn(&'p AlarmPlan) -> F + Send,
    ) -> Effect<Vec<(&'p AlarmPlan, T)>>
    where
        F: Future<Output = Result<T, AwsError>> + Send,
        T: Send,
    {
        let mut done = Vec::new();
        let mut left = alarms.to_vec();
        loop {
            let calls: Vec<F> = left.iter().map(|alarm| call(alarm)).collect();
            let answers: Vec<_> = stream::iter(calls).buffered(SIDE_BY_SIDE).collect().await;
            let in_time = Instant::now() + THROTTLED_AGAIN + LAST_WORDS < self.task.deadline;
            let mut failed = None;
            let mut again = Vec::new();
            for (alarm, answer) in left.into_iter().zip(answers) {
                match answer {
                    Ok(answer) => done.push((alarm, answer)),
                    Err(error) if error.is_not_found() => {}
                    Err(error) if error.is_transient() && in_time => again.push(alarm),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            if let Some(error) = failed {
                return Err(error).sorted();
            }
            if again.is_empty() {
                return Ok(done);
            }
            sleep(THROTTLED_AGAIN).await;
            left = again;
        }
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
    let names = BTreeSet::from_iter(names);
    seen.retain(|alarm| names.contains(&alarm.name) && which(alarm));
    Ok(seen)
}

/// The releases that these tags name.
pub(super) fn holders(tags: &Tags) -> Holders {
    Holders::of(tags.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

fn names(alarms: &[&AlarmPlan]) -> Vec<String> {
    alarms.iter().map(|alarm| alarm.name.clone()).collect()
}

fn still(seen: &Seen<'_>) -> String {
    let state = if seen.actions_on { "on" } else { "off" };
    format!("actions of {} are still {state}", seen.alarm.name)
}

#[cfg(test)]
mod tests;
