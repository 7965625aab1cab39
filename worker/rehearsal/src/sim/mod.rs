//! The machine around `decide` in virtual time: what `worker/src/roll/driver.rs` does with it, without a
//! clock, a ledger or a network. It may be killed after any entry, with the steps under way half done.

mod checks;
mod commands;
mod crash;
mod flights;
mod journal;
mod pace;
mod setup;
mod waits;

use std::collections::BTreeSet;
use std::sync::Arc;

use drawgate_rollout::{Action, Entry, Machine, QueueView, Record, Release, Step, Waits, decide};
use drawgate_schemas::{Control, ControlCommand, Ended, Event, Outcome, ReleaseId};
use jiff::Timestamp;

use crate::check::ensure;
use crate::mutant::Mutant;
use crate::world::World;

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
    /// The hosts that are through on the way forward.
    through: BTreeSet<String>,
    /// The host that speaks against the version, and since when.
    evidence_since: Option<(String, Timestamp)>,
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
    /// The release as it stands.
    pub fn release(&self) -> &Release {
        self.machine.release()
    }

    /// The end of the release, which must have come.
    pub fn ended(&self) -> &Ended {
        self.release().ended.as_ref().unwrap()
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        self.ended().outcome
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

    fn next_action(&mut self) -> Action {
        match self.mutant {
            None => self.machine.next(self.now),
            Some(mutant) => self
                .machine
                .next_by(self.now, |release, queue, now| mutant.decide(release, queue, now)),
        }
    }
}
