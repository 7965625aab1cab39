//! What must hold of a roll while it goes on and at its end, beside what the oracle sees of the fleet.

use drawgate_rollout::{Entry, Phase, Record, Step};
use drawgate_schemas::Event;

use super::Sim;
use crate::check::ensure;
use crate::oracle;

/// Entries after which a roll goes round in circles, whatever its fleet: a calm one writes 20 and some that grow with its time.
const ENTRIES: u64 = 3_000;
/// More of them for each host: 20 of its way forward, 18 of its rollback, and as many again for what is tried twice.
const ENTRIES_PER_HOST: u64 = 100;

impl Sim {
    pub(super) fn check_circles(&self) -> Result<(), String> {
        let hosts = self.world.hosts.len();
        let most = ENTRIES + ENTRIES_PER_HOST * hosts as u64;
        ensure(self.release().last_entry < most, || {
            let last = self.journal.last();
            format!("goes round in circles: {most} entries for a fleet of {hosts}, the last of them {last:?}")
        })
    }

    /// While it is paused nothing is begun but what brings hosts back into service that are out.
    pub(super) fn check_paused(&self, step: &Step) -> Result<(), String> {
        if self.release().paused.is_none() || matches!(step, Step::Watch | Step::Renew | Step::TakeLease) {
            return Ok(());
        }
        let host = step.instance().and_then(|instance| self.release().host(instance));
        let out = host.is_some_and(|host| self.release().is_out(host));
        let comes_back = out && matches!(step, Step::Host { .. });
        ensure(comes_back, || format!("{step} begins while it is paused"))
    }

    /// Nothing is touched on the way forward while nobody watches.
    pub(super) fn check_watched(&self, step: &Step) -> Result<(), String> {
        let watched = self
            .release()
            .plan
            .as_ref()
            .is_some_and(|plan| !plan.watched.is_empty());
        if watched && self.release().leads_forward() && !step.reads() && !step.restores() {
            let watches = self.flights.iter().any(|(_, other)| *other == Step::Watch);
            ensure(watches, || format!("{step} begins unwatched"))?;
        }
        Ok(())
    }

    /// No host is worked on while alarms may act that were to be muted.
    pub(super) fn check_muted(&self, step: &Step) -> Result<(), String> {
        let mutes = self.release().plan.as_ref().is_some_and(|plan| plan.mutes());
        if let (Step::Host { phase, .. }, true) = (step, mutes && self.world.faults.is_empty()) {
            let muted = self.world.muted_until.is_some_and(|until| until > self.now);
            ensure(muted || *phase == Phase::Create, || {
                format!("{step} begins with alarms unmuted")
            })?;
        }
        Ok(())
    }

    /// What must hold at the end.
    ///
    /// # Errors
    /// What does not.
    pub fn check_end(&self) -> Result<(), String> {
        oracle::at_end(&self.before, &self.world, self.machine.release())?;
        let mut steps = self.release().steps.iter();
        let open = steps.find(|(_, state)| state.last.is_none());
        ensure(open.is_none(), || format!("ended while {open:?} was under way"))?;
        ensure(self.told == self.numbered, || {
            "events are numbered with a gap, or told twice".to_owned()
        })?;
        ensure(self.told_the_end == 1, || {
            format!("said {} times that it ended", self.told_the_end)
        })?;
        if !self.keeps {
            return Ok(());
        }
        let numbered = self.journal.iter().zip(1..).all(|(entry, n)| entry.n == n);
        ensure(numbered, || "entries are numbered with a gap".to_owned())?;
        let is_end = |entry: &&Entry| matches!(entry.record, Record::Ended { .. });
        let ends = self.journal.iter().filter(is_end).count();
        ensure(ends == 1, || format!("ended {ends} times"))?;
        let last = matches!(self.events.last(), Some(Event::Ended(_)));
        ensure(last, || "says more after the end".to_owned())
    }
}
