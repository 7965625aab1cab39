//! The death of the worker, and the takeover by the next one.

use drawgate_rollout::{Machine, Release, Step, StepOutcome, StepState, limits};

use super::{Halt, Sim};
use crate::mutant::Mutant;
use crate::oracle;
use crate::world::Extent;

impl Sim {
    /// Kills the worker while each step under way has come as far as `extents` say; another worker comes
    /// after `away_ms`.
    ///
    /// # Panics
    /// When that breaks a rule.
    pub fn die(&mut self, extents: &[Extent], away_ms: u64) {
        assert_eq!(extents.len(), self.flights.len());
        self.crash(extents, away_ms).unwrap();
        let folded = Release::fold(&self.journal).unwrap();
        assert_eq!(&folded, self.release(), "the fold is another release");
    }

    /// Does the same, without checking the fold of the journal.
    ///
    /// # Errors
    /// When that breaks a rule.
    pub fn crash(&mut self, extents: &[Extent], away_ms: u64) -> Result<(), Halt> {
        self.world.now = self.now;
        for ((_, step), extent) in std::mem::take(&mut self.flights).iter().zip(extents) {
            self.world.perform_unheard(self.machine.release(), step, *extent);
            oracle::always(&self.before, &mut self.world, self.machine.release())?;
        }
        if let Some(late) = self.late.take() {
            // A call that AWS had received before the crash is done by then.
            self.world.perform_unheard(&late.0, &late.1, Extent::Whole);
            oracle::always(&self.before, &mut self.world, self.machine.release())?;
        }
        self.now = limits::after(self.now, away_ms);
        self.world.answers_agree();
        self.kill_at = None;
        self.world.noted = None;
        (self.waits, self.acted, self.evidence_since) = (None, None, None);
        self.take_over()?;
        if self.mutant == Some(Mutant::TakesOpenForDone) {
            let takes_for_done = |_: &Step, state: &mut StepState| {
                if matches!(state.last, Some(StepOutcome::Unknown { .. })) {
                    state.last = Some(StepOutcome::done());
                }
            };
            let release = self.machine.release_mut();
            release.change_steps(|steps| steps.change_all(takes_for_done));
        }
        Ok(())
    }

    pub(super) fn take_over(&mut self) -> Result<(), Halt> {
        self.machine = Machine::new(self.machine.release().clone());
        self.write_what_is_known()
    }
}
