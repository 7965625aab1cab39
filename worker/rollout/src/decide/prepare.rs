//! Preparing: the plan is made, and everything in it is locked, before anything is touched. And the control
//! commands that operators gave.

use super::decision::Decision;
use super::{Agenda, Part, end_untouched};
use crate::failure::Failure;
use crate::fleet::Plan;
use crate::journal::Step;
use crate::limits;
use crate::release::Release;
use crate::release::control;
use crate::report;

impl Agenda<'_> {
    /// A plan is good when everything in it was locked for this release alone while it was made. Preflight's
    /// refusal counts only then too, because another release may have caused what preflight saw.
    pub(super) fn prepare(&self) -> Part {
        self.obey_control_commands()?;
        self.wait_for_hosts()?;
        if self.release.digest.is_none() {
            self.must(&[Step::Resolve], 1)?;
        }
        let is_seen = self.release.plan.is_some() || self.release.not_ready.is_some();
        if !is_seen && self.release.looks >= limits::LOOKS {
            let failure = Failure::new("the fleet changes faster than it can be locked");
            return self.begin_rollback(Step::Inspect, failure);
        }
        self.must(&[Step::Inspect], 1)?;
        self.must(&[Step::Lock], 1)?;
        let refused = self.release.refused_by_preflight();
        match (
            refused.or_else(|| self.release.lacks_approval()),
            &self.release.plan,
        ) {
            (Some(failure), _) => self.begin_rollback(Step::Inspect, failure),
            // With a plan and no failure, only a fleet that runs the version already ends up here
            // (`Release::is_prepared`).
            (None, Some(plan)) => end_untouched(report::there_already(plan)),
            (None, None) => Part::Break(Vec::new()),
        }
    }

    /// Waits for hosts on their way in or out before the fleet is inspected again. Nothing is under way
    /// meanwhile, so that a cancelled release ends at once.
    fn wait_for_hosts(&self) -> Part {
        let begun = self.release.begun(&Step::Inspect);
        match self
            .release
            .inspects_again_at()
            .filter(|at| *at > self.now && !begun)
        {
            Some(at) => Part::Break(vec![Decision::WakeAt(at)]),
            None => Part::Continue(()),
        }
    }

    /// Obeys an operator's control commands before anything else is begun.
    pub(super) fn obey_control_commands(&self) -> Part {
        if let Some(cancelled) = &self.release.cancelled {
            return self.begin_rollback(Step::Control, control::cancelled(cancelled));
        }
        let (Some((paused, _)), Some(until)) = (&self.release.paused, self.release.paused_until()) else {
            return Part::Continue(());
        };
        if until <= self.now {
            return self.begin_rollback(Step::Control, control::paused_too_long(paused, until));
        }
        self.bring_back_those_out()?;
        Part::Break(vec![Decision::WakeAt(until)])
    }

    /// Brings hosts that are out back into service before a paused roll rests, because a host that is out
    /// serves nobody.
    fn bring_back_those_out(&self) -> Part {
        let out: Vec<_> = self.release.hosts_out().collect();
        if self.release.leased && !out.is_empty() {
            // A worker that took the release over does not know yet whether it still has the fleet.
            self.must(&[Step::TakeLease], 1)?;
            self.unless_leased_to_another()?;
        }
        self.advance_hosts(out)
    }
}

impl Release {
    /// Whether every host serves these very bytes and the request does not force a roll: then nothing is
    /// touched.
    pub(crate) fn finds_it_there_already(&self, plan: &Plan) -> bool {
        plan.is_there_already() && !self.request.force && !self.changed_anything()
    }
}
