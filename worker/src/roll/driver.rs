//! Drives one release: does what its machine says, and tells the machine the result.

mod writing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drawgate_rollout::{Action, Illegal, Judged, Machine, Release, Step, StepOutcome};
use drawgate_schemas::{Outcome, ReleaseId};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use super::admission;
use super::context::Context;
use super::control::{Given, Taken};
use super::lane_lease::LaneLease;
use super::limits::{LAST_STEPS, LEDGER_RETRY};
use super::perform::{Performance, perform};
use super::queue::Place;
use crate::clock::RollClock;
use crate::ledger::{Lease, LedgerError, LockNote, Reported};

/// How the driving of a release ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driven {
    /// The release has ended.
    Ended(Outcome),
    /// The worker is stopping; the release stays open in the ledger.
    Stopped,
    /// Another worker has the lane now.
    LostLane,
}

/// Why a driver cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum DriveError {
    /// The journal cannot be folded, or the core made an entry that may not follow.
    #[error("the journal of {release} cannot be followed")]
    Journal {
        release: ReleaseId,
        #[source]
        source: Illegal,
    },
    /// The machine has nothing under way and nothing to do before the end: a mistake in the core.
    #[error("release {0} waits for nothing")]
    Idle(ReleaseId),
    /// The ledger definitely refused.
    #[error("the ledger refused")]
    Ledger(#[from] LedgerError),
}

/// Why the loop ends before the release does.
enum Halt {
    Stopped,
    LostLane,
    Error(DriveError),
}

impl From<DriveError> for Halt {
    fn from(error: DriveError) -> Self {
        Self::Error(error)
    }
}

/// A step whose intent is being written.
struct Ready {
    step: Step,
    deadline: Timestamp,
    release: Arc<Release>,
}

pub(super) struct Driver {
    context: Arc<Context>,
    lane: LaneLease,
    place: Place,
    machine: Machine,
    /// Entries that the machine counts on, and that are not in the ledger yet: an outcome and the intents that
    /// follow from it are written in one transaction, because each costs a write to the disk.
    unwritten: Vec<Reported>,
    /// Steps that begin as soon as their intents are in the ledger.
    ready: Vec<Ready>,
    running: JoinSet<(Step, StepOutcome)>,
    /// How to abort a step under way.
    under_way: BTreeMap<Step, AbortHandle>,
    /// The release's locks at the last look at the fleet. Lost with the process, and then the look is
    /// repeated.
    note: Option<LockNote>,
    /// Whether the others of the queue were told that only its place keeps this release waiting.
    told_others: bool,
    /// Lapses of the lane's lease that the machine knows of.
    lapses: u32,
    /// The number of the last status event.
    last_event: u64,
    clock: RollClock,
    stop: watch::Receiver<bool>,
    /// The end of the wait for steps under way, once the worker stops.
    stops_at: Option<Instant>,
    commands: mpsc::Receiver<Given>,
}

impl Driver {
    /// Reads the journal. A release that another process began is taken over.
    pub(super) async fn take_over(
        context: Arc<Context>,
        lane: LaneLease,
        place: Place,
        id: ReleaseId,
    ) -> Result<Self, DriveError> {
        let (journal, last_event) = loop {
            let read = async {
                let journal = context.ledger.journal(id).await?;
                Ok::<_, LedgerError>((journal, context.ledger.last_event(id).await?))
            };
            match read.await {
                Err(error) if error.is_unavailable() && !*context.stop.borrow() => sleep(LEDGER_RETRY).await,
                read => break read?,
            }
        };
        let release =
            Release::fold(&journal).map_err(|source| DriveError::Journal { release: id, source })?;
        Ok(Self {
            lapses: lane.lease().map_or(0, |lease| lease.lapses()),
            stop: context.stop.clone(),
            commands: context.commands.listen(id),
            machine: Machine::new(release),
            unwritten: Vec::new(),
            ready: Vec::new(),
            running: JoinSet::new(),
            under_way: BTreeMap::new(),
            note: None,
            told_others: false,
            last_event,
            clock: RollClock::set(journal.last().map_or_else(Timestamp::now, |entry| entry.at)),
            stops_at: None,
            context,
            lane,
            place,
        })
    }

