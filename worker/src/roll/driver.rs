//! The loop around `decide` for one release: append the intent, perform, append the outcome, ask again.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use drawgate_rollout::{
    Decision, Entry, Failure, Illegal, OnShutdown, Record, Release, Step, StepOutcome, StepState,
    could_begin, decide, holds, narrate, superseded, unproven,
};
use drawgate_schemas::{Ended, Hold, Outcome, ReleaseId, StatusEvent, Version1};
use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::lane::{LaneState, Turn};
use super::limits::{LAST_STEPS, LEASE_LEFT, LEDGER_RETRY};
use super::locks;
use super::orders::{Given, Orders, Taken};
use crate::clock::RollClock;
use crate::effects::{Effects, Tenant};
use crate::ledger::{Lease, Ledger, LedgerError, LockNote};

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

/// Everything that a driver needs, shared by all.
pub(super) struct Hands {
    pub(super) ledger: Ledger,
    pub(super) effects: Effects,
    pub(super) worker: String,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) orders: Orders,
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
    hands: Arc<Hands>,
    lane: LaneState,
    release: Release,
    running: JoinSet<(Step, StepOutcome)>,
    /// How to drop a step under way, when the core has recorded what came of it.
    under_way: BTreeMap<Step, AbortHandle>,
    /// What was locked when the fleet was last looked at; gone with the process, and then the look is repeated.
    note: Option<LockNote>,
    /// Whether those who wait with it know that it can begin.
    told_others: bool,
    /// Lapses of the lane's lease that are known of.
    lapses: u32,
    clock: RollClock,
    stop: watch::Receiver<bool>,
    orders: mpsc::Receiver<Given>,
}

impl Driver {
    /// Reads the journal; a release that was under way is taken up.
    pub(super) async fn take_up(
        hands: Arc<Hands>,
        lane: LaneState,
        id: ReleaseId,
    ) -> Result<Self, DriveError> {
        let (journal, last_event) = loop {
            let read = async {
                let journal = hands.ledger.journal(id).await?;
                Ok::<_, LedgerError>((journal, hands.ledger.last_event(id).await?))
            };
            match read.await {
                Err(error) if error.is_unavailable() && !*hands.stop.borrow() => sleep(LEDGER_RETRY).await,
                read => break read?,
            }
        };
        let mut release =
            Release::fold(&journal).map_err(|source| DriveError::Journal { release: id, source })?;
        // A version before may have told the same entries in fewer events, or in more.
        release.last_event = last_event;
        let stop = hands.stop.clone();
        let orders = hands.orders.listen(id);
        let lapses = lane.lease().map_or(0, |lease| lease.lapses());
        let clock = clock_after(&journal);
        Ok(Self {
            hands,
            lane,
            release,
            running: JoinSet::new(),
            under_way: BTreeMap::new(),
            note: None,
            told_others: false,
            lapses,
            clock,
            stop,
            orders,
        })
    }

    /// Drives the release to its end, or until the worker stops.
    pub(super) async fn drive(mut self, mut turn: Turn) -> Result<Driven, DriveError> {
        let driven = self.run_to_a_halt(&mut turn).await;
        // What is under way still would connect anew.
        self.running.shutdown().await;
        self.hands.effects.leave(self.release.request.id).await;
        driven
    }

    async fn run_to_a_halt(&mut self, turn: &mut Turn) -> Result<Driven, DriveError> {
        match self.run(turn).await {
            Ok(outcome) => Ok(Driven::Ended(outcome)),
            Err(Halt::Stopped) => {
                self.last_steps().await;
                Ok(Driven::Stopped)
            }
            Err(Halt::LostLane) => Ok(Driven::LostLane),
            Err(Halt::Error(error)) => Err(error),
        }
    }

