//! Alarms: silencing them, and watching them.

use std::collections::BTreeSet;

use drawgate_rollout::{AlarmPlan, Evidence, Failure, Release, StepOutcome, WatchPlan, limits};

use super::words::{done, done_or_already, refused};
use crate::world::*;

impl World {
    pub(super) fn silence(&mut self, release: &Release) -> StepOutcome {
        let plan = release.plan.as_ref().unwrap();
        if plan.mutes() {
            return self.mute(release);
        }
        let seen_on = self.planned_alarms(release, true);
        let tagged = self.tag_alarms(release);
        for alarm in seen_on {
            self.alarms.insert(alarm, false);
        }
        let mut planned = release.plan.iter().flat_map(|plan| &plan.alarms);
        let is_on = |alarm: &&AlarmPlan| self.alarms.get(&alarm.name) == Some(&true);
        match planned.find(is_on).filter(|_| tagged) {
            Some(alarm) => StepOutcome::Transient {
                failure: Failure::new(format!("actions of {} are still on", alarm.name)),
            },
            None => done_or_already(tagged),
        }
    }

    /// Tags the alarms of the plan that are on, and those that are off because another release silences them.
    /// Says whether there were any.
    pub(super) fn tag_alarms(&mut self, release: &Release) -> bool {
        let off = self.planned_alarms(release, false).into_iter();
        let is_shared = |seen: SeenAlarm| seen.of_others && !seen.ours;
        let shared = off.filter(|alarm| self.look_at_alarm(alarm).is_some_and(is_shared));
        let all: Vec<String> = self
            .planned_alarms(release, true)
            .into_iter()
            .chain(shared)
            .collect();
        let tagged = !all.is_empty();
        self.alarm_tags.extend(all);
        tagged
    }

    pub(in crate::world) fn mutes(&self) -> bool {
        self.definition.alarms.by == SilenceBy::MuteRule
    }

    /// The alarms of the plan that exist and whose actions the first look shows on (`on`), or off.
    pub(super) fn planned_alarms(&self, release: &Release, on: bool) -> Vec<String> {
        let planned = release.plan.iter().flat_map(|plan| &plan.alarms);
        let is_so = |name: &&String| self.look_at_alarm(name).is_some_and(|seen| seen.on == on);
        planned.map(|alarm| &alarm.name).filter(is_so).cloned().collect()
    }

    pub(super) fn mute(&mut self, release: &Release) -> StepOutcome {
        let until = limits::after(self.now, limits::MUTE_MS);
        // Without any existing alarm no mute rule is made.
        let mut planned = release.plan.iter().flat_map(|plan| &plan.alarms);
        if planned.any(|alarm| self.alarms.contains_key(&alarm.name)) {
            self.muted_until = Some(until);
            let waits = self.mutant != Some(Mutant::BelievesInARuleToCome);
            if self.aws.mutes_from.is_some_and(|from| self.now < from) && waits {
                return StepOutcome::Transient {
                    failure: Failure::new("the mute rule is not active yet"),
                };
            }
        }
        done(Evidence::Muted { until })
    }

    pub(super) fn unsilence(&mut self, release: &Release) -> StepOutcome {
        if release.plan.as_ref().unwrap().mutes() {
            if self.muted_until.take().is_none() {
                return StepOutcome::already();
            }
            let firing = self.firing.iter().cloned().collect();
            return done(Evidence::Unmuted { firing });
        }
        let off = self.planned_alarms(release, false);
        let tags = std::mem::take(&mut self.alarm_tags);
        let is_seen = |alarm: &String| match self.aws.alarms_before.get(alarm) {
            Some(before) if self.aws.is_stale => before.ours,
            _ => true,
        };
        // An alarm whose tag the look does not show yet is passed over: the last look of all finds it.
        let (held, unseen): (BTreeSet<String>, BTreeSet<String>) = tags.into_iter().partition(is_seen);
        self.alarm_tags = unseen;
        let (shared, ours): (Vec<String>, Vec<String>) =
            held.into_iter().partition(|alarm| self.is_left_to_others(alarm));
        let enabled = ours.iter().any(|alarm| off.contains(alarm));
        for alarm in ours {
            self.alarms
                .insert(alarm, self.mutant != Some(Mutant::ForgetsAnAlarm));
        }
        if self.mutant == Some(Mutant::EnablesEveryAlarm) {
            self.alarms.values_mut().for_each(|on| *on = true);
        }
        if !shared.is_empty() {
            return done(Evidence::Unsilenced {
                held_by_others: shared,
            });
        }
        done_or_already(enabled)
    }

    /// Whether a release that leaves this alarm leaves it off, because another one silences it still.
    pub(super) fn is_left_to_others(&self, alarm: &str) -> bool {
        match self.mutant {
            Some(Mutant::EnablesWhatAnotherHolds) => false,
            Some(Mutant::LeavesOffAsLastOut) => {
                let mut first = self.fleet.alarms.iter();
                first.any(|seen| seen.name == alarm && !seen.actions_enabled)
            }
            // The look after the change finds a release that came meanwhile.
            Some(Mutant::BelievesAStaleHolder) => {
                let seen = self.look_at_alarm(alarm);
                seen.is_some_and(|seen| seen.of_others)
            }
            _ => self.alarms_of_others.contains(alarm),
        }
    }

    /// At the end of the bake the engines of the watched hosts are asked too.
    pub(super) fn look_at_end_of_bake(&self, release: &Release) -> StepOutcome {
        let quiet = self.look_at_watched(release);
        match quiet.failure() {
            Some(_) => quiet,
            None => self.look_at_hosts(release, true),
        }
    }

    pub(super) fn look_at_watched(&self, release: &Release) -> StepOutcome {
        let fires = |alarm: &&WatchPlan| self.firing.contains(&alarm.name) && alarm.fires("ALARM", None);
        let watched = &release.plan.as_ref().unwrap().watched;
        if let Some(alarm) = watched.iter().find(fires) {
            return refused(&format!("{} went into ALARM", alarm.name));
        }
        match watched
            .iter()
            .find(|alarm| !self.alarms.contains_key(&alarm.name))
        {
            Some(alarm) => StepOutcome::Transient {
                failure: Failure::new(format!("alarm {} is not there any more", alarm.name)),
            },
            None => StepOutcome::done(),
        }
    }
}