    /// Drives the release to its end, or until the worker stops.
    pub(super) async fn drive(mut self) -> Result<Driven, DriveError> {
        let driven = self.run().await;
        // A step still under way would connect again after `leave`.
        self.running.shutdown().await;
        self.context.effects.leave(self.id()).await;
        match driven {
            Ok(outcome) => Ok(Driven::Ended(outcome)),
            Err(Halt::Stopped) => Ok(Driven::Stopped),
            Err(Halt::LostLane) => Ok(Driven::LostLane),
            Err(Halt::Error(error)) => Err(error),
        }
    }

    async fn run(&mut self) -> Result<Outcome, Halt> {
        loop {
            self.see_what_has_changed();
            match self.machine.next(self.clock.now()) {
                Action::Append(record) => self.append_next(record).await?,
                Action::Perform { step, deadline } => self.make_ready(step, deadline),
                action => {
                    self.write_entries().await?;
                    self.begin_what_is_ready()?;
                    if let Some(outcome) = self.follow(action).await? {
                        return Ok(outcome);
                    }
                }
            }
        }
    }

    /// Does what the machine says; gives the outcome at the release's end.
    async fn follow(&mut self, action: Action) -> Result<Option<Outcome>, Halt> {
        match action {
            Action::Append(_) | Action::Perform { .. } => {}
            Action::Drop(step) => self.drop_step(&step),
            Action::LookAtQueue => self.look_at_queue().await,
            Action::LookAt(other) => self.look_at(other).await,
            // Nothing was begun, and so nothing would end the wait.
            Action::Wait(_) if self.has_lapsed() => {}
            Action::Wait(waits) => {
                self.tell_others(waits.ready);
                self.wait(waits.until).await?;
            }
            Action::Ended(outcome) => return Ok(Some(outcome)),
            Action::Stopped => return Err(Halt::Stopped),
            Action::Stuck => return Err(DriveError::Idle(self.id()).into()),
        }
        Ok(None)
    }

    fn id(&self) -> ReleaseId {
        self.machine.release().request.id
    }

    /// Tells the machine to stop once the worker stops. Also tells it that the lease had expired and was
    /// renewed: this process was suspended then, or its ledger unavailable.
    fn see_what_has_changed(&mut self) {
        if *self.stop.borrow() && self.stops_at.is_none() {
            self.stops_at = Some(Instant::now() + LAST_STEPS);
            self.machine.stop();
        }
        if self.has_lapsed() {
            self.lapses = self.lane.lease().map_or(self.lapses, |lease| lease.lapses());
            tracing::warn!(release = %self.id(), "the lane's lease had run out: everything is looked at again");
            self.machine.lapsed();
            self.ready.clear();
        }
        if self.machine.release().is_queued() {
            // The release may wait for days, so the clock follows every adjustment of the machine's clock
            // while it is queued, and none afterwards.
            self.clock = RollClock::set(self.clock.now());
        }
    }

    /// Whether the lease has lapsed, and the machine does not know it yet.
    fn has_lapsed(&self) -> bool {
        self.lane
            .lease()
            .is_some_and(|lease| lease.lapses() != self.lapses)
    }

    async fn look_at_queue(&mut self) {
        let release = self.machine.release();
        let queue = admission::look_at_queue(&self.context, release, &mut self.place).await;
        self.machine.queue_is(queue);
    }

    async fn look_at(&mut self, other: ReleaseId) {
        match admission::look_at(&self.context, self.machine.release(), other).await {
            Ok(rival) => self.machine.rival_is(other, rival),
            Err(error) => {
                let causes = crate::error_chain(&error);
                tracing::error!(release = %self.id(), error = causes, "the queue before it could not be read");
                self.machine.queue_is(None);
            }
        }
    }

    /// Tells the others of the queue, once only its place keeps a release waiting: from then on it supersedes
    /// others.
    fn tell_others(&mut self, ready: bool) {
        if !std::mem::replace(&mut self.told_others, ready) && ready {
            self.place.tell_others();
        }
    }

