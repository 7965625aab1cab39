//! Steps under way: how each begins, and how it ends.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use drawgate_rollout::{Release, Step, StepOutcome, limits};
use jiff::Timestamp;

use super::{Halt, Sim};
use crate::check::ensure;
use crate::mutant::Mutant;
use crate::oracle;
use crate::world::{Extent, World};

impl Sim {
    /// With the `ActsBeforeTheIntent` mistake, performs a step before its intent is written. Says whether it
    /// did.
    pub(super) fn acts_early(&mut self, step: &Step) -> bool {
        let early = self.mutant == Some(Mutant::ActsBeforeTheIntent) && !step.reads();
        if early {
            self.world
                .perform_unheard(self.machine.release(), step, Extent::Whole);
        }
        early
    }

    /// Checks that a step may begin, and adds it to the flights with the moment of its end.
    pub(super) fn begin(&mut self, step: &Step) -> Result<(), Halt> {
        let deadline = self.machine.intended().map_or(self.now, |(_, deadline)| deadline);
        ensure(deadline > self.now, || format!("{step} has no time at all"))?;
        let of_same_host = |other: &Step| step.instance().is_some() && other.instance() == step.instance();
        let beside = self.flights.iter().find(|(_, other)| of_same_host(other));
        ensure(beside.is_none(), || {
            format!("{step} beside {beside:?} on one host")
        })?;
        self.check_watched(step)?;
        self.check_evidence(step)?;
        self.check_paused(step)?;
        let outlasted = self.world.other.as_ref().is_some_and(|other| other.outlasts > 0);
        self.check_muted(step)?;
        let takes_ms = match step {
            Step::Watch if self.world.firing.is_empty() => limits::WATCH_MS,
            Step::WatchHosts if self.evidence().is_none() => limits::WATCH_MS,
            // Two looks.
            Step::WatchHosts => limits::SICK_AFTER_MS,
            // A later attempt waits for what is left of it.
            Step::Bake => {
                let until = self.release().bakes_until();
                let bake_ms = self.world.definition.alarms.bake_ms;
                let left_ms = until.map_or(bake_ms, |until| limits::between_ms(self.now, until));
                left_ms.max(1_000)
            }
            // This step looks until something changes, or its time is over.
            Step::AwaitFloor => limits::between_ms(self.now, deadline).saturating_sub(1_000),
            // The second attempt waits for the lock as long as it may.
            Step::Lock if outlasted && self.release().begun(step) => limits::LOCK_ATTEMPT_MS,
            _ => self.takes_ms(step),
        };
        self.flights
            .push((limits::after(self.now, takes_ms), step.clone()));
        if *step == Step::WatchHosts {
            self.note_evidence();
        }
        Ok(())
    }

    /// The step under way that ends first, and the moment of its end.
    pub(crate) fn lands_first(&self) -> Option<(usize, Timestamp)> {
        let first = self.flights.iter().enumerate().min_by_key(|(_, (at, _))| *at);
        first.map(|(index, (at, _))| (index, *at))
    }

    /// Ends the step under way with this index as the world has it.
    ///
    /// # Errors
    /// When that breaks a rule, or when the worker was to be killed here.
    pub fn land(&mut self, index: usize) -> Result<(), Halt> {
        self.land_as(index, |world, release, step| world.perform(release, step))
    }

    /// Ends the step under way with the outcome that `perform` gives.
    ///
    /// # Errors
    /// When that breaks a rule, or when the worker was to be killed here.
    pub fn land_as(
        &mut self,
        index: usize,
        perform: impl FnOnce(&mut World, &Release, &Step) -> StepOutcome,
    ) -> Result<(), Halt> {
        let (_, step) = self.flights.remove(index);
        self.waits = None;
        if self.release().plan.is_some() {
            self.world.now = self.now;
        }
        let mut late = self.late.take();
        // After a resume that may come late this step looks once more, and suspends what it finds running.
        if let Some(resume) = late.take_if(|_| matches!(step, Step::SuspendAgain { .. })) {
            self.world.perform_unheard(&resume.0, &resume.1, Extent::Whole);
        }
        if self.previous.is_some() && !step.reads() {
            self.previous = Some(Arc::new(self.world.clone()));
        }
        let mut outcome = perform(&mut self.world, self.machine.release(), &step);
        if let Some(late) = late {
            self.world.perform_unheard(&late.0, &late.1, Extent::Whole);
        }
        if let Some(previous) = self.previous.as_ref().filter(|_| !step.reads()) {
            self.world.remember(previous);
        }
        if let (Some(Mutant::TakesUnknownForFailed), StepOutcome::Unknown { failure }) =
            (self.mutant, &outcome)
        {
            outcome = StepOutcome::Refused {
                failure: failure.clone(),
            };
        }
        if step == Step::Inspect {
            self.mark_plan(&outcome);
        }
        self.wake_watch();
        if step == Step::WatchHosts && !matches!(outcome, StepOutcome::Refused { .. }) {
            // It was broken off, and looks twice again.
            self.evidence_since = None;
        }
        self.note_evidence();
        self.check_bystanders(&step, &outcome)?;
        oracle::always(&self.before, &mut self.world, self.machine.release())?;
        self.machine.finished(step, outcome);
        self.write_what_is_known()
    }

    fn mark_plan(&mut self, outcome: &StepOutcome) {
        let mut hasher = DefaultHasher::new();
        format!("{outcome:?}").hash(&mut hasher);
        self.plan_mark = hasher.finish();
    }

    /// Brings the end of a watch under way forward to its next look when an alarm fires.
    fn wake_watch(&mut self) {
        let next_look = limits::after(self.now, self.world.definition.alarms.watch_interval_ms);
        for (ends, step) in &mut self.flights {
            if *step == Step::Watch && !self.world.firing.is_empty() {
                *ends = next_look.min(*ends);
            }
        }
    }

    /// Brings the end of a watch over hosts under way forward to its second look at a host that speaks against the
    /// version, and notes since when there is such a host.
    fn note_evidence(&mut self) {
        let instance = self.evidence().map(str::to_owned);
        let known = self.evidence_since.take();
        self.evidence_since = known.filter(|(known, _)| Some(known) == instance.as_ref());
        let watches = self.flights.iter().any(|(_, step)| *step == Step::WatchHosts);
        let (Some(instance), true) = (instance, watches) else {
            return;
        };
        let (_, since) = self.evidence_since.get_or_insert((instance, self.now));
        let second_look = limits::after(*since, limits::SICK_AFTER_MS).max(self.now);
        for (ends, step) in &mut self.flights {
            if *step == Step::WatchHosts {
                *ends = second_look.min(*ends);
            }
        }
    }
}