    async fn run(&mut self, turn: &mut Turn) -> Result<Outcome, Halt> {
        if self.was_under_way() {
            self.append(Record::TakenUp).await?;
        }
        loop {
            if let Some(ended) = &self.release.ended {
                return Ok(ended.outcome);
            }
            if *self.stop.borrow() {
                return Err(Halt::Stopped);
            }
            self.after_a_lapse().await?;
            turn.look();
            if self.release.is_queued() {
                // It may wait for days: what the machine's clock is set to meanwhile counts, and then no more.
                self.clock = RollClock::set(self.clock.now());
            }
            let changed_by_others = self.changed_by_others().await?;
            if changed_by_others == Some(true) {
                continue;
            }
            let (mut wake, mut changed) = (None, false);
            let decisions = decide(&self.release, self.clock.now());
            let can_begin = decisions == [Decision::AwaitTurn];
            if !std::mem::replace(&mut self.told_others, can_begin) && can_begin {
                turn.tell_others();
            }
            if decisions.is_empty() && self.running.is_empty() {
                return Err(DriveError::Idle(self.release.request.id).into());
            }
            for decision in decisions {
                match decision {
                    Decision::Append(record) => {
                        self.append(record).await?;
                        changed = true;
                    }
                    Decision::AwaitTurn => {
                        self.await_turn(turn, changed_by_others.is_some()).await?;
                        changed = true;
                    }
                    Decision::Perform { step, deadline } => self.begin(step, deadline).await?,
                    Decision::WakeAt(at) => {
                        wake = Some(wake.map_or(at, |earlier: Timestamp| earlier.min(at)))
                    }
                }
            }
            // What was recorded just now may call for something else, whatever is under way beside it.
            if !changed {
                self.await_something(wake, turn).await?;
            }
        }
    }

    /// Before it begins: records what other releases and gates mean for it now, where that has changed. Says whether it has;
    /// `None` where the ledger could not tell, and then it is not begun.
    async fn changed_by_others(&mut self) -> Result<Option<bool>, Halt> {
        // A tag that is being resolved is resolved first.
        if !self.release.is_queued() || !self.running.is_empty() {
            return Ok(Some(false));
        }
        let record = async {
            Ok::<_, LedgerError>(match self.superseded().await? {
                Some(ended) => Some(ended),
                None => self.gate().await?,
            })
        };
        match record.await {
            Ok(Some(record)) => {
                self.append(record).await?;
                Ok(Some(true))
            }
            Ok(None) => Ok(Some(false)),
            Err(error) => {
                let causes = crate::error_chain(&error);
                tracing::error!(release = %self.release.request.id, error = causes, "what stands before it could not be read");
                Ok(None)
            }
        }
    }

    /// Whether another release of its target takes its place. Asked again whenever the line changes.
    async fn superseded(&self) -> Result<Option<Record>, LedgerError> {
        let request = &self.release.request;
        let policy = self.hands.effects.supersedes(request);
        let mut others = self.hands.ledger.others_of(request.id).await?;
        while let Some((by, ended)) = superseded(request, &others, policy) {
            if by.has_succeeded || self.can_begin(by.id).await? {
                let ended = Box::new(ended);
                return Ok(Some(Record::Ended { ended }));
            }
            let by = by.id;
            others.retain(|other| other.id != by);
        }
        Ok(None)
    }

    /// Whether a release may take another one's place: it rolls, or nothing but its lane stands before its beginning. One whose tag nobody has,
    /// that has to succeed elsewhere first, that is blocked or waits for its approval may never begin.
    async fn can_begin(&self, other: ReleaseId) -> Result<bool, LedgerError> {
        // One whose journal cannot be read or followed is told by its own driver.
        let release = match self.hands.ledger.journal(other).await {
            Ok(journal) => Release::fold(&journal),
            Err(error) if error.is_unavailable() => return Err(error),
            Err(_) => return Ok(false),
        };
        let Ok(release) = release else {
            return Ok(false);
        };
        if release.started_at.is_some() {
            return Ok(true);
        }
        let now = Timestamp::now();
        if release.request.emergency.is_some() {
            return Ok(could_begin(&release, &[], now));
        }
        let holds = self.holds(&release, now).await?;
        Ok(could_begin(&release, &holds, now) && self.unproven(&release).await?.is_none())
    }

    /// Freezes and windows that block a release now. They are of the calendar.
    async fn holds(&self, release: &Release, now: Timestamp) -> Result<Vec<Hold>, LedgerError> {
        let freezes = self.hands.ledger.freezes(now).await?;
        let gates = self.hands.effects.gates(&release.request);
        Ok(holds(&release.request.environment, &gates, &freezes, now))
    }

    async fn unproven(&self, release: &Release) -> Result<Option<Ended>, LedgerError> {
        let (request, digest) = (&release.request, release.digest.as_ref());
        let gates = self.hands.effects.gates(request);
        let mut proven = false;
        if let (Some(required), Some(digest)) = (&gates.requires, digest) {
            for environment in [required, &request.environment] {
                let succeeded = self
                    .hands
                    .ledger
                    .has_succeeded(&request.service, digest, environment);
                proven = proven || succeeded.await?;
            }
        }
        Ok(unproven(request, digest, &gates, proven))
    }

