//! Before anything is touched: what a release waits for, and the plan that it makes once everything in it is locked.

use super::{Agenda, Part, end_untouched};
use crate::decision::Decision;
use crate::limits::{self, after};
use crate::order;
use crate::plan::{HostPlan, Plan};
use crate::record::Failure;
use crate::report;
use crate::state::Release;
use crate::step::Step;

impl Agenda<'_> {
    /// Nothing of the fleet is looked at before the release's turn has come.
    pub(super) fn wait_in_queue(&self) -> Part {
        self.obey_control_commands()?;
        if self.release.digest.is_none() {
            self.must(&[Step::Resolve], 1)?;
        }
        self.unless_expired()?;
        self.await_approval()?;
        self.while_blocked()?;
        Part::Break(vec![Decision::AwaitTurn])
    }

    /// A plan is good when it was made while everything in it was ours alone. What preflight has against a fleet is
    /// judged then too: it may have been another release's doing.
    pub(super) fn prepare(&self) -> Part {
        self.obey_control_commands()?;
        if self.release.digest.is_none() {
            self.must(&[Step::Resolve], 1)?;
        }
        let is_seen = self.release.plan.is_some() || self.release.unfit.is_some();
        if !is_seen && self.release.looks >= limits::LOOKS {
            let failure = Failure::new("the fleet changes faster than it can be locked");
            return self.turn_back(Step::Inspect, failure);
        }
        self.must(&[Step::Inspect], 1)?;
        self.must(&[Step::Lock], 1)?;
        let unfit = self.release.unfit.as_ref().map(|unfit| unfit.failure.clone());
        match (
            unfit.or_else(|| self.release.lacks_approval()),
            &self.release.plan,
        ) {
            (Some(failure), _) => self.turn_back(Step::Inspect, failure),
            // What is in the way of the plan is one of these two (`Release::is_prepared`).
            (None, Some(plan)) => end_untouched(report::there_already(plan)),
            (None, None) => Part::Break(Vec::new()),
        }
    }

    fn unless_expired(&self) -> Part {
        match self.release.request.expires_at {
            Some(expires_at) if expires_at <= self.now => end_untouched(report::expired(self.release)),
            _ => Part::Continue(()),
        }
    }

    /// Nothing is begun that somebody rejected, or that still waits for somebody's approval.
    fn await_approval(&self) -> Part {
        if let Some(rejected) = &self.release.rejected {
            return end_untouched(report::rejected(rejected));
        }
        let Some(awaited) = self.release.awaited_approval() else {
            return Part::Continue(());
        };
        if awaited.until <= self.now {
            return end_untouched(report::not_approved(&awaited));
        }
        let expires = self.release.request.expires_at;
        let until = expires.map_or(awaited.until, |expires| expires.min(awaited.until));
        Part::Break(vec![Decision::WakeAt(until)])
    }

    /// The driver looks again at what blocks a release, because a freeze may end before its time, and windows and freezes go
    /// by the machine's clock, which may be set.
    fn while_blocked(&self) -> Part {
        if self.release.holds.is_empty() {
            return Part::Continue(());
        }
        Part::Break(vec![Decision::WakeAt(after(self.now, limits::HELD_LOOK_MS))])
    }

    /// A person's control commands come before whatever would be begun next.
    pub(super) fn obey_control_commands(&self) -> Part {
        if let Some(cancelled) = &self.release.cancelled {
            return self.turn_back(Step::Order, order::cancelled(cancelled));
        }
        let (Some((paused, _)), Some(until)) = (&self.release.paused, self.release.paused_until()) else {
            return Part::Continue(());
        };
        if until <= self.now {
            return self.turn_back(Step::Order, order::paused_too_long(paused, until));
        }
        self.bring_back_those_out()?;
        Part::Break(vec![Decision::WakeAt(until)])
    }

    /// A host that is out serves nobody: it comes back into service before the roll rests.
    fn bring_back_those_out(&self) -> Part {
        let out: Vec<&HostPlan> = self.members().filter(|host| self.release.is_out(host)).collect();
        if self.release.leased && !out.is_empty() {
            // A worker that took the release up does not know yet whose the fleet is.
            self.must(&[Step::TakeLease], 1)?;
            self.unless_leased_to_another()?;
        }
        self.advance_hosts(out)
    }
}

impl Release {
    /// Whether every host serves these very bytes, and nobody insists: then nothing is touched.
    pub(crate) fn finds_it_there_already(&self, plan: &Plan) -> bool {
        plan.is_there_already() && !self.request.force && !self.changed_anything()
    }
}
