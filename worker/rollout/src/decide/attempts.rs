//! Steps to do: which of them begin now, which are waited for, and what follows when one fails for good.

use drawgate_schemas::Direction;
use jiff::Timestamp;

use super::decision::Decision;
use super::{Agenda, Part};
use crate::failure::Failure;
use crate::fleet::HostPlan;
use crate::journal::{Cause, Record, Step};
use crate::limits::after;
use crate::release::StepStatus;
use crate::release::patience;
use crate::release::turns::{Turn, Way};

/// What is still to be done of a list of steps.
#[derive(Default)]
pub(super) struct Todo {
    pub(super) decisions: Vec<Decision>,
    pub(super) waiting: bool,
    /// The first step that is to be begun, now or later.
    next: Option<Step>,
    failed: Option<(Step, Failure)>,
}

impl Todo {
    /// Waits for a step that is under way.
    pub(super) fn wait(&mut self) {
        self.waiting = true;
    }

    pub(super) fn add(&mut self, agenda: &Agenda<'_>, step: Step) {
        let step_status = agenda.step_status(&step);
        if matches!(step_status, StepStatus::Fresh | StepStatus::Again { .. }) {
            self.next.get_or_insert_with(|| step.clone());
        }
        match step_status {
            StepStatus::Done => {}
            StepStatus::Running => self.wait(),
            StepStatus::Fresh => self.decisions.push(agenda.perform(step)),
            StepStatus::Again { at } if at <= agenda.now => self.decisions.push(agenda.perform(step)),
            StepStatus::Again { at } => self.decisions.push(Decision::WakeAt(at)),
            StepStatus::Failed(failure) => {
                let failure = failure.clone();
                self.failed.get_or_insert((step, failure));
            }
        }
    }

    /// Does these steps too, beside the others.
    pub(super) fn join(&mut self, other: Self) {
        self.decisions.extend(other.decisions);
        self.waiting |= other.waiting;
        self.next = self.next.take().or(other.next);
        self.failed = self.failed.take().or(other.failed);
    }

    pub(super) fn or_go_on(self) -> Part {
        if self.decisions.is_empty() && !self.waiting {
            Part::Continue(())
        } else {
            Part::Break(self.decisions)
        }
    }
}