    /// What stands before it now, where that has changed.
    async fn gate(&self) -> Result<Option<Record>, LedgerError> {
        let release = &self.release;
        let waits = release.awaited_approval().is_some() || release.turned_back.is_some();
        if waits || !release.is_resolved() || release.request.emergency.is_some() {
            return Ok(None);
        }
        if let Some(ended) = self.unproven(release).await? {
            let ended = Box::new(ended);
            return Ok(Some(Record::Ended { ended }));
        }
        let holds = self.holds(release, Timestamp::now()).await?;
        Ok((holds != release.holds).then_some(Record::Held { holds }))
    }

    /// The lane's lease had run out and is ours again: this process was stopped, or its ledger away. As after a take-up,
    /// nothing that was under way is known, and nobody knows who has the fleet now.
    async fn after_a_lapse(&mut self) -> Result<(), Halt> {
        let lapses = self.lane.lease().map_or(self.lapses, |lease| lease.lapses());
        if lapses == self.lapses || self.release.started_at.is_none() {
            return Ok(());
        }
        self.lapses = lapses;
        self.running.abort_all();
        self.under_way.clear();
        tracing::warn!(release = %self.release.request.id, "the lane's lease had run out: everything is looked at again");
        self.append(Record::TakenUp).await
    }

    /// Whether another process left the release in the middle of something.
    fn was_under_way(&self) -> bool {
        let open = self.release.steps.values().any(|state| state.last.is_none());
        self.release.ended.is_none() && (open || self.release.started_at.is_some())
    }

    /// Waits for a step's end, for the moment to look again, or for the order to stop.
    async fn await_something(&mut self, wake: Option<Timestamp>, turn: &mut Turn) -> Result<(), Halt> {
        if self.running.is_empty() && wake.is_none() {
            return Ok(());
        }
        tokio::select! {
            Some(given) = self.orders.recv() => self.take_order(given).await,
            Some(ended) = self.running.join_next() => self.conclude(ended).await,
            () = sleep_until(instant_of(wake, self.clock.now())), if wake.is_some() => Ok(()),
            () = turn.line_changed(), if self.release.started_at.is_none() => Ok(()),
            () = self.lane.lost() => Err(Halt::LostLane),
            _ = self.stop.changed() => Err(Halt::Stopped),
        }
    }

    /// Records an order that can be taken, and tells its giver. One that came before is not given twice.
    async fn take_order(&mut self, given: Given) -> Result<(), Halt> {
        let Given {
            id,
            ordered,
            expires_at,
            taken,
        } = given;
        // The ledger was away: whoever gave it may have decided otherwise by now.
        let too_late = || Taken::No("it came too late: nobody took it in time".to_owned());
        let answer = if self.release.orders.contains(&id) {
            Taken::Yes
        } else if expires_at <= Timestamp::now() {
            too_late()
        } else {
            match self.release.accepts(&ordered) {
                Err(why) => Taken::No(why),
                Ok(()) => {
                    let record = Record::Ordered { id, ordered };
                    match self.append_before(record, Some(expires_at)).await? {
                        true => Taken::Yes,
                        false => too_late(),
                    }
                }
            }
        };
        // Who gave it may be gone; the order holds all the same.
        let _ = taken.send(answer);
        Ok(())
    }

    /// Records what came of a step, unless the core has done so itself and the step was dropped.
    async fn conclude(&mut self, ended: Result<(Step, StepOutcome), JoinError>) -> Result<(), Halt> {
        let (step, outcome) = match ended {
            Ok(ended) => ended,
            Err(dropped) if dropped.is_cancelled() => return Ok(()),
            // The task itself has nothing that could break: the effect in it is caught.
            Err(_) => return Err(Halt::Stopped),
        };
        let is_open = |state: &StepState| state.last.is_none();
        match self.release.steps.get(&step).is_some_and(is_open) {
            true => self.append(Record::Outcome { step, outcome }).await,
            false => Ok(()),
        }
    }

    /// Begins, once it is its turn. `known` says whether the ledger could tell that nothing stands before it.
    async fn await_turn(&mut self, turn: &mut Turn, known: bool) -> Result<(), Halt> {
        let expires = self.release.request.expires_at;
        let its_turn = known && turn.has_come();
        let ready = its_turn && self.has_room().await;
        // What expired while it waited is not begun: the core says so when it is asked again.
        if ready && expires.is_none_or(|expires| expires > self.clock.now()) && turn.claim() {
            return self.append(Record::Started).await;
        }
        let asks_again = !known || (its_turn && !ready);
        tokio::select! {
            () = turn.line_changed() => Ok(()),
            () = sleep(LEDGER_RETRY), if asks_again => Ok(()),
            Some(given) = self.orders.recv() => self.take_order(given).await,
            () = sleep_until(instant_of(expires, self.clock.now())), if expires.is_some() => Ok(()),
            () = self.lane.lost() => Err(Halt::LostLane),
            _ = self.stop.changed() => Err(Halt::Stopped),
        }
    }

