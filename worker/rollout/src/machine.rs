//! The loop around `decide` for one release, without IO: append the intent, perform, append the outcome, ask
//! again.
//!
//! ```text
//!            next()                                     shell (the worker's driver, or the simulator)
//!   Machine ---------> Append, Perform, Drop, Look… --> writes, performs, fetches, waits
//!           <---------                                  written(), finished(), queue_is(), woken(), lapsed(), stop()
//! ```

use std::collections::{BTreeSet, VecDeque};

use drawgate_schemas::{ControlCommand, Outcome, ReleaseId};
use jiff::Timestamp;

use crate::decide::{Decision, decide};
use crate::journal::{Entry, OnShutdown, Record, Step, StepOutcome};
use crate::queue::{QueueView, Rival};
use crate::release::{Illegal, Release};

/// One thing for the shell to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Write this to the journal, then say [`Machine::written`].
    Append(Record),
    /// Perform the step, whose intent is written; at its end say [`Machine::finished`].
    Perform {
        step: Step,
        /// The performance ends by this moment; an outcome that is not known by then is unknown.
        deadline: Timestamp,
    },
    /// Break off the performance of this step: its outcome is written already, or will stay unknown.
    Drop(Step),
    /// Fetch what is known of the queue, and say [`Machine::queue_is`].
    LookAtQueue,
    /// Fetch what is known of another release of the target, and say [`Machine::rival_is`].
    LookAt(ReleaseId),
    /// Wait until a step ends, a control command comes, the time is there, or, while the release is queued,
    /// the queue changes; then tell the machine which it was.
    Wait(Waits),
    /// The release has ended.
    Ended(Outcome),
    /// The worker stops, and no step under way has to come to its end.
    Stopped,
    /// Nothing is under way and nothing is to be done before the end: a mistake in `decide`.
    Stuck,
}

/// The answer to a control command.
#[derive(Debug, Clone, PartialEq)]
pub enum Judged {
    /// The command was taken before: the same command may be delivered twice.
    Known,
    /// The command can be taken: this record is to be written.
    Take(Record),
    /// The command cannot be taken, for this reason.
    Refused(String),
}

/// The loop of one release.
#[derive(Debug, Clone)]
pub struct Machine {
    release: Release,
    /// Steps that this process performs.
    under_way: BTreeSet<Step>,
    /// Outcomes to be written.
    to_write: VecDeque<Record>,
    to_drop: VecDeque<Step>,
    /// The last decisions that are still to be carried out.
    decided: VecDeque<Decision>,
    /// The step whose intent is being written, with its deadline.
    intended: Option<(Step, Timestamp)>,
    /// Whether the machine waits once the last decisions are carried out, unless something is recorded
    /// meanwhile.
    rests: bool,
    recorded: bool,
    waits: Waits,
    queue: Option<QueueView>,
    /// Whether the queue was looked at for the next decision.
    has_looked: bool,
    stopping: bool,
}

/// What a release waits for, apart from its steps under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// The time to wake at, if there is one.
    pub until: Option<Timestamp>,
    /// Whether only its place in the queue keeps the release from beginning.
    pub ready: bool,
}

impl Machine {
    /// The loop of a release that was just accepted, or that no process has driven since its last entry. A
    /// release that was under way is taken over first.
    pub fn new(release: Release) -> Self {
        let open = release.steps.under_way().next().is_some();
        let was_under_way = release.ended.is_none() && (open || release.started_at.is_some());
        Self {
            release,
            under_way: BTreeSet::new(),
            to_write: was_under_way.then_some(Record::TakenOver).into_iter().collect(),
            to_drop: VecDeque::new(),
            decided: VecDeque::new(),
            intended: None,
            rests: false,
            recorded: false,
            waits: Waits::default(),
            queue: None,
            has_looked: false,
            stopping: false,
        }
    }

    /// Whether every decision is carried out, so that a control command may be judged.
    pub fn listens(&self) -> bool {
        self.decided.is_empty() && self.intended.is_none() && self.to_write.is_empty()
    }

    /// The step whose intent is being written, with the moment by which its performance ends.
    pub fn intended(&self) -> Option<(&Step, Timestamp)> {
        self.intended.as_ref().map(|(step, deadline)| (step, *deadline))
    }

    /// What is to be written before anything else is decided: a takeover, or the outcome of a step that has
    /// ended.
    pub fn unwritten(&mut self) -> Option<Record> {
        self.to_write.pop_front()
    }

    /// The release as it stands.
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// What to do next.
    pub fn next(&mut self, now: Timestamp) -> Action {
        self.next_by(now, decide)
    }

