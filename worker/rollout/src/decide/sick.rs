//! What a roll does about hosts that turn unhealthy by themselves and keep others in service
//! (`release/sick.rs` says what is known of them).

use std::collections::BTreeSet;

use super::decision::Decision;
use super::wave::Wave;
use super::{Agenda, Part};
use crate::failure::{FloorKept, Obstacle};
use crate::fleet::{HostPlan, Plan};
use crate::journal::{Record, Step};
use crate::limits::{self, after};
use crate::release::turns::Turn;
use crate::release::{Member, SickWait, StepStatus};

impl Agenda<'_> {
    /// Deals with sick hosts that keep the next host in service: rolls them next, waits for them, or rolls
    /// back.
    pub(super) fn answer_sick_hosts(&self, plan: &Plan, wave: &Wave<'_, Turn>) -> Part {
        if let Some(wait) = &self.release.sick_wait {
            return self.wait_for_sick(wait);
        }
        let kept = |(host, _): &Member<'_>| {
            let kept = self.release.kept_for_long(&host.instance)?;
            Some((host.instance.clone(), kept.clone()))
        };
        let mut waiting = wave.due().filter(|(_, status)| status.is_kept);
        let Some((instance, kept)) = waiting.find_map(kept) else {
            return Part::Continue(());
        };
        let untouched = |host: &&HostPlan| {
            kept.sick.contains(&host.instance)
                && !self.release.touched(&host.instance)
                && host.instance != instance
        };
        let next: BTreeSet<String> = self
            .members()
            .filter(untouched)
            .map(|host| host.instance.clone())
            .collect();
        if !next.is_subset(&self.release.rolled_next) {
            let (instances, kept) = (next, kept);
            return Part::Break(vec![Decision::Append(Record::RolledNext { instances, kept })]);
        }
        // While these are rolled, or another host comes back into service, the floor is asked again
        // afterwards.
        if !next.is_empty() || self.members().any(|host| self.release.is_out(host)) {
            return Part::Continue(());
        }
        let wait_ms = plan.definition.roll.sick_wait_ms;
        let why = match wait_ms {
            0 => "roll.sick_wait is 0",
            _ if self.release.sick_waits >= limits::SICK_WAITS => "hosts keep falling ill",
            _ => {
                let until = after(self.now, wait_ms);
                let begun = Record::SickWaitBegun {
                    instance,
                    kept,
                    until,
                };
                return Part::Break(vec![Decision::Append(begun)]);
            }
        };
        self.begin_rollback(Step::AwaitFloor, self.release.sick_for_too_long(&kept, why))
    }

    /// Waits for sick hosts. No host is out: Auto Scaling may replace sick hosts meanwhile, and no host is
    /// taken out before those processes are suspended again.
    fn wait_for_sick(&self, wait: &SickWait) -> Part {
        let each = |step: fn(String) -> Step| self.release.groups_of(&wait.kept.sick).into_iter().map(step);
        if !self.release.done(&Step::AwaitFloor) {
            let time_is_up = self.time_is_up().filter(|at| *at < wait.until);
            let until = time_is_up.unwrap_or(wait.until);
            if until <= self.now && self.step_status(&Step::AwaitFloor) != StepStatus::Running {
                let why = match time_is_up {
                    None => format!(
                        "waited {} s for it",
                        limits::between_ms(wait.since, self.now) / 1000
                    ),
                    Some(at) => format!("waited for until {at:.0}, when roll.max_roll was over"),
                };
                let kept = self.last_kept(wait);
                let failure = self.release.sick_for_too_long(kept, &why);
                return self.begin_rollback(Step::AwaitFloor, failure.because_overdue(time_is_up.is_some()));
            }
            // Whether Auto Scaling can replace sick hosts or not, they may become healthy by themselves.
            let replace: Vec<Step> = each(|group| Step::LetReplace { group }).collect();
            self.try_all(&replace, 1)?;
            self.must(&[Step::AwaitFloor], 1)?;
        }
        let again: Vec<Step> = each(|group| Step::SuspendAgain { group })
            .filter(|step| self.was_let(step))
            .collect();
        self.must(&again, 1)?;
        Part::Break(vec![Decision::Append(Record::SickWaitOver)])
    }

    /// What kept the host in service at the last look.
    fn last_kept<'w>(&'w self, wait: &'w SickWait) -> &'w FloorKept {
        let state = self.release.steps.get(&Step::AwaitFloor);
        match state.and_then(|state| state.obstacle.as_ref()) {
            Some(Obstacle::Floor(kept)) => kept,
            _ => &wait.kept,
        }
    }

    /// Whether Auto Scaling may have been allowed to replace sick hosts in the group of this `SuspendAgain`.
    fn was_let(&self, suspend_again: &Step) -> bool {
        match suspend_again {
            Step::SuspendAgain { group } => self.release.begun(&Step::LetReplace { group: group.clone() }),
            _ => false,
        }
    }

    /// Whether a host is sick by itself. Such a host comes back late or not at all, so it goes last.
    pub(super) fn is_known_sick(&self, host: &HostPlan) -> bool {
        let wait = self.release.sick_wait.as_ref();
        wait.is_some_and(|wait| self.last_kept(wait).sick.contains(&host.instance))
    }
}
