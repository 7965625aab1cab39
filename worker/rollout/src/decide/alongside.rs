//! What runs alongside the steps of a roll: the watch over alarms, from the first touch until the roll
//! forward has ended; the watch over hosts, from the end of the first host's turn; and the renewal of mute rules
//! (`mute.rs`).
//!
//! ```text
//!   forward:   images | scaling  alarms  hosts …  joined  bake |
//!   alarms:           |=====quiet=|=====quiet=|====stopped=====|
//!   hosts:                           |===well====|==stopped====|
//! ```
//!
//! A watch is one step that lasts for minutes; it begins anew while nothing is seen. It only reads, so it can
//! be stopped at any moment: the core then records its outcome itself, and the driver drops the performance.

use super::decision::Decision;
use super::{Agenda, Part};
use crate::failure::Failure;
use crate::journal::{Evidence, OnRollback, Record, Step, StepOutcome};
use crate::limits::after;
use crate::release::StepStatus;
use crate::release::patience;

impl Agenda<'_> {
    /// Adds to these decisions what runs alongside them. The watch comes first, so that nothing is touched
    /// unwatched.
    pub(super) fn with_what_goes_alongside(&self, decisions: Vec<Decision>) -> Vec<Decision> {
        let records = |decision: &Decision| matches!(decision, Decision::Append(_));
        // A record changes the release: the next `decide` says what runs alongside.
        let mut all = match decisions.iter().any(records) {
            true => Vec::new(),
            false => self.alongside(&decisions),
        };
        let blind = self.is_blind();
        all.extend(decisions.into_iter().filter(|next| !(blind && needs_sight(next))));
        all
    }

    fn alongside(&self, decisions: &[Decision]) -> Vec<Decision> {
        let mut all: Vec<Decision> = self.renewal(decisions).into_iter().collect();
        let touched = self.release.changed_anything() || decisions.iter().any(touches);
        let watched = self
            .release
            .plan
            .as_ref()
            .is_some_and(|plan| !plan.watched.is_empty());
        if touched && self.release.leads_forward() && !decisions.iter().any(closes) {
            let alarms = watched.then_some(Step::Watch);
            let hosts = self.release.watches_any_host().then_some(Step::WatchHosts);
            all.extend(
                alarms
                    .into_iter()
                    .chain(hosts)
                    .filter_map(|step| self.watch(step)),
            );
        }
        all
    }

    /// Whether the watch broke off and may not begin again yet: until then the roll forward touches nothing
    /// new.
    fn is_blind(&self) -> bool {
        let broken_off = matches!(self.step_status(&Step::Watch), StepStatus::Again { at } if at > self.now);
        broken_off && self.release.leads_forward()
    }

    fn watch(&self, step: Step) -> Option<Decision> {
        match self.step_status(&step) {
            StepStatus::Running | StepStatus::Failed(_) => None,
            StepStatus::Again { at } if at > self.now => Some(Decision::WakeAt(at)),
            StepStatus::Fresh | StepStatus::Done | StepStatus::Again { .. } => Some(Decision::Perform {
                // Past max_roll the watch goes on, because what is under way then still has to be watched.
                deadline: after(self.now, patience::attempt_ms(&step, self.release)),
                step,
            }),
        }
    }

    /// Records the end of a step under way that is no longer needed (`OnRollback`): the watches, when the roll
    /// forward has ended; during rollback also the waits that only read; and, where a watch caused the rollback,
    /// the waits for the load balancer.
    pub(super) fn stop_what_nobody_needs(&self) -> Part {
        let mut open = self.release.steps.under_way();
        let stopped = open.find_map(|step| Some((step.clone(), self.stopped(step)?)));
        match stopped {
            Some((step, outcome)) => Part::Break(vec![Decision::Append(Record::Outcome { step, outcome })]),
            None => Part::Continue(()),
        }
    }

    fn stopped(&self, step: &Step) -> Option<StepOutcome> {
        let read = || StepOutcome::Done {
            evidence: Evidence::Stopped,
        };
        // The step's last call may still be on its way, as when a worker stops: its outcome is unknown.
        let unknown = || StepOutcome::Unknown {
            failure: Failure::new("stopped: the roll rolls back"),
        };
        let cause = self.release.rolling_back.as_ref();
        match step.properties().on_rollback {
            OnRollback::Finish => None,
            OnRollback::StopAlways => Some(read()),
            OnRollback::Stop => cause.map(|_| read()),
            OnRollback::Drop => cause.map(|_| unknown()),
            OnRollback::DropForAlarm => cause.filter(|cause| cause.step.watches()).map(|_| unknown()),
        }
    }
}

/// Whether a decision changes something of the fleet.
pub(super) fn touches(decision: &Decision) -> bool {
    matches!(decision, Decision::Perform { step, .. } if !step.reads())
}

fn closes(decision: &Decision) -> bool {
    matches!(decision, Decision::Perform { step, .. } if step.closes())
}

/// Whether a decision waits while no watch reads the alarms. Restoring does not wait, because the bake had
/// the last look.
fn needs_sight(decision: &Decision) -> bool {
    touches(decision) && !closes(decision)
}
