//! The loop around `decide`, in virtual time: what `worker/src/roll/driver.rs` does, without a clock, a ledger or a
//! network. It may be killed after any entry, with the steps under way half done.

use drawgate_rollout::{Decision, Entry, Phase, Record, Release, Step, decide, limits, narrate};
use drawgate_schemas::{Ended, Event, Order, Ordered, Outcome, ReleaseRequest};
use jiff::Timestamp;

use crate::oracle;
use crate::world::{Extent, World, request};

/// More than any roll in here needs: a roll that goes round in circles is caught.
const ENTRIES: usize = 3_000;

/// The worker was killed.
#[derive(Debug)]
pub(crate) struct Killed;

pub(crate) struct Sim {
    pub(crate) world: World,
    pub(crate) before: World,
    pub(crate) journal: Vec<Entry>,
    pub(crate) release: Release,
    pub(crate) now: Timestamp,
    pub(crate) events: Vec<Event>,
    /// Steps under way, with the moment at which each ends.
    pub(crate) flights: Vec<(Timestamp, Step)>,
    /// Killed when the journal has this many entries.
    pub(crate) kill_at: Option<usize>,
    /// How long its turn in the lane is waited for.
    pub(crate) queue_ms: u64,
    /// Orders that are given once the journal has so many entries.
    pub(crate) orders: Vec<(usize, Ordered)>,
    /// Those that were not taken, and why not.
    pub(crate) not_taken: Vec<String>,
    /// How long after a paused roll has come to rest it is told to go on.
    pub(crate) rests_ms: Option<u64>,
}

/// An order of ben's.
pub(crate) fn by_ben(order: Order) -> Ordered {
    Ordered {
        order,
        by: "ben".to_owned(),
        reason: None,
        digest: None,
    }
}

pub(crate) fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

impl Sim {
    pub(crate) fn new(world: World) -> Self {
        Self::of(world, request())
    }

    pub(crate) fn of(world: World, request: ReleaseRequest) -> Self {
        let accepted = Record::Accepted {
            request: Box::new(request),
            ahead: 0,
            publisher: None,
            approval: None,
        };
        Self::accepted(world, accepted)
    }

    /// A journal that begins so.
    pub(crate) fn accepted(world: World, record: Record) -> Self {
        let entry = Entry {
            n: 1,
            at: start(),
            record,
        };
        let mut release = Release::begin(&entry).unwrap();
        let events = narrate(&release, &entry);
        release.last_event = events.len() as u64;
        Self {
            before: world.clone(),
            world,
            journal: vec![entry],
            release,
            now: start(),
            events,
            flights: Vec::new(),
            kill_at: None,
            queue_ms: 0,
            orders: Vec::new(),
            not_taken: Vec::new(),
            rests_ms: None,
        }
    }

    /// To the end.
    pub(crate) fn finish(mut self) -> Self {
        self.run().unwrap();
        self.check_end();
        self
    }

    pub(crate) fn ended(&self) -> &Ended {
        self.release.ended.as_ref().unwrap()
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.ended().outcome
    }

    /// To the end, or to the kill.
    pub(crate) fn run(&mut self) -> Result<(), Killed> {
        if self.kill_at == Some(self.journal.len()) {
            return Err(Killed);
        }
        while self.release.ended.is_none() {
            assert!(
                self.journal.len() < ENTRIES,
                "goes round in circles: {:?}",
                self.journal.last()
            );
            self.give_orders()?;
            let decisions = decide(&self.release, self.now);
            assert!(
                !decisions.is_empty() || !self.flights.is_empty(),
                "waits for nothing"
            );
            let (mut wake, mut changed) = (None, false);
            for decision in decisions {
                match decision {
                    Decision::Append(record) => {
                        if let Record::Outcome { step, .. } = &record {
                            // The core has concluded it: what is under way is dropped.
                            self.flights.retain(|(_, other)| other != step);
                        }
                        self.append(record)?;
                        changed = true;
                    }
                    Decision::AwaitTurn => {
                        self.await_turn()?;
                        changed = true;
                    }
                    Decision::Perform { step, deadline } => self.begin(step, deadline)?,
                    Decision::WakeAt(at) => {
                        assert!(at > self.now, "is woken in the past");
                        wake = Some(wake.map_or(at, |earlier: Timestamp| earlier.min(at)));
                    }
                }
            }
            if !changed {
                self.await_something(wake)?;
            }
        }
        assert!(
            decide(&self.release, self.now).is_empty(),
            "goes on after the end"
        );
        Ok(())
    }

