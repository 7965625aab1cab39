//! The machine around `decide` in virtual time: what `worker/src/roll/driver.rs` does with it, without a
//! clock, a ledger or a network. It may be killed after any entry, with the steps under way half done.

mod checks;
mod crash;
mod pace;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use drawgate_rollout::{
    Action, Entry, Judged, Machine, QueueView, Queued, Record, Release, Step, StepOutcome, Waits, decide,
    events_of, limits,
};
use drawgate_schemas::{Control, ControlCommand, Ended, Event, Outcome, ReleaseId, ReleaseRequest};
use jiff::Timestamp;

use crate::check::ensure;
use crate::mutant::Mutant;
use crate::oracle;
use crate::time::start;
use crate::world::{Extent, World};

/// The worker was killed.
#[derive(Debug, Clone)]
pub struct Killed;

/// Why a simulation stops.
#[derive(Debug)]
pub enum Halt {
    /// The worker was to be killed here.
    Killed,
    /// A rule is broken.
    Broken(String),
}

impl From<String> for Halt {
    fn from(violation: String) -> Self {
        Self::Broken(violation)
    }
}

/// A place where an interleaving may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// An entry was written.
    Recorded,
    /// The step under way with this index is about to end: [`Sim::land`] says how.
    Lands(usize),
    Slept,
    /// The release has ended.
    Ended,
}

/// A release under way, and the worker that drives it.
#[derive(Clone)]
pub struct Sim {
    pub world: World,
    /// The fleet as it was before the release.
    pub before: Arc<World>,
    /// The journal.
    pub journal: Vec<Entry>,
    /// The loop around `decide`, with the release that the journal folds to.
    pub machine: Machine,
    pub now: Timestamp,
    /// The events that were sent.
    pub events: Vec<Event>,
    /// Steps under way, with the moment at which each ends.
    pub flights: Vec<(Timestamp, Step)>,
    /// The worker is killed when the journal has this many entries.
    pub kill_at: Option<usize>,
    /// Time from the acceptance until the release is the first of its queue.
    pub queue_ms: u64,
    /// The rest of what the worker knows of the queue.
    pub queue: QueueView,
    /// Control commands, each given once the journal has so many entries.
    pub commands: Vec<(usize, ControlCommand)>,
    /// Why control commands were refused.
    pub not_taken: Vec<String>,
    /// Time after which a paused roll that has come to rest is resumed.
    pub rests_ms: Option<u64>,
    /// What the machine waits for at present.
    waits: Option<Waits>,
    /// A step whose answer was lost and whose effect is still to come, with the release for which it was
    /// performed.
    pub(crate) late: Option<Box<(Release, Step)>>,
    /// The fleet before its last change, in searches, where a step may still see it.
    pub(crate) previous: Option<Arc<World>>,
    /// A hash of the outcome of the last `Inspect`: two rolls with one mark have the same plan.
    pub(crate) plan_mark: u64,
    /// Whether journal and events are kept.
    keeps: bool,
    /// The number of events sent, of sequence numbers given to them, and of events that said the end.
    told: u64,
    numbered: u64,
    told_the_end: u32,
    /// The mistake made on purpose.
    mutant: Option<Mutant>,
    /// The intent of a step that the `ActsBeforeTheIntent` mistake has already performed; it is written next.
    acted: Option<Record>,
}

/// What a polled machine has come to.
pub(crate) enum Polled {
    /// An entry was written.
    Recorded,
    /// The machine asks what is known of its queue.
    Looks,
    /// The machine asks what is known of another release.
    LooksAt(ReleaseId),
    Waits(Waits),
    /// The release has ended.
    Ended,
}

