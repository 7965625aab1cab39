//! Drives one release: carries out what its machine says, and tells the machine what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drawgate_rollout::{Action, Entry, Illegal, Judged, Machine, Record, Release, Step, StepOutcome};
use drawgate_schemas::{Outcome, ReleaseId};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use super::context::Context;
use super::control::{Given, Taken};
use super::lane_lease::LaneLease;
use super::limits::{LAST_STEPS, LEASE_LEFT, LEDGER_RETRY};
use super::perform::{Performance, perform};
use super::queue::Place;
use super::{admission, journal_log};
use crate::clock::RollClock;
use crate::ledger::{Lease, LedgerError, LockNote};

/// How driving a release ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driven {
    /// The release has ended.
    Ended(Outcome),
    /// The worker is stopping; the release stays open in the ledger.
    Stopped,
    /// The lane belongs to another worker now.
    LostLane,
}

/// What a driver cannot go on from.
#[derive(Debug, thiserror::Error)]
pub(super) enum DriveError {
    /// The journal cannot be folded, or the core appended what cannot follow.
    #[error("the journal of {release} cannot be followed")]
    Journal {
        release: ReleaseId,
        #[source]
        source: Illegal,
    },
    /// Nothing is under way and nothing is to be done, before the end: a mistake in the core.
    #[error("release {0} waits for nothing")]
    Idle(ReleaseId),
    /// The ledger said a definite no.
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

pub(super) struct Driver {
    context: Arc<Context>,
    lane: LaneLease,
    place: Place,
    machine: Machine,
    running: JoinSet<(Step, StepOutcome)>,
    /// How to drop a step under way.
    under_way: BTreeMap<Step, AbortHandle>,
    /// What was locked when the fleet was last looked at; gone with the process, and then the look is repeated.
    note: Option<LockNote>,
    /// Whether the others of the queue know that its place is all that stands before this release.
    told_others: bool,
    /// Lapses of the lane's lease that are known of.
    lapses: u32,
    /// The number of the last status event.
    last_event: u64,
    clock: RollClock,
    stop: watch::Receiver<bool>,
    /// From when on nothing is waited for any more, once the worker stops.
    stops_at: Option<Instant>,
    commands: mpsc::Receiver<Given>,
}

impl Driver {
    /// Reads the journal; a release that was under way is taken over.
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
        // What is under way still would connect anew.
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
                Action::Perform { step, deadline } => self.perform(step, deadline)?,
                Action::Drop(step) => self.drop_step(&step),
                Action::LookAtQueue => self.look_at_queue().await,
                Action::LookAt(other) => self.look_at(other).await,
                Action::Wait(waits) => {
                    self.tell_others(waits.ready);
                    self.wait(waits.until).await?;
                }
                Action::Ended(outcome) => return Ok(outcome),
                Action::Stopped => return Err(Halt::Stopped),
                Action::Stuck => return Err(DriveError::Idle(self.id()).into()),
            }
        }
    }

    fn id(&self) -> ReleaseId {
        self.machine.release().request.id
    }

    /// The order to stop, and a lease that had run out meanwhile and is ours again: this process was stopped, or its ledger away.
    fn see_what_has_changed(&mut self) {
        if *self.stop.borrow() && self.stops_at.is_none() {
            self.stops_at = Some(Instant::now() + LAST_STEPS);
            self.machine.stop();
        }
        let lapses = self.lane.lease().map_or(self.lapses, |lease| lease.lapses());
        if std::mem::replace(&mut self.lapses, lapses) != lapses {
            tracing::warn!(release = %self.id(), "the lane's lease had run out: everything is looked at again");
            self.machine.lapsed();
        }
        if self.machine.release().is_queued() {
            // It may wait for days: what the machine's clock is set to meanwhile counts, and then no more.
            self.clock = RollClock::set(self.clock.now());
        }
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
                tracing::error!(release = %self.id(), error = causes, "what stands before it could not be read");
                self.machine.queue_is(None);
            }
        }
    }

    /// From the moment at which only its place stands before a release, it supersedes others.
    fn tell_others(&mut self, ready: bool) {
        if !std::mem::replace(&mut self.told_others, ready) && ready {
            self.place.tell_others();
        }
    }

    /// Waits for a step's end, for a control command, for the moment to look again, or for the order to stop.
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

    /// Takes a control command that can be taken, and tells its giver.
    async fn take_command(&mut self, given: Given) -> Result<(), Halt> {
        let Given {
            id,
            command,
            expires_at,
            taken,
        } = given;
        // The ledger was away: whoever gave it may have decided otherwise by now.
        let too_late = || Taken::No("it came too late: nobody took it in time".to_owned());
        let answer = match self.machine.judge(&id, command) {
            Judged::Known => Taken::Yes,
            _ if expires_at <= Timestamp::now() => too_late(),
            Judged::Refused(why) => Taken::No(why),
            Judged::Take(record) => match self.append_before(record, Some(expires_at)).await? {
                true => Taken::Yes,
                false => too_late(),
            },
        };
        // Who gave it may be gone; the command holds all the same.
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
            // The task itself has nothing that could break: the effect in it is caught.
            Err(_) => Err(Halt::Stopped),
        }
    }

    fn drop_step(&mut self, step: &Step) {
        if let Some(handle) = self.under_way.remove(step) {
            handle.abort();
        }
    }

    /// The effect of a step whose intent is written.
    fn perform(&mut self, step: Step, deadline: Timestamp) -> Result<(), Halt> {
        let Some(lease) = self.lane.lease() else {
            return Err(Halt::LostLane);
        };
        let release = self.machine.release();
        tracing::debug!(release = %release.request.id, %step, "performing");
        let performance = Performance {
            context: Arc::clone(&self.context),
            release: Arc::new(release.clone()),
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
        Ok(())
    }

    /// Writes what the machine says. A release begins only if the queue is as it was when it was looked at, and the intent of a
    /// step is written only while the lease lasts for its effect.
    async fn append_next(&mut self, record: Record) -> Result<(), Halt> {
        match &record {
            Record::Started if !self.place.claim() => {
                self.machine.queue_changed();
                return Ok(());
            }
            Record::Intent { step } => {
                self.safe_lease().await?;
                if matches!(step, Step::Inspect | Step::DetectJoined) {
                    self.note = self.context.ledger.lock_note(self.id()).await.ok();
                }
            }
            _ => {}
        }
        self.append_before(record, None).await.map(drop)
    }

    /// A lease that lasts for the effect that is about to begin.
    async fn safe_lease(&mut self) -> Result<Arc<Lease>, Halt> {
        loop {
            match self.lane.lease() {
                None => return Err(Halt::LostLane),
                Some(lease) if lease.remaining() > LEASE_LEFT => return Ok(lease),
                Some(_) => {}
            }
            tokio::select! {
                () = self.lane.changed() => {}
                _ = self.stop.changed() => return Err(Halt::Stopped),
            }
        }
    }

    /// Writes a record with the events that it brings, in one transaction. While the ledger is away nothing is done. Of a record
    /// that is good until a moment only, says whether it was written.
    async fn append_before(&mut self, record: Record, moment: Option<Timestamp>) -> Result<bool, Halt> {
        let id = self.id();
        let entry = Entry {
            n: self.machine.release().last_entry + 1,
            at: self.clock.now(),
            record,
        };
        let illegal = |source| DriveError::Journal { release: id, source };
        let mut next = self.machine.release().clone();
        next.apply(&entry).map_err(illegal)?;
        let events = crate::events::of_entry(&next, &entry, self.last_event, &self.context.worker);
        journal_log::log(id, &entry);
        let ended = next.ended.as_ref().map(|ended| ended.outcome);
        let mut tried = false;
        loop {
            let Some(lease) = self.lane.lease() else {
                return Err(Halt::LostLane);
            };
            let ledger = &self.context.ledger;
            match ledger
                .append_before(moment, &lease, id, &entry, &events, ended)
                .await
            {
                Ok(()) => break,
                Err(error) if error.is_lost_lease() => return Err(Halt::LostLane),
                Err(error) if error.is_unavailable() => {
                    let causes = crate::error_chain(&error);
                    tracing::error!(release = %id, error = causes, "the ledger is away: nothing is done until it is back");
                    tried = true;
                    sleep(LEDGER_RETRY).await;
                }
                // The disk said no, and had written it all the same.
                Err(_) if tried && self.is_last(&entry).await => break,
                Err(LedgerError::TooLate) => return Ok(false),
                Err(error) => return Err(DriveError::from(error).into()),
            }
            if *self.stop.borrow() {
                return Err(Halt::Stopped);
            }
        }
        self.last_event += events.len() as u64;
        self.machine.written(&entry).map_err(illegal)?;
        Ok(true)
    }

    async fn is_last(&self, entry: &Entry) -> bool {
        let journal = self.context.ledger.journal(self.id()).await;
        journal.is_ok_and(|journal| journal.last() == Some(entry))
    }
}

/// The runtime's clock for a moment of the journal's.
fn instant_of(at: Option<Timestamp>, now: Timestamp) -> Instant {
    let ms = at.map_or(0, |at| at.duration_since(now).as_millis());
    // A release expires within years at most; a day is enough to sleep at a time, the core is asked again then.
    let bounded = u64::try_from(ms).unwrap_or(0).min(24 * 3_600_000);
    Instant::now() + Duration::from_millis(bounded)
}
