//! Two releases of one target, and the queue that they wait in: what the worker's lane and its two drivers do, in virtual time.
//!
//! Each release has a fleet of its own to roll. That is no loss: of a lane's releases one rolls at a time, which is judged here, and it
//! leaves the fleet as the next one finds it, or an operator does, which the oracle of the roll judges.

pub mod explore;
mod oracle;
mod scenario;

use drawgate_rollout::{Entry, Other, QueueView, Queued, Record, Release, Rival, Supersede, next};
use drawgate_schemas::{Freeze, Outcome, ReleaseId};
use jiff::Timestamp;

pub use self::scenario::{Asked, Scenario, scenarios};
use crate::bug::Bug;
use crate::sim::{Halt, Polled, Sim, Waits, start};

/// A place where something may come between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// An entry of this release was written.
    Recorded(usize),
    /// This step of this release comes to its end.
    Lands(usize, usize),
    /// Nothing happens before this release wakes, then.
    Sleeps(usize, Timestamp),
    /// All have ended.
    Ended,
}

/// What a release has come to.
enum Waited {
    For(Waits),
    Ended,
}

/// The releases of a target, and the worker that drives them.
#[derive(Clone)]
pub struct Lane {
    /// Those that were accepted, in the order of acceptance.
    pub members: Vec<Member>,
    /// The one that is yet to come, if one is.
    pub to_come: Option<Asked>,
    /// Freezes that were given.
    pub freezes: Vec<Freeze>,
    /// Virtual time.
    pub now: Timestamp,
    supersede: Supersede,
    bug: Option<Bug>,
}

/// A release of the lane.
#[derive(Clone)]
pub struct Member {
    /// Its roll.
    pub sim: Sim,
    /// What was asked for.
    pub asked: Asked,
    /// Whether its place in the queue was all that stood before it when it was looked at last.
    ready: bool,
}

impl Member {
    fn release(&self) -> &Release {
        self.sim.release()
    }

    fn id(&self) -> ReleaseId {
        self.release().request.id
    }

    fn is_open(&self) -> bool {
        self.release().ended.is_none()
    }

    fn has_succeeded(&self) -> bool {
        let ended = self.release().ended.as_ref();
        ended.is_some_and(|ended| ended.outcome == Outcome::Succeeded)
    }

    fn queued(&self) -> Queued {
        Queued {
            id: self.id(),
            emergency: self.asked.emergency,
            begun: self.release().started_at.is_some(),
        }
    }
}

impl Lane {
    /// The lane of a scenario, when its first releases are accepted.
    pub fn new(scenario: &Scenario, bug: Option<Bug>) -> Self {
        let mut lane = Self {
            members: Vec::new(),
            to_come: None,
            freezes: Vec::new(),
            now: start(),
            supersede: scenario.supersede,
            bug,
        };
        lane.accept(scenario.first);
        match scenario.comes_late {
            true => lane.to_come = Some(scenario.second),
            false => lane.accept(scenario.second),
        }
        lane
    }

    /// A release is accepted.
    fn accept(&mut self, asked: Asked) {
        let (world, record) = asked.accepted(self.members.len());
        let mut sim = Sim::accepted_at(self.now, world, record);
        sim.plant(self.bug);
        self.members.push(Member {
            sim,
            asked,
            ready: false,
        });
        self.queue_changed();
    }

    /// On to the next place where something may come between.
    ///
    /// # Errors
    /// When something is broken.
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
            // Of those at one moment the first: what ends before what only wakes.
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

    /// Until this release waits or has ended. `None` when an entry was written.
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

    /// This step comes to its end as the world has it.
    fn land(&mut self, n: usize, index: usize) -> Result<(), Halt> {
        self.members[n].sim.now = self.now;
        self.members[n].sim.land(index)?;
        self.recorded(n)
    }

    /// Time passes until this release wakes.
    fn sleep(&mut self, n: usize, until: Timestamp) -> Result<(), Halt> {
        self.now = self.now.max(until);
        self.members[n].sim.sleep(until)?;
        self.recorded(n)
    }

    /// The worker is killed; another process takes up what is open.
    fn crash(&mut self, away_ms: u64, extent: crate::world::Extent) -> Result<(), Halt> {
        for member in &mut self.members {
            if member.is_open() {
                let possible = |step| {
                    let extents = member.sim.world.extents(step);
                    extents.contains(&extent).then_some(extent)
                };
                let extents = member.sim.flights.iter().map(|(_, step)| possible(step));
                let extents: Vec<_> = extents
                    .map(|extent| extent.unwrap_or(crate::world::Extent::None))
                    .collect();
                member.sim.now = self.now;
                member.sim.crash(&extents, away_ms)?;
            }
            member.ready = false;
        }
        self.now = drawgate_rollout::limits::after(self.now, away_ms);
        self.queue_changed();
        Ok(())
    }

    fn recorded(&mut self, n: usize) -> Result<(), Halt> {
        oracle::always(self)?;
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

    /// What the ledger and the files say of the queue of this release.
    fn view(&self, own: usize) -> QueueView {
        let other = |(n, member): (usize, &Member)| Other {
            id: member.id(),
            sequence: member.asked.sequence,
            came_later: n > own,
            has_succeeded: member.has_succeeded(),
        };
        let counts = |(n, member): &(usize, &Member)| {
            *n != own && (member.is_open() || (member.has_succeeded() && member.asked.sequence.is_some()))
        };
        let others = self.members.iter().enumerate().filter(counts).map(other);
        let open: Vec<Queued> = self
            .members
            .iter()
            .filter(|member| member.is_open())
            .map(Member::queued)
            .collect();
        let mut view = QueueView {
            at: self.now,
            next: next(&open).copied(),
            others: others.collect(),
            freezes: self.frozen(),
            proven: true,
            has_room: true,
            ..QueueView::default()
        };
        view.policies.supersede = self.supersede;
        view
    }

    fn rival(&self, id: ReleaseId) -> Option<Rival> {
        let member = self.members.iter().find(|member| member.id() == id)?;
        Some(Rival {
            release: Some(member.release().clone()),
            proven: true,
        })
    }

    /// Freezes that are not over.
    fn frozen(&self) -> Vec<Freeze> {
        let mut frozen = self.freezes.clone();
        frozen.retain(|freeze| self.now < freeze.until);
        frozen
    }
}

fn changes_queue(entry: &Entry) -> bool {
    matches!(entry.record, Record::Started | Record::Ended { .. })
}
