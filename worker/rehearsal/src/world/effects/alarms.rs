//! Alarms: silencing them, and watching them.

use drawgate_rollout::{Evidence, Failure, Release, StepOutcome, WatchPlan, limits};

use super::words::{done, done_or_already, refused};
use crate::world::*;

impl World {
    pub(super) fn silence(&mut self, release: &Release) -> StepOutcome {
        let plan = release.plan.as_ref().unwrap();
        if plan.mutes() {
            return self.mute(release);
        }
        let tagged = self.tag_alarms(release);
        for alarm in self.planned_alarms(release, true) {
            self.alarms.insert(alarm, false);
        }
        done_or_already(tagged)
    }

    /// Tags the alarms of the plan that are on, and those that are off because another release silences them.
    /// Says whether there were any.
    pub(super) fn tag_alarms(&mut self, release: &Release) -> bool {
        let off = self.planned_alarms(release, false).into_iter();
        let shared =
            off.filter(|alarm| self.alarms_of_others.contains(alarm) && !self.alarm_tags.contains(alarm));
        let all: Vec<String> = self
            .planned_alarms(release, true)
            .into_iter()
            .chain(shared)
            .collect();
        let tagged = !all.is_empty();
        self.alarm_tags.extend(all);
        tagged
    }

    pub(super) fn mutes(&self) -> bool {
        self.definition.alarms.by == SilenceBy::MuteRule
    }

    /// The alarms of the plan that exist and whose actions are on (`on`), or off.
    pub(super) fn planned_alarms(&self, release: &Release, on: bool) -> Vec<String> {
        let planned = release.plan.iter().flat_map(|plan| &plan.alarms);
        let is_so = |name: &&String| self.alarms.get(*name) == Some(&on);
        planned.map(|alarm| &alarm.name).filter(is_so).cloned().collect()
    }

    pub(super) fn mute(&mut self, release: &Release) -> StepOutcome {
        let until = limits::after(self.now, limits::MUTE_MS);
        // Without any existing alarm no mute rule is made.
        let mut planned = release.plan.iter().flat_map(|plan| &plan.alarms);
        if planned.any(|alarm| self.alarms.contains_key(&alarm.name)) {
            self.muted_until = Some(until);
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
        let held = std::mem::take(&mut self.alarm_tags);
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