    /// Waits for a step's end, a control command, a change of the queue, the next look, the lane's loss, or
    /// the stop.
    async fn wait(&mut self, until: Option<Timestamp>) -> Result<(), Halt> {
        let now = self.clock.now();
        let stops_at = self.stops_at;
        tokio::select! {
            Some(given) = self.commands.recv(), if stops_at.is_none() => self.take_command(given).await,
            Some(ended) = self.running.join_next() => self.finished(ended),
            () = sleep_until(instant_of(until, now)), if until.is_some() => Ok(()),
            () = self.place.changed(), if self.machine.release().is_queued() => Ok(()),
            () = self.lane.lost() => Err(Halt::LostLane),
            _ = self.stop.changed(), if stops_at.is_none() => Ok(()),
            () = sleep_until(stops_at.unwrap_or_else(Instant::now)), if stops_at.is_some() => Err(Halt::Stopped),
        }
    }

    /// Judges a control command, records it if it can be taken, and answers the operator.
    async fn take_command(&mut self, given: Given) -> Result<(), Halt> {
        let Given {
            id,
            command,
            expires_at,
            taken,
        } = given;
        // The ledger was unavailable, and the operator may have decided otherwise by now.
        let too_late = || Taken::No("it came too late: nobody took it in time".to_owned());
        let answer = match self.machine.judge(&id, command) {
            Judged::Known => Taken::Yes,
            _ if expires_at <= Timestamp::now() => too_late(),
            Judged::Refused(why) => Taken::No(why),
            Judged::Take(record) => match self.append_before(record, expires_at).await? {
                true => Taken::Yes,
                false => too_late(),
            },
        };
        // The operator may be gone; the command is valid all the same.
        let _ = taken.send(answer);
        Ok(())
    }

    fn finished(&mut self, ended: Result<(Step, StepOutcome), JoinError>) -> Result<(), Halt> {
        match ended {
            Ok((step, outcome)) => {
                self.under_way.remove(&step);
                self.machine.finished(step, outcome);
                Ok(())
            }
            Err(dropped) if dropped.is_cancelled() => Ok(()),
            // The task itself cannot break, because `perform` catches a panic of the effect.
            Err(_) => Err(Halt::Stopped),
        }
    }

    fn drop_step(&mut self, step: &Step) {
        if let Some(handle) = self.under_way.remove(step) {
            handle.abort();
        }
    }

    /// Lets a step begin once its intent is written. It sees the release as of its own intent, and not those of
    /// the steps that begin with it: of hosts that go out together, the floor may allow the first alone.
    fn make_ready(&mut self, step: Step, deadline: Timestamp) {
        let release = Arc::new(self.machine.release().clone());
        self.ready.push(Ready {
            step,
            deadline,
            release,
        });
    }

    /// Starts the effects of the steps whose intents are written.
    fn begin_what_is_ready(&mut self) -> Result<(), Halt> {
        let ready = std::mem::take(&mut self.ready);
        if ready.is_empty() || self.has_lapsed() {
            // After a lapse everything is looked at again, these steps too.
            return Ok(());
        }
        let Some(lease) = self.lane.lease() else {
            return Err(Halt::LostLane);
        };
        for step in ready {
            self.begin(step, Arc::clone(&lease));
        }
        Ok(())
    }

    fn begin(&mut self, ready: Ready, lease: Arc<Lease>) {
        let Ready {
            step,
            deadline,
            release,
        } = ready;
        tracing::debug!(release = %release.request.id, %step, "performing");
        let performance = Performance {
            context: Arc::clone(&self.context),
            release,
            lease,
            note: self.note.clone(),
            deadline: instant_of(Some(deadline), self.clock.now()),
            clock: self.clock,
        };
        let begun = step.clone();
        let handle = self
            .running
            .spawn(async move { (step.clone(), perform(performance, &step).await) });
        self.under_way.insert(begun, handle);
    }
}

/// The runtime's instant for a time of the journal.
fn instant_of(at: Option<Timestamp>, now: Timestamp) -> Instant {
    let ms = at.map_or(0, |at| at.duration_since(now).as_millis());
    // A day bounds each sleep: a release expires within years, and the core is asked again after a sleep.
    let bounded = u64::try_from(ms).unwrap_or(0).min(24 * 3_600_000);
    Instant::now() + Duration::from_millis(bounded)
}