impl Agenda<'_> {
    /// Performs these steps, at most `limit` at once; when one fails for good, the release is rolled back.
    pub(super) fn must(&self, steps: &[Step], limit: usize) -> Part {
        self.or_begin_rollback(self.todo(steps, limit))
    }

    /// Performs these steps, at most `limit` at once; a step that fails for good is passed over, and the
    /// receipt names it.
    pub(super) fn try_all(&self, steps: &[Step], limit: usize) -> Part {
        self.todo(steps, limit).or_go_on()
    }

    pub(super) fn todo(&self, steps: &[Step], limit: usize) -> Todo {
        let mut todo = Todo::default();
        let running = steps
            .iter()
            .filter(|step| self.step_status(step) == StepStatus::Running)
            .count();
        let mut room = limit.max(1).saturating_sub(running);
        for step in steps.iter().filter(|step| !self.release.done(step)) {
            let begins = !matches!(
                self.step_status(step),
                StepStatus::Running | StepStatus::Failed(_)
            );
            if begins && room == 0 {
                todo.waiting = true;
                continue;
            }
            room -= usize::from(begins);
            todo.add(self, step.clone());
        }
        todo
    }

    /// The same step on each host where it is still to be done. Of those on which it was never begun, as many as
    /// may begin at once are enough.
    pub(super) fn next_on_hosts(&self, limit: usize, way: &Way, step: impl Fn(String) -> Step) -> Vec<Step> {
        let mut next: Vec<Turn> = way.due.iter().copied().collect();
        next.extend(way.waiting.iter().take(limit.max(1)));
        next.sort_unstable();
        let hosts = next
            .into_iter()
            .filter_map(|(_, place)| self.release.member_at(place));
        hosts.map(|(host, _)| step(host.instance.clone())).collect()
    }

    pub(super) fn step_status(&self, step: &Step) -> StepStatus<'_> {
        self.release.step_status(step, self.now)
    }

    pub(super) fn any_running(&self, which: impl Fn(&Step) -> bool) -> bool {
        self.release.steps.under_way().any(which)
    }

    /// The hosts that are still members of the fleet.
    pub(super) fn members(&self) -> impl Iterator<Item = &HostPlan> {
        self.release.members().map(|(host, _)| host)
    }

    pub(super) fn or_begin_rollback(&self, todo: Todo) -> Part {
        let failed = todo.failed.clone().or_else(|| self.overdue(&todo));
        let Some((step, failure)) = failed else {
            return todo.or_go_on();
        };
        if self.may_try_again(&step) {
            let cause = self.cause(step, failure);
            return Part::Break(vec![Decision::Append(Record::RetryLater { cause })]);
        }
        self.begin_rollback(step, failure)
    }

    pub(super) fn begin_rollback(&self, step: Step, failure: Failure) -> Part {
        let cause = self.cause(step, failure);
        Part::Break(vec![Decision::Append(Record::RollingBack { cause })])
    }

    fn cause(&self, step: Step, failure: Failure) -> Cause {
        let attempts = self.release.steps.get(&step).map_or(0, |state| state.attempts);
        Cause {
            step,
            failure,
            attempts,
        }
    }

    /// Whether the failure budget covers the failure of this step. It covers no canary, because a canary is
    /// there to fail for all others.
    fn may_try_again(&self, step: &Step) -> bool {
        let Step::Host {
            instance,
            direction: Direction::Forward,
            ..
        } = step
        else {
            return false;
        };
        let Some(plan) = &self.release.plan else {
            return false;
        };
        let roll = &plan.definition.roll;
        let spent = self.release.to_retry.len() + self.release.retried.len();
        let of_canary = roll.canary.is_some() && !self.release.begun(&Step::Canary);
        let in_time = self.time_is_up().is_none_or(|at| self.now < at);
        spent < roll.failure_budget as usize
            && !self.release.retried.contains(instance)
            && !of_canary
            && in_time
    }

    /// Past `max_roll` the roll forward begins nothing new: its next step counts as failed.
    fn overdue(&self, todo: &Todo) -> Option<(Step, Failure)> {
        let at = self.time_is_up().filter(|at| *at <= self.now)?;
        let step = todo.next.clone()?;
        let what = format!("not begun or not done at {at}, when roll.max_roll was over");
        let hint = "raise roll.max_roll in the service's file, or let more hosts out at once";
        Some((step, Failure::new(what).with_hint(hint).because_overdue(true)))
    }

    /// When the roll forward has to be over: `max_roll` after the first touch, pauses since then not counted.
    /// What comes before it, the locks, the pulls and `[before]`, has bounds of its own.
    pub(super) fn time_is_up(&self) -> Option<Timestamp> {
        let plan = self.release.plan.as_ref()?;
        let most_ms = plan.definition.roll.max_roll_ms + self.release.paused_in_roll_ms(self.now);
        Some(after(self.release.rolls_since?, most_ms))
    }

    /// Performs a step, with the moment by which the performance ends.
    pub(super) fn perform(&self, step: Step) -> Decision {
        let mut deadline = after(self.now, patience::attempt_ms(&step, self.release));
        // max_roll bounds neither rollback nor restoring, nor any other step that is performed during them.
        let forward = self.release.leads_forward() && !step.restores();
        if let Some(at) = self.time_is_up().filter(|_| forward) {
            deadline = deadline.min(at);
        }
        if let (Step::AwaitFloor, Some(wait)) = (&step, &self.release.sick_wait) {
            deadline = deadline.min(wait.until);
        }
        if let (true, Some(state)) = (step.is_bounded_wait(), self.release.steps.get(&step)) {
            // A second attempt gets what the first one left of the bound in the service's file.
            let patience_ms = patience::patience_after_ms(&step, state, self.release);
            deadline = deadline.min(after(state.patient_from, patience_ms));
        }
        Decision::Perform { step, deadline }
    }
}