    fn give_orders(&mut self) -> Result<(), Killed> {
        while let Some((at, _)) = self.orders.first() {
            if self.journal.len() < *at {
                break;
            }
            let (_, ordered) = self.orders.remove(0);
            self.order(ordered)?;
        }
        Ok(())
    }

    fn order(&mut self, ordered: Ordered) -> Result<(), Killed> {
        if let Err(why) = self.release.accepts(&ordered) {
            self.not_taken.push(why);
            return Ok(());
        }
        let id = format!("order {}", self.journal.len());
        self.append(Record::Ordered { id, ordered })
    }

    /// While it is paused nothing is begun but what brings hosts back into service that are out.
    fn check_paused(&self, step: &Step) {
        if self.release.paused.is_none() || matches!(step, Step::Watch | Step::Renew) {
            return;
        }
        let host = step.instance().and_then(|instance| self.release.host(instance));
        let out = host.is_some_and(|host| self.release.is_out(host));
        assert!(
            out && matches!(step, Step::Host { .. }),
            "{step} begins while it is paused"
        );
    }

    fn await_turn(&mut self) -> Result<(), Killed> {
        let turn = limits::after(self.now, std::mem::take(&mut self.queue_ms));
        match self.release.request.expires_at {
            Some(expires_at) if expires_at <= turn => {
                self.now = expires_at;
                Ok(())
            }
            _ => {
                self.now = turn;
                self.append(Record::Started)
            }
        }
    }

    fn begin(&mut self, step: Step, deadline: Timestamp) -> Result<(), Killed> {
        assert!(deadline > self.now, "{step} has no time at all");
        let of_same_host = |other: &Step| step.instance().is_some() && other.instance() == step.instance();
        let beside = self.flights.iter().find(|(_, other)| of_same_host(other));
        assert!(beside.is_none(), "{step} beside {beside:?} on one host");
        self.check_watched(&step);
        self.check_paused(&step);
        let outlasted = self.world.other.as_ref().is_some_and(|other| other.outlasts > 0);
        self.check_muted(&step);
        let takes_ms = match step {
            Step::Watch if self.world.firing.is_empty() => limits::WATCH_MS,
            Step::Bake => self.world.definition.alarms.bake_ms.max(1_000),
            // The second attempt waits as long as it may.
            Step::Lock if outlasted && self.release.begun(&step) => limits::LOCK_ATTEMPT_MS,
            _ => takes_ms(&step),
        };
        self.flights
            .push((limits::after(self.now, takes_ms), step.clone()));
        self.append(Record::Intent { step })
    }

    /// Nothing is touched on the way forward while nobody watches.
    fn check_watched(&self, step: &Step) {
        let watched = self
            .release
            .plan
            .as_ref()
            .is_some_and(|plan| !plan.watched.is_empty());
        if watched && self.release.turned_back.is_none() && !step.reads() && !step.restores() {
            let watches = self.flights.iter().any(|(_, other)| *other == Step::Watch);
            assert!(watches, "{step} begins unwatched");
        }
    }

    /// No host is worked on while alarms may act that were to be muted.
    fn check_muted(&self, step: &Step) {
        let mutes = self.release.plan.as_ref().is_some_and(|plan| plan.mutes());
        if let (Step::Host { phase, .. }, true) = (step, mutes && self.world.faults.is_empty()) {
            let muted = self.world.muted_until.is_some_and(|until| until > self.now);
            assert!(
                muted || *phase == Phase::Create,
                "{step} begins with alarms unmuted"
            );
        }
    }

    /// A watch under way sees an alarm that fires at its next look.
    fn wake_watch(&mut self) {
        let next_look = limits::after(self.now, self.world.definition.alarms.watch_interval_ms);
        for (ends, step) in &mut self.flights {
            if *step == Step::Watch && !self.world.firing.is_empty() {
                *ends = next_look.min(*ends);
            }
        }
    }

    /// When a paused roll that has come to rest is told to go on.
    fn goes_on_at(&self) -> Option<Timestamp> {
        let (_, since) = self.release.paused.as_ref()?;
        let rests = self
            .flights
            .iter()
            .all(|(_, step)| matches!(step, Step::Watch | Step::Renew));
        let at = limits::after(*since, self.rests_ms.filter(|_| rests)?);
        Some(at.max(self.now))
    }

