//! The hosts that are watched after their own turn, until the end of the bake (`evidence.rs` judges them).

use drawgate_schemas::Direction;
use jiff::Timestamp;

use super::evidence::Runs;
use super::fold::Release;
use crate::fleet::{HostPlan, ON_BASTION};
use crate::journal::{Phase, Step};
use crate::limits::between_ms;

/// How much later than in its swap a container has to have started for the start to be another one: the two clocks
/// may run apart a little, and no instance reboots within a minute of its swap.
const STARTED_ANEW_MS: u64 = 60_000;

impl Release {
    /// The hosts that are watched: those that run the new version and whose turn is over. A host that booted the
    /// new version by itself is among them.
    pub fn watched_hosts(&self) -> impl Iterator<Item = &HostPlan> {
        let all = self.may_watch_hosts().then(|| self.everyone());
        let all = all.into_iter().flatten();
        all.filter(|host| host.instance != ON_BASTION && self.runs(host) == Runs::New)
    }

    /// Whether there is such a host.
    pub(crate) fn watches_any_host(&self) -> bool {
        let mut booted = self.up_to_date.iter();
        self.may_watch_hosts() && (self.turns().on_new > 0 || booted.any(|host| self.runs(host) == Runs::New))
    }

    fn may_watch_hosts(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| {
            let definition = &plan.definition;
            definition.roll.watch_hosts && !definition.runs_on_bastion()
        })
    }

    /// Which version a host runs, as the journal tells it.
    pub fn runs(&self, host: &HostPlan) -> Runs {
        let instance = &host.instance;
        if self.gone.contains(instance) || self.to_retry.contains_key(instance) || self.is_out(host) {
            return Runs::InItsTurn;
        }
        let booted = || self.up_to_date.iter().any(|other| other.instance == *instance);
        match self.is_through(instance, Direction::Forward) || booted() {
            true => Runs::New,
            false => Runs::Previous,
        }
    }

    /// How often the engine had restarted a watched host's container when the host's turn ended: never, because
    /// verification and the wait for health refuse a container that restarts. One that booted by itself keeps the
    /// count with which it was found.
    pub fn restarts_at_turn_end(&self, instance: &str) -> u64 {
        let booted = self.up_to_date.iter().find(|host| host.instance == instance);
        let before = booted.and_then(|host| host.before.as_ref());
        before.map_or(0, |before| before.restarts)
    }

    /// Whether something else has started a host's container since its swap: a person, a reboot, the engine's own
    /// restart. Both moments are by the host's clock and are compared with the time that the release took from the
    /// one to the other, because the worker's clock may differ. Not known of a host that booted by itself, or that
    /// was tried twice.
    pub fn was_started_by_others(&self, instance: &str, created: Timestamp, started: Timestamp) -> bool {
        let of = |phase| {
            self.steps
                .get(&Step::on_host(instance, Direction::Forward, phase))
        };
        match (of(Phase::Create), of(Phase::Swap)) {
            (Some(create), Some(swap)) if !self.retried.contains(instance) => {
                let took_ms = between_ms(create.begun_at, swap.last_at);
                between_ms(created, started) > took_ms + STARTED_ANEW_MS
            }
            _ => false,
        }
    }
}
