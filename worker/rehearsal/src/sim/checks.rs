//! Rules of a roll, checked while it goes on and at its end, beside those that the oracle checks on the
//! fleet.

use drawgate_rollout::{Entry, Obstacle, Phase, Record, Step, StepOutcome, StepStatus, limits};
use drawgate_schemas::{Direction, Event};

use super::Sim;
use crate::check::ensure;
use crate::oracle;
use crate::world::Host;

/// After so many entries a roll is said to go round in circles, whatever its fleet: a calm roll writes 20
/// entries, and some more that grow with its time.
const ENTRIES: u64 = 3_000;
/// Additional entries for each host: 20 to roll it forward, 18 to roll it back, and as many again for steps
/// that are tried twice.
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

    /// Checks that a paused release begins only steps that bring hosts which are out back into service.
    pub(super) fn check_paused(&self, step: &Step) -> Result<(), String> {
        if self.release().paused.is_none() || step.watches() || matches!(step, Step::Renew | Step::TakeLease)
        {
            return Ok(());
        }
        let host = step.instance().and_then(|instance| self.release().host(instance));
        let out = host.is_some_and(|host| self.release().is_out(host));
        let comes_back = out && matches!(step, Step::Host { .. });
        ensure(comes_back, || format!("{step} begins while it is paused"))
    }

    /// Checks that nothing is touched on the way forward while the alarms are not watched.
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
        self.check_hosts_watched(step)
    }

    /// Checks the same of the hosts that are through: the watch over them is under way, or broken off for a moment.
    fn check_hosts_watched(&self, step: &Step) -> Result<(), String> {
        let release = self.release();
        let touches = release.leads_forward() && !step.reads() && !step.restores();
        let mut through = self.through.iter();
        let there = |instance: &String| !release.gone.contains(instance);
        if !self.world.definition.roll.watch_hosts || !touches || !through.any(there) {
            return Ok(());
        }
        let watches = self.flights.iter().any(|(_, other)| *other == Step::WatchHosts);
        let broken_off = matches!(
            release.step_status(&Step::WatchHosts, self.now),
            StepStatus::Again { .. }
        );
        ensure(watches || broken_off, || {
            format!("{step} begins while no host is watched")
        })
    }

    /// The first host that speaks against the version, as the world has it: the release does not work on it, and has
    /// brought the new version into service there.
    pub(super) fn evidence(&self) -> Option<&str> {
        let release = self.release();
        if !self.world.definition.roll.watch_hosts || !release.leads_forward() {
            return None;
        }
        let through = |instance: &str| {
            let booted = release.up_to_date.iter().any(|host| host.instance == instance);
            booted || release.is_through(instance, Direction::Forward)
        };
        self.world
            .against_new()
            .into_iter()
            .find(|instance| through(instance))
    }

    /// Checks that nothing is begun on the way forward, and nothing restored, once a host has spoken against the
    /// version for as long as the watch needs to see it twice.
    pub(super) fn check_evidence(&self, step: &Step) -> Result<(), String> {
        let Some((instance, since)) = &self.evidence_since else {
            return Ok(());
        };
        let forward = self.release().leads_forward() && !step.reads();
        let seen = limits::after(*since, limits::SICK_AFTER_MS) < self.now;
        ensure(!(forward && seen), || {
            format!("{step} begins although {instance} speaks against the version since {since}")
        })
    }

    /// Checks that the watch over hosts, or the look at the end of the bake, names a host that really speaks against
    /// the version, and no bystander.
    pub(super) fn check_bystanders(&self, step: &Step, outcome: &StepOutcome) -> Result<(), String> {
        let obstacle = outcome.failure().and_then(|failure| failure.obstacle.as_deref());
        let Some(Obstacle::AgainstVersion { instance }) = obstacle else {
            return Ok(());
        };
        let host = self.world.hosts.get(instance);
        ensure(host.is_some_and(Host::speaks_against_new), || {
            format!("{step} takes {instance} for evidence, which is {host:?}")
        })
    }

    /// Checks that no host is worked on while alarms that the plan mutes may act.
    pub(super) fn check_muted(&self, step: &Step) -> Result<(), String> {
        let mutes = self.release().plan.as_ref().is_some_and(|plan| plan.mutes());
        if let (Step::Host { phase, .. }, true) = (step, mutes && self.world.faults.is_empty()) {
            let begun = self.world.aws.mutes_from.is_none_or(|from| from <= self.now);
            let muted = begun && self.world.muted_until.is_some_and(|until| until > self.now);
            ensure(muted || *phase == Phase::Create, || {
                format!("{step} begins with alarms unmuted")
            })?;
        }
        Ok(())
    }

    /// Checks the rules that hold at the end.
    ///
    /// # Errors
    /// The rule that does not hold.
    pub fn check_end(&self) -> Result<(), String> {
        oracle::at_end(&self.before, &self.world, self.machine.release())?;
        if let Some(plan) = &self.release().plan {
            self.world.check_tally(&self.before, plan)?;
        }
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