    /// The same with another `decide`, for mistakes that are made on purpose.
    pub fn next_by(
        &mut self,
        now: Timestamp,
        decide: impl Fn(&Release, Option<&QueueView>, Timestamp) -> Vec<Decision>,
    ) -> Action {
        loop {
            if let Some(step) = self.to_drop.pop_front() {
                return Action::Drop(step);
            }
            if let Some((step, deadline)) = self.intended.take() {
                return Action::Perform { step, deadline };
            }
            if let Some(record) = self.to_write.pop_front() {
                return Action::Append(record);
            }
            if let Some(ended) = &self.release.ended {
                return Action::Ended(ended.outcome);
            }
            if self.stopping {
                return self.last_steps();
            }
            if let Some(decision) = self.decided.pop_front() {
                if let Some(next) = self.carry_out(decision) {
                    return next;
                }
                continue;
            }
            if std::mem::take(&mut self.rests) {
                self.has_looked = false;
                if !self.recorded {
                    return self.wait();
                }
            }
            if self.release.is_queued() && !std::mem::replace(&mut self.has_looked, true) {
                return Action::LookAtQueue;
            }
            self.decided = decide(&self.release, self.queue.as_ref(), now).into();
            if self.decided.is_empty() && self.under_way.is_empty() {
                return Action::Stuck;
            }
            (self.rests, self.recorded, self.waits) = (true, false, Waits::default());
        }
    }

    fn carry_out(&mut self, decision: Decision) -> Option<Action> {
        match decision {
            Decision::Append(record) => Some(Action::Append(record)),
            Decision::Perform { step, deadline } => {
                self.intended = Some((step.clone(), deadline));
                // The intent is written before the effect.
                Some(Action::Append(Record::Intent { step }))
            }
            Decision::LookAt(release) => {
                self.rests = false;
                Some(Action::LookAt(release))
            }
            Decision::AwaitSlot => {
                self.waits.ready = true;
                None
            }
            Decision::WakeAt(at) => {
                self.waits.until = Some(self.waits.until.map_or(at, |earlier| earlier.min(at)));
                None
            }
        }
    }

    fn wait(&self) -> Action {
        let Waits { until, ready } = self.waits;
        match self.under_way.is_empty() && until.is_none() && !ready {
            true => Action::Stuck,
            false => Action::Wait(self.waits),
        }
    }

    /// Lets a step that changes something come to its end; waits are dropped, and the next process begins
    /// them anew.
    fn last_steps(&self) -> Action {
        let finishes = |step: &Step| step.properties().on_shutdown == OnShutdown::Finish;
        match self.under_way.iter().any(finishes) {
            true => Action::Wait(Waits::default()),
            false => Action::Stopped,
        }
    }

    /// Takes in an entry that is in the journal.
    ///
    /// # Errors
    /// When it cannot follow; nothing is changed then.
    pub fn written(&mut self, entry: &Entry) -> Result<(), Illegal> {
        self.release.apply(entry)?;
        match &entry.record {
            Record::Intent { step } => {
                self.under_way.insert(step.clone());
            }
            Record::Outcome { step, .. } => {
                self.recorded = true;
                if self.under_way.remove(step) {
                    self.to_drop.push_back(step.clone());
                }
            }
            _ => self.recorded = true,
        }
        Ok(())
    }

    /// Takes in the outcome of a performance.
    pub fn finished(&mut self, step: Step, outcome: StepOutcome) {
        // A performance that was dropped may have ended all the same: its outcome is written already.
        if self.under_way.remove(&step) {
            self.to_write.push_back(Record::Outcome { step, outcome });
        }
    }

    /// Takes in what is known of the queue; `None` where the ledger could not be asked.
    pub fn queue_is(&mut self, queue: Option<QueueView>) {
        self.queue = queue;
    }

    /// Takes in what is known of another release of the target.
    pub fn rival_is(&mut self, id: ReleaseId, rival: Rival) {
        if let Some(queue) = &mut self.queue {
            queue.rivals.insert(id, rival);
        }
    }

    /// Decides anew, because the queue has changed since it was looked at.
    pub fn queue_changed(&mut self) {
        self.decided.clear();
        self.rests = false;
        self.has_looked = false;
    }

    /// Whether a control command can be taken, and what is to be written then.
    pub fn judge(&self, id: &str, command: ControlCommand) -> Judged {
        if self.release.commands.contains(id) {
            return Judged::Known;
        }
        match self.release.accepts(&command) {
            Err(why) => Judged::Refused(why),
            Ok(()) => Judged::Take(Record::Control {
                id: id.to_owned(),
                command,
            }),
        }
    }

    /// Takes the release over anew, because the lease had run out and was taken again. As after any takeover,
    /// the outcomes of steps under way are unknown, and so is who has the fleet now.
    pub fn lapsed(&mut self) {
        if self.release.is_queued() || self.release.ended.is_some() {
            return;
        }
        self.to_drop.extend(std::mem::take(&mut self.under_way));
        self.to_write.clear();
        self.intended = None;
        self.decided.clear();
        self.rests = false;
        self.to_write.push_back(Record::TakenOver);
    }

    /// Begins nothing more, because the worker is told to stop.
    pub fn stop(&mut self) {
        self.stopping = true;
        self.decided.clear();
        self.rests = false;
    }

    /// The release, to make a mistake on purpose.
    #[doc(hidden)]
    pub fn release_mut(&mut self) -> &mut Release {
        &mut self.release
    }
}
