//! The worker's lane and its drivers, in virtual time.

use drawgate_rollout::limits::after;
use drawgate_rollout::{Entry, Record, Waits};
use jiff::Timestamp;

use super::members::{Lane, Member};
use super::oracle;
use super::scenario::{Asked, Scenario};
use crate::mutant::Mutant;
use crate::sim::{Halt, Polled, Sim};
use crate::time::start;
use crate::world::Extent;

/// A place where an interleaving may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// An entry of this release was written.
    Recorded(usize),
    /// This step (second number) of this release (first number) is about to end.
    Lands(usize, usize),
    /// Nothing happens before this release wakes at that moment.
    Sleeps(usize, Timestamp),
    /// All releases have ended.
    Ended,
}

/// What a polled release does next.
enum Waited {
    For(Waits),
    Ended,
}

impl Lane {
    /// The lane of a scenario, with its first releases accepted.
    pub fn new(scenario: &Scenario, mutant: Option<Mutant>) -> Self {
        let mut lane = Self {
            members: Vec::new(),
            to_come: None,
            freezes: Vec::new(),
            now: start(),
            supersede: scenario.supersede,
            mutant,
        };
        lane.accept(scenario.first);
        match scenario.comes_late {
            true => lane.to_come = Some(scenario.second),
            false => lane.accept(scenario.second),
        }
        lane
    }

    /// Accepts a release.
    pub(super) fn accept(&mut self, asked: Asked) {
        let (world, record) = asked.accepted(self.members.len());
        let mut sim = Sim::accepted_at(self.now, world, record);
        sim.plant(self.mutant);
        self.members.push(Member {
            sim,
            asked,
            ready: false,
        });
        self.queue_changed();
    }

    /// Goes on to the next place where an interleaving may come.
    ///
    /// # Errors
    /// When a rule is broken.
    pub fn go(&mut self) -> Result<Place, Halt> {
        loop {
            let mut moments = Vec::new();
            let mut ready = None;
            for n in 0..self.members.len() {
                let Some(waits) = self.poll(n)? else {
                    return self.recorded(n).map(|()| Place::Recorded(n));
                };
                let Waited::For(waits) = waits else { continue };
                if !std::mem::replace(&mut self.members[n].ready, waits.ready) && waits.ready {
                    ready = Some(n);
                }
                let sim = &self.members[n].sim;
                moments.extend(sim.lands_first().map(|(index, at)| (at, Place::Lands(n, index))));
                moments.extend(sim.wakes_at(waits).map(|at| (at, Place::Sleeps(n, at))));
            }
            if let Some(n) = ready {
                self.queue_changed_but_for(n);
                continue;
            }
            // Of several places at one moment the first in the list: a release's step ends before the release
            // wakes.
            return match moments.into_iter().min_by_key(|(at, _)| *at) {
                Some((at, place)) => {
                    if let Place::Lands(..) = place {
                        self.now = self.now.max(at);
                    }
                    Ok(place)
                }
                None if self.members.iter().any(Member::is_open) => {
                    Err(Halt::Broken("the queue waits for nothing".to_owned()))
                }
                None => Ok(Place::Ended),
            };
        }
    }

    /// Polls this release until it waits or has ended. `None` when it wrote an entry.
    fn poll(&mut self, n: usize) -> Result<Option<Waited>, Halt> {
        self.members[n].sim.now = self.now;
        loop {
            match self.members[n].sim.poll()? {
                Polled::Recorded => return Ok(None),
                Polled::Waits(waits) => return Ok(Some(Waited::For(waits))),
                Polled::Ended => return Ok(Some(Waited::Ended)),
                Polled::Looks => {
                    let view = self.view(n);
                    self.members[n].sim.machine.queue_is(Some(view));
                }
                Polled::LooksAt(id) => {
                    let rival = self.rival(id);
                    let rival = rival.ok_or_else(|| "looks at nobody".to_owned())?;
                    self.members[n].sim.machine.rival_is(id, rival);
                }
            }
        }
    }

    /// Ends this step as the world has it.
    pub(super) fn land(&mut self, n: usize, index: usize) -> Result<(), Halt> {
        self.members[n].sim.now = self.now;
        self.members[n].sim.land(index)?;
        self.recorded(n)
    }

    /// Lets time pass until this release wakes.
    pub(super) fn sleep(&mut self, n: usize, until: Timestamp) -> Result<(), Halt> {
        self.now = self.now.max(until);
        self.members[n].sim.sleep(until)?;
        self.recorded(n)
    }

    /// Kills the worker; another process takes over the open releases.
    pub(super) fn crash(&mut self, away_ms: u64, extent: Extent) -> Result<(), Halt> {
        for member in &mut self.members {
            if member.is_open() {
                let possible = |step| {
                    let extents = member.sim.world.extents(step);
                    extents.contains(&extent).then_some(extent)
                };
                let extents = member.sim.flights.iter().map(|(_, step)| possible(step));
                let extents: Vec<_> = extents.map(|extent| extent.unwrap_or(Extent::None)).collect();
                member.sim.now = self.now;
                member.sim.crash(&extents, away_ms)?;
            }
            member.ready = false;
        }
        self.now = after(self.now, away_ms);
        self.queue_changed();
        Ok(())
    }

    pub(super) fn recorded(&mut self, n: usize) -> Result<(), Halt> {
        oracle::one_at_a_time(self)?;
        oracle::after_entry(self, n)?;
        if self.members[n].sim.journal.last().is_some_and(changes_queue) {
            self.queue_changed_but_for(n);
        }
        Ok(())
    }

    fn queue_changed(&mut self) {
        self.queue_changed_but_for(usize::MAX);
    }

    fn queue_changed_but_for(&mut self, own: usize) {
        for (n, member) in self.members.iter_mut().enumerate() {
            if n != own && member.is_open() && member.release().is_queued() {
                member.sim.wake();
            }
        }
    }
}

fn changes_queue(entry: &Entry) -> bool {
    matches!(entry.record, Record::Started | Record::Ended { .. })
}
