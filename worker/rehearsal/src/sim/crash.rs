//! The death of the worker, and the next one that takes the release over.

use drawgate_rollout::{Machine, Release, StepOutcome, limits};

use super::{Halt, Sim};
use crate::mutant::Mutant;
use crate::oracle;
use crate::world::Extent;

impl Sim {
    /// The worker dies, each step under way having come as far as is said; another one comes later.
    ///
    /// # Panics
    /// When something is broken by it.
    pub fn die(&mut self, extents: &[Extent], away_ms: u64) {
        assert_eq!(extents.len(), self.flights.len());
        self.crash(extents, away_ms).unwrap();
        let folded = Release::fold(&self.journal).unwrap();
        assert_eq!(&folded, self.release(), "the fold is another release");
    }

    /// The same.
    ///
    /// # Errors
    /// When something is broken by it.
    pub fn crash(&mut self, extents: &[Extent], away_ms: u64) -> Result<(), Halt> {
        self.world.now = self.now;
        for ((_, step), extent) in std::mem::take(&mut self.flights).iter().zip(extents) {
            self.world.perform_unheard(self.machine.release(), step, *extent);
            oracle::always(&self.before, &self.world, self.machine.release())?;
        }
        if let Some(late) = self.late.take() {
            // What AWS had received is done by then.
            self.world.perform_unheard(&late.0, &late.1, Extent::Whole);
            oracle::always(&self.before, &self.world, self.machine.release())?;
        }
        self.now = limits::after(self.now, away_ms);
        self.kill_at = None;
        self.world.noted = None;
        (self.waits, self.acted) = (None, None);
        self.take_over()?;
        if self.mutant == Some(Mutant::TakesOpenForDone) {
            let open = self.machine.release_mut().steps.values_mut();
            for state in open.filter(|state| matches!(state.last, Some(StepOutcome::Unknown { .. }))) {
                state.last = Some(StepOutcome::done());
            }
        }
        Ok(())
    }

    pub(super) fn take_over(&mut self) -> Result<(), Halt> {
        self.machine = Machine::new(self.machine.release().clone());
        self.write_what_is_known()
    }
}
