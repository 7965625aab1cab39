//! Two services that share an alarm, each released on a fleet of its own by one worker, in virtual time.
//!
//! ```text
//!   first:    accepted ---- silences ------------------- unsilences -- ended
//!   second:        `-gap-> accepted ---- silences ------------------- unsilences -- ended
//! ```
//! Whenever a step of one has ended, the other finds the alarm as that step left it. The search goes through gaps
//! that bring the four moments into every order.

pub mod explore;

use drawgate_rollout::{Phase, Record, Step, limits};
use drawgate_schemas::Direction;
use jiff::Timestamp;

use crate::mutant::Mutant;
use crate::sim::{Halt, Polled, Sim};
use crate::time::start;
use crate::world::{Extent, Fault, World, id, request};

/// Two releases that share an alarm.
#[derive(Clone)]
pub struct Pair {
    pub(super) sims: [Sim; 2],
    now: Timestamp,
}

/// Which two releases there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    /// Time from the acceptance of the first to that of the second.
    pub gap_ms: u64,
    /// The release whose version does not pass its verification, if one does not.
    pub fails: Option<usize>,
}

/// A place where an interleaving may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// An entry was written.
    Recorded,
    /// This step (second number) of this release (first number) is about to end.
    Lands(usize, usize),
    /// Both releases have ended.
    Ended,
}

/// What comes next of the two releases.
enum Next {
    /// A release is accepted, or goes on at once.
    Begins,
    /// This release wakes by itself.
    Wakes(usize),
    /// This step (second number) of this release (first number) is about to end.
    Lands(usize, usize),
}

impl Pair {
    pub(super) fn new(scenario: Scenario, mutant: Option<Mutant>) -> Self {
        let second_at = limits::after(start(), scenario.gap_ms);
        let sim = |n: usize, at: Timestamp| {
            let mut world = World::new(1, 1).by_people();
            world.shares_alarms = true;
            let mut request = request();
            request.id = format!("0190f6f0-0000-7000-8000-0000000000{:02}", n + 1)
                .parse()
                .unwrap();
            world.request = request.clone();
            if scenario.fails == Some(n) {
                let verify = Step::on_host(&id(1), Direction::Forward, Phase::Verify);
                world.faults.push((verify, Fault::FailsVerification, usize::MAX));
            }
            let accepted = Record::Accepted {
                request: Box::new(request),
                ahead: 0,
                publisher: None,
                approval: None,
            };
            let mut sim = Sim::accepted_at(at, world, accepted);
            sim.forgets(mutant);
            sim
        };
        Self {
            sims: [sim(0, start()), sim(1, second_at)],
            now: start(),
        }
    }

    /// Goes on to the next place where an interleaving may come.
    pub(super) fn go(&mut self) -> Result<Place, Halt> {
        loop {
            let mut moments = Vec::new();
            for n in 0..self.sims.len() {
                let sim = &mut self.sims[n];
                if sim.now > self.now {
                    moments.push((sim.now, Next::Begins));
                    continue;
                }
                sim.now = self.now;
                match sim.poll()? {
                    Polled::Recorded => return Ok(Place::Recorded),
                    Polled::Ended => {}
                    Polled::Looks => {
                        sim.look_at_queue();
                        moments.push((self.now, Next::Begins));
                    }
                    Polled::LooksAt(_) => return Err(Halt::Broken("looks at a stranger".to_owned())),
                    Polled::Waits(waits) => {
                        let lands = sim.lands_first();
                        moments.extend(lands.map(|(index, at)| (at, Next::Lands(n, index))));
                        moments.extend(sim.wakes_at(waits).map(|at| (at, Next::Wakes(n))));
                    }
                }
            }
            // Of several moments at once the first in the list: a step ends before its release wakes.
            let Some((at, next)) = moments.into_iter().min_by_key(|(at, _)| *at) else {
                return Ok(Place::Ended);
            };
            self.now = self.now.max(at);
            match next {
                Next::Begins => {}
                Next::Wakes(n) => self.sims[n].sleep(self.now)?,
                Next::Lands(n, index) => {
                    self.sims[n].now = self.now;
                    return Ok(Place::Lands(n, index));
                }
            }
        }
    }

    pub(super) fn land(&mut self, n: usize, index: usize) -> Result<(), Halt> {
        self.sims[n].land(index)?;
        self.share(n);
        Ok(())
    }

    /// Kills the worker, which drives both releases, while the steps under way have come so far.
    pub(super) fn crash(&mut self, extent: Extent, away_ms: u64) -> Result<(), Halt> {
        for n in 0..self.sims.len() {
            let sim = &mut self.sims[n];
            if sim.now > self.now || sim.release().ended.is_some() {
                continue;
            }
            let steps = sim.flights.iter().map(|(_, step)| sim.world.extents(step));
            let extents: Vec<Extent> = steps
                .map(|possible| match possible.contains(&extent) {
                    true => extent,
                    false => Extent::None,
                })
                .collect();
            sim.crash(&extents, away_ms)?;
            self.share(n);
        }
        self.now = limits::after(self.now, away_ms);
        Ok(())
    }

    /// Shows the other release the alarms as this one has left them. An alarm that is on is silenced by nobody,
    /// whoever has tagged it.
    pub(super) fn share(&mut self, n: usize) {
        let [first, second] = &mut self.sims;
        let (own, other) = if n == 0 { (first, second) } else { (second, first) };
        let previous = other.world.clone();
        other.world.alarms.clone_from(&own.world.alarms);
        let mut held = own.world.alarm_tags.clone();
        held.retain(|alarm| own.world.alarms.get(alarm) == Some(&false));
        other.world.alarms_of_others = held;
        other.world.remember_alarms(&previous);
    }
}