    /// Whether the ledger has room for a whole roll.
    async fn has_room(&self) -> bool {
        let Err(error) = self.hands.ledger.ready().await else {
            return true;
        };
        let causes = crate::error_chain(&error);
        tracing::error!(release = %self.release.request.id, error = causes, "not begun until the ledger is ready");
        false
    }

    /// Intent first, then the effect.
    async fn begin(&mut self, step: Step, deadline: Timestamp) -> Result<(), Halt> {
        let lease = self.safe_lease().await?;
        self.append(Record::Intent { step: step.clone() }).await?;
        if matches!(step, Step::Inspect | Step::Sweep) {
            self.note = self.hands.ledger.lock_note(self.release.request.id).await.ok();
        }
        let (hands, release) = (Arc::clone(&self.hands), Arc::new(self.release.clone()));
        let note = self.note.clone();
        let deadline = instant_of(Some(deadline), self.clock.now());
        tracing::debug!(release = %release.request.id, %step, "performing");
        let (begun, clock) = (step.clone(), self.clock);
        let handle = self.running.spawn(async move {
            let effect = async {
                match &step {
                    Step::Lock => locks::lock(&hands.ledger, &lease, &release, note.as_ref(), deadline).await,
                    Step::TakeLease | Step::GiveLeaseBack => {
                        let tenant = tenant(&hands.ledger, &lease);
                        hands.effects.lease(&release, &step, &tenant, deadline).await
                    }
                    _ => hands.effects.perform(&release, &step, deadline, clock).await,
                }
            };
            let outcome = guarded(&lease, effect).await;
            (step, outcome)
        });
        self.under_way.insert(begun, handle);
        Ok(())
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

    /// Writes a record with the events it brings, in one transaction. While the ledger is away nothing is done.
    async fn append(&mut self, record: Record) -> Result<(), Halt> {
        self.append_before(record, None).await.map(drop)
    }

    /// As [`Self::append`], of a record that is good until a moment only: says whether it was written.
    async fn append_before(&mut self, record: Record, moment: Option<Timestamp>) -> Result<bool, Halt> {
        let entry = Entry {
            n: self.release.last_entry + 1,
            at: self.clock.now(),
            record,
        };
        let mut next = self.release.clone();
        let id = next.request.id;
        next.apply(&entry)
            .map_err(|source| DriveError::Journal { release: id, source })?;
        let events = number(&mut next, &entry, &self.hands.worker);
        log(id, &entry);
        let ended = next.ended.as_ref().map(|ended| ended.outcome);
        let mut tried = false;
        loop {
            let Some(lease) = self.lane.lease() else {
                return Err(Halt::LostLane);
            };
            let ledger = &self.hands.ledger;
            match ledger
                .append_before(moment, &lease, id, &entry, &events, ended)
                .await
            {
                Ok(()) => break,
                Err(error) if error.is_lost_lease() => return Err(Halt::LostLane),
                Err(error) if error.is_unavailable() => {
                    tracing::error!(release = %id, %error, "the ledger is away: nothing is done until it is back");
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
        self.release = next;
        if let Record::Outcome { step, .. } = &entry.record
            && let Some(handle) = self.under_way.remove(step)
        {
            handle.abort();
        }
        Ok(true)
    }

    async fn is_last(&self, entry: &Entry) -> bool {
        let journal = self.hands.ledger.journal(self.release.request.id).await;
        journal.is_ok_and(|journal| journal.last() == Some(entry))
    }

    /// At a shutdown: waits are dropped, they will be begun anew; what changes something is given a moment to end.
    async fn last_steps(&mut self) {
        let finishes = |step: &Step| step.properties().on_shutdown == OnShutdown::Finish;
        let open = |release: &Release| {
            let mut steps = release.steps.iter();
            steps.any(|(step, state)| state.last.is_none() && finishes(step))
        };
        let until = Instant::now() + LAST_STEPS;
        while open(&self.release) {
            tokio::select! {
                ended = self.running.join_next() => {
                    let Some(ended) = ended else { return };
                    if self.conclude(ended).await.is_err() {
                        return;
                    }
                }
                () = sleep_until(until) => return,
            }
        }
    }
}

fn clock_after(journal: &[Entry]) -> RollClock {
    let last = journal.last().map_or_else(Timestamp::now, |entry| entry.at);
    RollClock::set(last)
}

fn tenant(ledger: &Ledger, lease: &Lease) -> Tenant {
    Tenant {
        ledger: ledger.identity().to_owned(),
        worker: ledger.worker().to_owned(),
        epoch: lease.epoch(),
    }
}

/// Carries an effect on for as long as the lease lasts: beyond the call that is on its way nothing more is done. A panic
/// is a mistake of ours; what the effect did then is not known, and the core looks again.
async fn guarded(lease: &Lease, effect: impl Future<Output = StepOutcome>) -> StepOutcome {
    let unknown = |what: &str| StepOutcome::Unknown {
        failure: Failure::new(what),
    };
    let lapses = lease.lapses();
    let mut effect = Box::pin(AssertUnwindSafe(effect).catch_unwind());
    std::future::poll_fn(|context| {
        if lease.remaining().is_zero() || lease.lapses() != lapses {
            return Poll::Ready(unknown("the lane's lease ran out while this was under way"));
        }
        let ended = effect.as_mut().poll(context);
        ended.map(|outcome| outcome.unwrap_or_else(|_| unknown("a mistake in drawgate-worker: see its log")))
    })
    .await
}

/// Status events for an entry, numbered on from the last one.
pub(crate) fn number(release: &mut Release, entry: &Entry, worker: &str) -> Vec<StatusEvent> {
    let (id, environment, service) = (
        release.request.id,
        release.request.environment.clone(),
        release.request.service.clone(),
    );
    let mut events = Vec::new();
    for event in narrate(release, entry) {
        release.last_event += 1;
        events.push(StatusEvent {
            version: Version1,
            id: Uuid::now_v7(),
            release: Some(id),
            sequence: release.last_event,
            at: entry.at,
            environment: Some(environment.clone()),
            service: Some(service.clone()),
            worker: worker.to_owned(),
            event,
        });
    }
    events
}

fn log(id: ReleaseId, entry: &Entry) {
    match &entry.record {
        Record::Intent { step } => tracing::info!(release = %id, n = entry.n, %step, "begins"),
        Record::Outcome { step, outcome } => match outcome.failure() {
            None => tracing::info!(release = %id, n = entry.n, %step, "done"),
            Some(Failure { what, .. }) => {
                tracing::warn!(release = %id, n = entry.n, %step, %what, "not done")
            }
        },
        Record::TurnedBack { cause } => {
            tracing::warn!(release = %id, n = entry.n, step = %cause.step, what = %cause.failure.what, "turns back");
        }
        Record::Ended { ended } => {
            tracing::info!(release = %id, n = entry.n, outcome = %ended.outcome, summary = %ended.summary, "ended");
        }
        Record::SetAside { cause } => {
            tracing::warn!(release = %id, n = entry.n, step = %cause.step, what = %cause.failure.what, "set aside");
        }
        Record::TryAgain { instance } => {
            tracing::info!(release = %id, n = entry.n, instance, "is tried once more");
        }
        Record::RolledNext { instances, kept } => {
            tracing::warn!(release = %id, n = entry.n, ?instances, group = kept.target_group, "sick, rolled next");
        }
        Record::SickWaitBegun { kept, until, .. } => {
            tracing::warn!(release = %id, n = entry.n, sick = ?kept.sick, group = kept.target_group, %until, "sick, waited for");
        }
        Record::Ordered { ordered, .. } => {
            tracing::warn!(release = %id, n = entry.n, order = %ordered.order, by = ordered.by, "ordered");
        }
        Record::Held { holds } => {
            let holds: Vec<String> = holds.iter().map(ToString::to_string).collect();
            tracing::info!(release = %id, n = entry.n, ?holds, "what holds it");
        }
        Record::Accepted { .. } | Record::Started | Record::SickWaitOver | Record::TakenUp => {
            tracing::info!(release = %id, n = entry.n, "{}", kind(&entry.record));
        }
    }
}

fn kind(record: &Record) -> &'static str {
    match record {
        Record::Accepted { .. } => "accepted",
        Record::Started => "its turn has come",
        Record::SickWaitOver => "nobody is sick any more",
        Record::TakenUp => "taken up",
        _ => "",
    }
}

/// The runtime's clock for a moment of the journal's.
fn instant_of(at: Option<Timestamp>, now: Timestamp) -> Instant {
    let ms = at.map_or(0, |at| at.duration_since(now).as_millis());
    // A release expires within years at most; a day is enough to sleep at a time, the core is asked again then.
    let bounded = u64::try_from(ms).unwrap_or(0).min(24 * 3_600_000);
    Instant::now() + Duration::from_millis(bounded)
}