/// A control command by the operator ben.
pub fn by_ben(control: Control) -> ControlCommand {
    ControlCommand {
        control,
        by: "ben".to_owned(),
        reason: None,
        digest: None,
    }
}

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

    /// Gives a control command. Says whether it was taken.
    pub(crate) fn give(&mut self, command: ControlCommand) -> Result<bool, Halt> {
        let before = self.release().commands.len();
        self.command(command)?;
        self.not_taken.clear();
        Ok(self.release().commands.len() > before)
    }

    /// The release as it stands.
    pub fn release(&self) -> &Release {
        self.machine.release()
    }

    fn next_action(&mut self) -> Action {
        match self.mutant {
            None => self.machine.next(self.now),
            Some(mutant) => self
                .machine
                .next_by(self.now, |release, queue, now| mutant.decide(release, queue, now)),
        }
    }

    /// Runs the release to its end, and judges it there.
    ///
    /// # Panics
    /// When a rule is broken on the way.
    #[must_use]
    pub fn finish(mut self) -> Self {
        self.run().unwrap();
        self.check_end().unwrap();
        self
    }

    /// The end of the release, which must have come.
    pub fn ended(&self) -> &Ended {
        self.release().ended.as_ref().unwrap()
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        self.ended().outcome
    }

    /// Runs the release to its end, or to the kill.
    ///
    /// # Errors
    /// When the worker was killed.
    ///
    /// # Panics
    /// When a rule is broken on the way.
    #[allow(clippy::panic, reason = "for tests; the search asks for the violation")]
    pub fn run(&mut self) -> Result<(), Killed> {
        if self.kill_at == Some(self.journal.len()) {
            return Err(Killed);
        }
        loop {
            let went = self.go().and_then(|next| match next {
                Next::Lands(index) => self.land(index).map(|()| next),
                _ => Ok(next),
            });
            match went {
                Ok(Next::Ended) => return Ok(()),
                Ok(_) => {}
                Err(Halt::Killed) => return Err(Killed),
                Err(Halt::Broken(violation)) => panic!("{violation}"),
            }
        }
    }

    /// Goes on to the next place where an interleaving may come.
    ///
    /// # Errors
    /// When a rule is broken, or when the worker was to be killed here.
    pub fn go(&mut self) -> Result<Next, Halt> {
        loop {
            match self.poll()? {
                Polled::Recorded => return Ok(Next::Recorded),
                Polled::Ended => return Ok(Next::Ended),
                Polled::Waits(waits) => return self.await_something(waits),
                Polled::Looks => self.look_at_queue(),
                Polled::LooksAt(other) => {
                    return Err(Halt::Broken(format!("looks at {other}, which is unknown")));
                }
            }
        }
    }

    /// Goes on until an entry is written, or the machine has to wait.
    pub(crate) fn poll(&mut self) -> Result<Polled, Halt> {
        if let Some(waits) = self.waits {
            return Ok(Polled::Waits(waits));
        }
        loop {
            if self.acted.is_none() && self.machine.listens() {
                self.give_commands()?;
            }
            let (action, acted) = match self.acted.take() {
                Some(intent) => (Action::Append(intent), true),
                None => (self.next_action(), false),
            };
            match action {
                Action::Append(record) => {
                    if let Record::Intent { step } = &record
                        && !acted
                        && self.acts_early(step)
                    {
                        self.acted = Some(record);
                        return Ok(Polled::Recorded);
                    }
                    if let Record::Intent { step } = &record {
                        self.begin(step)?;
                    }
                    self.append(record)?;
                    return Ok(Polled::Recorded);
                }
                // The step joined the flights when its intent was written.
                Action::Perform { .. } => {}
                // The step left the flights when its outcome was written.
                Action::Drop(_) => {}
                Action::LookAtQueue => return Ok(Polled::Looks),
                Action::LookAt(other) => return Ok(Polled::LooksAt(other)),
                Action::Wait(waits) => {
                    self.check_circles()?;
                    let past = waits.until.is_some_and(|at| at <= self.now);
                    ensure(!past, || "is woken in the past".to_owned())?;
                    self.waits = Some(waits);
                    return Ok(Polled::Waits(waits));
                }
                Action::Ended(_) => {
                    let more = decide(self.release(), None, self.now);
                    ensure(more.is_empty(), || "goes on after the end".to_owned())?;
                    return Ok(Polled::Ended);
                }
                Action::Stopped | Action::Stuck => return Err(Halt::Broken("waits for nothing".to_owned())),
            }
        }
    }

    fn look_at_queue(&mut self) {
        let mut queue = self.queue.clone();
        queue.at = self.now;
        if self.slot_at() <= self.now {
            let id = self.release().request.id;
            queue.next = Some(Queued {
                id,
                emergency: false,
                begun: false,
            });
        }
        self.machine.queue_is(Some(queue));
    }

    fn slot_at(&self) -> Timestamp {
        limits::after(start(), self.queue_ms)
    }

    fn give_commands(&mut self) -> Result<(), Halt> {
        while let Some((at, _)) = self.commands.first() {
            if self.journal.len() < *at {
                break;
            }
            let (_, command) = self.commands.remove(0);
            self.command(command)?;
        }
        Ok(())
    }

    fn command(&mut self, command: ControlCommand) -> Result<(), Halt> {
        self.waits = None;
        let id = format!("command {}", self.release().last_entry);
        match self.machine.judge(&id, command) {
            Judged::Take(record) => self.append(record),
            Judged::Refused(why) => {
                self.not_taken.push(why);
                Ok(())
            }
            Judged::Known => Ok(()),
        }
    }

    fn mark_plan(&mut self, outcome: &StepOutcome) {
        let mut hasher = DefaultHasher::new();
        format!("{outcome:?}").hash(&mut hasher);
        self.plan_mark = hasher.finish();
    }

    /// With the `ActsBeforeTheIntent` mistake, performs a step before its intent is written. Says whether it
    /// did.
    fn acts_early(&mut self, step: &Step) -> bool {
        let early = self.mutant == Some(Mutant::ActsBeforeTheIntent) && !step.reads();
        if early {
            self.world
                .perform_unheard(self.machine.release(), step, Extent::Whole);
        }
        early
    }

    /// Checks that a step may begin, and adds it to the flights with the moment of its end.
    fn begin(&mut self, step: &Step) -> Result<(), Halt> {
        let deadline = self.machine.intended().map_or(self.now, |(_, deadline)| deadline);
        ensure(deadline > self.now, || format!("{step} has no time at all"))?;
        let of_same_host = |other: &Step| step.instance().is_some() && other.instance() == step.instance();
        let beside = self.flights.iter().find(|(_, other)| of_same_host(other));
        ensure(beside.is_none(), || {
            format!("{step} beside {beside:?} on one host")
        })?;
        self.check_watched(step)?;
        self.check_paused(step)?;
        let outlasted = self.world.other.as_ref().is_some_and(|other| other.outlasts > 0);
        self.check_muted(step)?;
        let takes_ms = match step {
            Step::Watch if self.world.firing.is_empty() => limits::WATCH_MS,
            Step::Bake => self.world.definition.alarms.bake_ms.max(1_000),
            // This step looks until something changes, or its time is over.
            Step::AwaitFloor => limits::between_ms(self.now, deadline).saturating_sub(1_000),
            // The second attempt waits for the lock as long as it may.
            Step::Lock if outlasted && self.release().begun(step) => limits::LOCK_ATTEMPT_MS,
            _ => self.takes_ms(step),
        };
        self.flights
            .push((limits::after(self.now, takes_ms), step.clone()));
        Ok(())
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

    /// The moment at which a paused roll that has come to rest is resumed.
    fn goes_on_at(&self, wake: Option<Timestamp>) -> Option<Timestamp> {
        let (_, since) = self.release().paused.as_ref()?;
        let rests = self
            .flights
            .iter()
            .all(|(_, step)| matches!(step, Step::Watch | Step::Renew));
        let idle = wake.is_none() || wake == self.release().paused_until();
        let at = limits::after(*since, self.rests_ms.filter(|_| rests && idle)?);
        Some(at.max(self.now))
    }

    /// The step under way that ends first, and the moment of its end.
    pub(crate) fn lands_first(&self) -> Option<(usize, Timestamp)> {
        let first = self.flights.iter().enumerate().min_by_key(|(_, (at, _))| *at);
        first.map(|(index, (at, _))| (index, *at))
    }

    /// Wakes the machine, because something that it waits for has changed.
    pub(crate) fn wake(&mut self) {
        self.waits = None;
    }

    /// The moment at which the machine wakes by itself.
    pub(crate) fn wakes_at(&self, waits: Waits) -> Option<Timestamp> {
        let turn = Some(self.slot_at()).filter(|at| self.release().is_queued() && *at > self.now);
        let all = [waits.until, self.goes_on_at(waits.until), turn];
        all.into_iter().flatten().min()
    }

    fn await_something(&mut self, waits: Waits) -> Result<Next, Halt> {
        let wake = self.wakes_at(waits);
        match (self.lands_first(), wake) {
            (Some((index, ends)), wake) if wake.is_none_or(|wake| ends <= wake) => {
                self.now = self.now.max(ends);
                Ok(Next::Lands(index))
            }
            (_, Some(wake)) => self.sleep(wake).map(|()| Next::Slept),
            (_, None) => Err(Halt::Broken("waits for nothing".to_owned())),
        }
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
        let late = self.late.take();
        if self.previous.is_some() && !step.reads() {
            self.previous = Some(Arc::new(self.world.clone()));
        }
        let mut outcome = perform(&mut self.world, self.machine.release(), &step);
        if let Some(late) = late {
            self.world.perform_unheard(&late.0, &late.1, Extent::Whole);
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
        oracle::always(&self.before, &self.world, self.machine.release())?;
        self.machine.finished(step, outcome);
        self.write_what_is_known()
    }

    fn write_what_is_known(&mut self) -> Result<(), Halt> {
        match self.machine.unwritten() {
            Some(record) => self.append(record),
            None => Ok(()),
        }
    }

    pub(crate) fn sleep(&mut self, until: Timestamp) -> Result<(), Halt> {
        let waits = self.waits.take();
        self.now = self.now.max(until);
        let goes_on = waits.and_then(|waits| self.goes_on_at(waits.until));
        if goes_on.is_some_and(|at| at <= self.now) {
            let out = self.release().hosts().find(|host| self.release().is_out(host));
            let out = out.map(|host| &host.instance);
            ensure(out.is_none(), || format!("{out:?} is out while it is paused"))?;
            return self.command(by_ben(Control::Resume));
        }
        Ok(())
    }

    /// Writes an entry, and checks the rules after it.
    ///
    /// # Errors
    /// When a rule is broken, or when the worker was to be killed here.
    pub fn append(&mut self, record: Record) -> Result<(), Halt> {
        self.write(record)?;
        oracle::always(&self.before, &self.world, self.machine.release())?;
        if self.kill_at == Some(self.journal.len()) {
            Err(Halt::Killed)
        } else {
            Ok(())
        }
    }

    fn write(&mut self, record: Record) -> Result<(), Halt> {
        if let Record::Outcome { step, .. } = &record {
            self.flights.retain(|(_, other)| other != step);
        }
        let entry = Entry {
            n: self.release().last_entry + 1,
            at: self.now,
            record,
        };
        self.machine
            .written(&entry)
            .map_err(|illegal| illegal.to_string())?;
        let events = events_of(self.machine.release(), &entry);
        self.numbered += events.len() as u64;
        self.told += events.len() as u64;
        if self.mutant == Some(Mutant::SendsAnEventTwice)
            && matches!(entry.record, Record::RollingBack { .. })
        {
            self.told += 1;
        }
        let ends = events
            .iter()
            .filter(|event| matches!(event, Event::Ended(_)))
            .count();
        self.told_the_end += u32::try_from(ends).unwrap_or(u32::MAX);
        if self.keeps {
            self.events.extend(events);
            self.journal.push(entry);
        }
        Ok(())
    }

    /// How often a step was begun.
    pub fn attempts(&self, step: &Step) -> usize {
        self.journal
            .iter()
            .filter(|entry| matches!(&entry.record, Record::Intent { step: begun } if begun == step))
            .count()
    }
}
