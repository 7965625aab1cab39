//! Restores everything that was changed beside the hosts, and takes the last look.

use super::decision::Decision;
use super::{Agenda, Part};
use crate::fleet::Plan;
use crate::journal::Step;
use crate::limits::{self, after};
use crate::release::StepStatus;
use crate::report;

impl Agenda<'_> {
    /// Restores everything, then takes the last look. A step that fails stops no other: the receipt names what could
    /// not be restored.
    pub(super) fn restore(&self) -> Part {
        let Some(plan) = &self.release.plan else {
            return Part::Continue(());
        };
        self.stop_what_nobody_needs()?;
        self.wait_for_running(|step| !step.restores())?;
        self.ask_for_lease_again()?;
        self.resume_scaling(plan)?;
        self.enable_alarms_and_tidy_hosts(plan)?;
        self.confirm(plan)?;
        self.give_lease_back()
    }

    /// Does nothing more to the fleet, because another worker has it: whatever this one did now would be done
    /// to that worker's roll. What is under way comes to its end.
    pub(super) fn leave_alone(&self) -> Part {
        self.stop_what_nobody_needs()?;
        self.wait_for_running(|_| true)
    }

    pub(super) fn wait_for_running(&self, which: impl Fn(&Step) -> bool) -> Part {
        match self.any_running(which) {
            true => Part::Break(Vec::new()),
            false => Part::Continue(()),
        }
    }

    /// Asks once who has the fleet's lease, after a takeover during rollback or restoring. A missing answer
    /// stops nothing, because this worker has the lease of the lane.
    pub(super) fn ask_for_lease_again(&self) -> Part {
        if !self.release.leased {
            return Part::Continue(());
        }
        match self.step_status(&Step::TakeLease) {
            StepStatus::Fresh | StepStatus::Running => self.try_all(&[Step::TakeLease], 1),
            StepStatus::Done | StepStatus::Again { .. } | StepStatus::Failed(_) => Part::Continue(()),
        }
    }

    /// Resumes scaling before any alarm can act: from a suspended group a recovery by marks tells that hosts may
    /// have to be rolled back, and it does so with the alarms as it finds them.
    fn resume_scaling(&self, plan: &Plan) -> Part {
        self.wait_for_running(|step| matches!(step, Step::SuspendAgain { .. }))?;
        self.try_all(&self.resumes(plan), limit(plan))
    }

    /// Enables the alarms and tidies the hosts, neither of which rests on the other. A renewal under way would
    /// re-create a mute rule that is being deleted.
    fn enable_alarms_and_tidy_hosts(&self, plan: &Plan) -> Part {
        self.wait_for_running(|step| *step == Step::Renew)?;
        let clean_up = |instance: String| Step::CleanUp { instance };
        let clean_up = self.next_on_hosts(limit(plan), &self.release.turns().clean_up, clean_up);
        let mut todo = self.todo(&self.unsilences(), 1);
        todo.join(self.todo(&clean_up, limit(plan)));
        todo.or_go_on()
    }

    fn confirm(&self, plan: &Plan) -> Part {
        self.try_all(&[Step::Confirm], 1)?;
        let unpublish = Some(Step::RestoreDesired).filter(|step| self.release.begun(step));
        let undone = unpublish
            .into_iter()
            .chain(self.resumes(plan))
            .chain(self.unsilences());
        self.unless_it_was_stale(&undone.collect::<Vec<_>>())
    }

    fn give_lease_back(&self) -> Part {
        let lease = Some(Step::GiveLeaseBack).filter(|_| self.release.leased);
        self.try_all(&lease.into_iter().collect::<Vec<_>>(), 1)
    }

    fn resumes(&self, plan: &Plan) -> Vec<Step> {
        let mut resume = plan.for_each_group(|group| Step::Resume { group });
        resume.retain(|step| {
            let group = step.group().map(str::to_owned);
            group.is_some_and(|group| self.release.begun(&Step::Suspend { group }))
        });
        resume
    }

    fn unsilences(&self) -> Vec<Step> {
        let begun = self.release.begun(&Step::Silence);
        Some(Step::Unsilence).filter(|_| begun).into_iter().collect()
    }

    /// Believes at once what is as it should be. Anything else is restored once more and looked at again: AWS
    /// may have answered with an earlier state, and a call without an answer may have taken effect after the
    /// call that undid it.
    fn unless_it_was_stale(&self, undone: &[Step]) -> Part {
        let confirmed = self.release.steps.get(&Step::Confirm);
        let Some(confirmed) = confirmed.filter(|_| self.release.done(&Step::Confirm)) else {
            return Part::Continue(());
        };
        if self.release.looks_at_end >= limits::LOOKS_AT_END || !report::is_anything_left(self.release) {
            return Part::Continue(());
        }
        let at = after(confirmed.last_at, limits::LOOK_AT_END_AGAIN_MS);
        if at > self.now {
            return Part::Break(vec![Decision::WakeAt(at)]);
        }
        let again = undone.iter().filter(|step| self.release.done(step));
        let again = again.filter(|step| self.release.steps[step].last_at <= confirmed.last_at);
        let again: Vec<Decision> = again.map(|step| self.perform(step.clone())).collect();
        Part::Break(if !again.is_empty() {
            again
        } else {
            vec![self.perform(Step::Confirm)]
        })
    }
}

/// How many hosts or groups are worked on at once: as many as may pull, because nothing waits for them.
fn limit(plan: &Plan) -> usize {
    plan.definition.roll.pull_concurrency as usize
}
