//! The rollback to the previous version.

use drawgate_schemas::Direction;

use super::attempts::Todo;
use super::hosts::{has_room, may_join};
use super::wave::Wave;
use super::{Agenda, Part};
use crate::fleet::Plan;
use crate::journal::Step;
use crate::limits;
use crate::release::StepStatus;
use crate::release::turns::{Out, Turn};

impl Agenda<'_> {
    /// The whole rollback. A step that fails for good stops no other: the receipt names what was not brought
    /// back.
    pub(super) fn roll_back(&self) -> Part {
        self.stop_what_nobody_needs()?;
        self.wait_for_running(|step| !step.restores())?;
        let Some(plan) = &self.release.plan else {
            // Without a plan nothing was touched: there is nothing to restore.
            return self.wait_for_running(|_| true);
        };
        self.ask_for_lease_again()?;
        self.unpublish_desired_version()?;
        self.suspend_scaling_again(plan)?;
        self.roll_hosts_back(plan)?;
        self.restore()
    }

    /// Restores the desired version first, because an instance that boots meanwhile must not start the
    /// version that is being rolled back. Hosts wait for the first attempt only: they run the failed version,
    /// and Parameter Store may be away.
    fn unpublish_desired_version(&self) -> Part {
        let state = self.release.steps.get(&Step::RestoreDesired);
        let is_first = state.is_none_or(|state| state.attempts <= 1 && state.last.is_none());
        match self.is_to_be_unpublished() && is_first {
            true => self.try_all(&[Step::RestoreDesired], 1),
            false => Part::Continue(()),
        }
    }

    fn is_to_be_unpublished(&self) -> bool {
        self.release.begun(&Step::ReserveDesired) && !self.release.desired_stays_on_new_version()
    }

    /// Suspends scaling again before a host is taken out, so that sick hosts are not replaced then. Where
    /// scaling cannot be suspended, the rollback goes on, because it is worth more than waiting.
    fn suspend_scaling_again(&self, plan: &Plan) -> Part {
        if self.release.turns().back.is_over() {
            return Part::Continue(());
        }
        let mut again = plan.for_each_group(|group| Step::SuspendAgain { group });
        again.retain(|step| step.group().is_some_and(|group| self.release.may_replace(group)));
        self.try_all(&again, 1)
    }

    /// Rolls touched hosts back: those that are out first, then the others, at most `max_unavailable` out at
    /// once. A host that cannot go back stops no other that is out. Where few are lost so, they keep no other from
    /// going back either: the floor, which applies during rollback too, is reckoned without them.
    fn roll_hosts_back(&self, plan: &Plan) -> Part {
        let mut todo = Todo::default();
        if self.is_to_be_unpublished() {
            todo.add(self, Step::RestoreDesired);
        }
        let mut out = self.out_with_a_place();
        let mut wave = self.wave_back();
        if wave.is_under_way {
            todo.wait();
        }
        while let Some((host, status)) = wave.next(has_room(plan, &out)) {
            let is_out = status.goes_back_first();
            let Some(step) = self.next_step(host, Direction::Back) else {
                continue;
            };
            if !is_out {
                // A host that the floor keeps in service does not count as out while it waits, or when it has
                // waited in vain.
                let waits = match self.step_status(&step) {
                    StepStatus::Again { at } => at > self.now,
                    StepStatus::Failed(_) => true,
                    _ => false,
                };
                if !waits && !may_join(plan, &out, host) {
                    continue;
                }
                if !waits {
                    out.add(&host.zone);
                }
            }
            todo.add(self, step);
        }
        todo.or_go_on()
    }

    /// The hosts that are to go back: those that are out first, and those that are sick by themselves last. A host
    /// that the floor keeps in service, because it was registered again when the rollback began, is none that is out:
    /// it serves with the failed version until another one serves, so that one must not wait for it.
    fn wave_back(&self) -> Wave<'_, (bool, bool, Turn)> {
        let back = &self.release.turns().back;
        let of = |turn: &Turn| {
            let (host, status) = self.release.member_at(turn.1)?;
            let key = (!status.goes_back_first(), self.is_known_sick(host), *turn);
            Some((key, (host, status)))
        };
        let mut due: Vec<_> = back.due.iter().filter_map(of).collect();
        due.sort_by_key(|(key, _)| *key);
        let waiting = back.waiting.iter().filter_map(of);
        let is_under_way = back.under_way > 0;
        if self.release.sick_wait.is_none() {
            return Wave::new(due, Box::new(waiting), is_under_way);
        }
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_by_key(|(key, _)| *key);
        Wave::new(due, Box::new(waiting.into_iter()), is_under_way)
    }

    /// The hosts that are out and count toward `max_unavailable`. A host that cannot go back does not count where it
    /// was sick before it was rolled, or where few cannot: neither says anything against the previous version.
    fn out_with_a_place(&self) -> Out {
        let turns = self.release.turns();
        let mut passed_over = limits::lost_during_rollback(turns.members);
        let mut out = turns.out_back.clone();
        let stuck = turns
            .stuck_back
            .iter()
            .filter_map(|place| self.release.member_at(*place));
        for (host, _) in stuck.filter(|(host, _)| self.release.is_lost_on_its_rollback(host, self.now)) {
            let was_sick = self.release.rolled_next.contains(&host.instance) || self.is_known_sick(host);
            if was_sick || passed_over > 0 {
                passed_over -= usize::from(!was_sick);
                out.remove(&host.zone);
            }
        }
        out
    }
}