    fn await_something(&mut self, wake: Option<Timestamp>) -> Result<(), Killed> {
        let wake = [wake, self.goes_on_at()].into_iter().flatten().min();
        let first = self.flights.iter().enumerate().min_by_key(|(_, (at, _))| *at);
        let first = first.map(|(index, (at, _))| (index, *at));
        match (first, wake) {
            (None, None) => Ok(()),
            (Some((_, ends)), Some(wake)) if wake < ends => self.sleep(wake),
            (None, Some(wake)) => self.sleep(wake),
            (Some((index, ends)), _) => {
                self.now = self.now.max(ends);
                let (_, step) = self.flights.remove(index);
                if self.release.plan.is_some() {
                    self.world.now = self.now;
                }
                let outcome = self.world.perform(&self.release, &step);
                self.wake_watch();
                oracle::always(&self.before, &self.world, &self.release);
                self.append(Record::Outcome { step, outcome })
            }
        }
    }

    fn sleep(&mut self, until: Timestamp) -> Result<(), Killed> {
        self.now = self.now.max(until);
        if self.goes_on_at().is_some_and(|at| at <= self.now) {
            let out = self.release.hosts().find(|host| self.release.is_out(host));
            assert_eq!(out, None, "is out while it is paused");
            return self.order(by_ben(Order::Resume));
        }

        Ok(())
    }

    pub(crate) fn append(&mut self, record: Record) -> Result<(), Killed> {
        let entry = Entry {
            n: self.release.last_entry + 1,
            at: self.now,
            record,
        };
        self.release.apply(&entry).unwrap();
        let events = narrate(&self.release, &entry);
        self.release.last_event += events.len() as u64;
        self.events.extend(events);
        self.journal.push(entry);
        oracle::always(&self.before, &self.world, &self.release);
        if self.kill_at == Some(self.journal.len()) {
            Err(Killed)
        } else {
            Ok(())
        }
    }

    /// The worker dies, each step under way having come as far as is said; another one comes later.
    pub(crate) fn die(&mut self, extents: &[Extent], away_ms: u64) {
        assert_eq!(extents.len(), self.flights.len());
        self.world.now = self.now;
        for ((_, step), extent) in std::mem::take(&mut self.flights).iter().zip(extents) {
            self.world.perform_unheard(&self.release, step, *extent);
            oracle::always(&self.before, &self.world, &self.release);
        }
        self.now = limits::after(self.now, away_ms);
        self.kill_at = None;
        self.world.noted = None;
        let folded = Release::fold(&self.journal).unwrap();
        assert_eq!(folded, self.release, "the fold is another release");
        if self.release.ended.is_none() && !self.release.steps.is_empty() {
            self.append(Record::TakenUp).unwrap();
        }
    }

    pub(crate) fn check_end(&self) {
        oracle::at_end(&self.before, &self.world, &self.release);
        for (index, entry) in self.journal.iter().enumerate() {
            assert_eq!(entry.n, index as u64 + 1);
        }
        let ends = self
            .journal
            .iter()
            .filter(|entry| matches!(entry.record, Record::Ended { .. }))
            .count();
        assert_eq!(ends, 1, "ended {ends} times");
        let mut steps = self.release.steps.iter();
        let open = steps.find(|(_, state)| state.last.is_none());
        assert!(open.is_none(), "ended while {open:?} was under way");
        let ended = self
            .events
            .iter()
            .filter(|event| matches!(event, Event::Ended(_)))
            .count();
        assert_eq!(ended, 1, "said {ended} times that it ended");
        assert!(
            matches!(self.events.last(), Some(Event::Ended(_))),
            "says more after the end"
        );
        assert_eq!(
            self.release.last_event,
            self.events.len() as u64,
            "events are numbered with a gap"
        );
    }

    /// How often a step was begun.
    pub(crate) fn attempts(&self, step: &Step) -> usize {
        self.journal
            .iter()
            .filter(|entry| matches!(&entry.record, Record::Intent { step: begun } if begun == step))
            .count()
    }
}

/// Steps of later hosts take a little longer, so that no two end at the same moment.
fn takes_ms(step: &Step) -> u64 {
    let n = step
        .instance()
        .and_then(|instance| instance.strip_prefix("i-")?.parse().ok())
        .unwrap_or(0);
    let base = match step {
        Step::Stage { .. } => 20_000,
        Step::Canary => 60_000,
        Step::Lock => 200,
        Step::Host {
            phase: Phase::Drain, ..
        } => 30_000,
        Step::Host {
            phase: Phase::Settle, ..
        } => 12_000,
        _ => 1_000,
    };
    base + 137 * n
}
