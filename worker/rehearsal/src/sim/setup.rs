//! How a simulation begins: from a request, from a record, or from another worker's journal.

use std::collections::BTreeSet;
use std::sync::Arc;

use drawgate_rollout::{Entry, Machine, QueueView, Record, Release, events_of};
use drawgate_schemas::ReleaseRequest;
use jiff::Timestamp;

use super::{Halt, Sim};
use crate::mutant::Mutant;
use crate::time::start;
use crate::world::World;

impl Sim {
    /// The release that this world's request asks for.
    pub fn new(world: World) -> Self {
        let request = world.request.clone();
        Self::of(world, request)
    }

    /// A release of this request in that world.
    pub fn of(world: World, request: ReleaseRequest) -> Self {
        let accepted = Record::Accepted {
            request: Box::new(request),
            ahead: 0,
            publisher: None,
            approval: None,
        };
        Self::accepted(world, accepted)
    }

    /// A release whose journal begins with this record.
    pub fn accepted(world: World, record: Record) -> Self {
        Self::accepted_at(start(), world, record)
    }

    /// A release whose journal begins with this record at that moment.
    pub(crate) fn accepted_at(at: Timestamp, world: World, record: Record) -> Self {
        let entry = Entry { n: 1, at, record };
        let release = Release::begin(&entry).unwrap();
        let events = events_of(&release, &entry);
        let told = events.len() as u64;
        Self {
            before: Arc::new(world.clone()),
            world,
            journal: vec![entry],
            machine: Machine::new(release),
            now: at,
            events,
            flights: Vec::new(),
            kill_at: None,
            queue_ms: 0,
            queue: QueueView {
                proven: true,
                has_room: true,
                ..QueueView::default()
            },
            commands: Vec::new(),
            not_taken: Vec::new(),
            rests_ms: None,
            waits: None,
            late: None,
            previous: None,
            through: BTreeSet::new(),
            evidence_since: None,
            plan_mark: 0,
            keeps: true,
            told,
            numbered: told,
            told_the_end: 0,
            mutant: None,
            acted: None,
        }
    }

    /// Takes over a release that a worker with another ledger had begun, from its journal. `before` is the
    /// fleet as it was before the release.
    ///
    /// # Errors
    /// When the journal cannot be followed.
    pub fn taken_over(
        before: Arc<World>,
        mut world: World,
        journal: Vec<Entry>,
        now: Timestamp,
    ) -> Result<Self, Halt> {
        let first = journal.first().ok_or_else(|| "an empty journal".to_owned())?;
        world.noted = None;
        // The new worker does not know which steps the previous one has performed.
        world.performed.clear();
        for host in world.hosts.values_mut() {
            host.disturbed = false;
        }
        let mut sim = Self::accepted(world, first.record.clone());
        sim.before = before;
        sim.now = now;
        for entry in journal.into_iter().skip(1) {
            sim.write(entry.record)?;
        }
        sim.take_over()?;
        Ok(sim)
    }

    /// Drops journal and events, and remembers the fleet before its last change: for a search.
    pub(crate) fn forgets(&mut self, mutant: Option<Mutant>) {
        self.keeps = false;
        self.plant(mutant);
    }

    /// Plants a mistake from now on, and remembers the fleet before its last change.
    pub(crate) fn plant(&mut self, mutant: Option<Mutant>) {
        self.mutant = mutant;
        self.world.mutant = mutant;
        self.previous = Some(Arc::new(self.world.clone()));
    }
}
