//! One lane: its lease, and the line of its open releases.

use std::collections::VecDeque;
use std::sync::Arc;

use drawgate_schemas::{Environment, ReleaseId, Service};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use super::driver::{Driven, Driver, Hands};
use super::lanes::Pulse;
use super::limits::{LEASE_RETRY, LEDGER_RETRY, RENEWALS};
use crate::ledger::{Acquired, Lease, LedgerError};

/// Whether, and by which lease, the lane is ours. Every driver of the lane holds one.
#[derive(Clone)]
pub(super) struct LaneState(watch::Receiver<Option<Arc<Lease>>>);

impl LaneState {
    pub(super) fn lease(&self) -> Option<Arc<Lease>> {
        self.0.borrow().clone()
    }

    /// Comes back when the lane is ours no more.
    pub(super) async fn lost(&self) {
        let _ = self.0.clone().wait_for(Option::is_none).await;
    }

    pub(super) async fn changed(&mut self) {
        // The sender lives as long as the lane's drivers do.
        let _ = self.0.changed().await;
    }
}

/// The lane's open releases. The first of them may begin.
type Line = VecDeque<Queued>;

#[derive(Clone, Copy)]
struct Queued {
    id: ReleaseId,
    emergency: bool,
}

/// A place in the line.
pub(super) struct Turn {
    id: ReleaseId,
    seen: watch::Receiver<Line>,
    line: watch::Sender<Line>,
}

impl Turn {
    fn new(id: ReleaseId, line: &watch::Sender<Line>) -> Self {
        Self {
            id,
            seen: line.subscribe(),
            line: line.clone(),
        }
    }

    /// Comes back when the line has changed, at once where this release is the first of it: says whether it is.
    pub(super) async fn come(&mut self) -> bool {
        if !self.is_first() {
            self.line_changed().await;
        }
        self.is_first()
    }

    fn is_first(&mut self) -> bool {
        let line = self.seen.borrow_and_update();
        line.front().is_some_and(|first| first.id == self.id)
    }

    /// Comes back when the line has changed, or what is known of those in it.
    pub(super) async fn line_changed(&mut self) {
        // The line lives as long as the lane does.
        let _ = self.seen.changed().await;
    }

    /// Those that wait behind this one are to look again at what is known of it.
    pub(super) fn tell_others(&self) {
        self.line.send_modify(|_| {});
    }

    /// Lets emergencies go first. Only for a release that has not begun, and only its own driver does it: so what has begun
    /// keeps its place, and nothing else begins beside it.
    pub(super) fn give_way(&self) {
        self.line.send_if_modified(|line| give_way(line, self.id));
    }
}

/// Puts this release behind the last emergency, if it is not one itself; says whether it was before it.
fn give_way(line: &mut Line, id: ReleaseId) -> bool {
    let own = line.iter().position(|queued| queued.id == id);
    let last = line.iter().rposition(|queued| queued.emergency);
    let (Some(own), Some(last)) = (own, last) else {
        return false;
    };
    if own >= last || line.get(own).is_some_and(|own| own.emergency) {
        return false;
    }
    let Some(queued) = line.remove(own) else {
        return false;
    };
    // Those behind it have moved up by one: this is the place behind the emergency.
    line.insert(last, queued);
    true
}

/// One lane's task.
pub(super) struct Lane {
    pub(super) environment: Environment,
    pub(super) service: Service,
    pub(super) hands: Arc<Hands>,
    pub(super) pulse: Pulse,
    pub(super) accepted: mpsc::UnboundedReceiver<ReleaseId>,
}

impl Lane {
    /// Holds the lane for as long as the worker runs, and drives its releases. A lane that is lost is asked for again:
    /// its releases are in the ledger.
    pub(super) async fn run(mut self) {
        let mut stop = self.hands.stop.clone();
        while !*stop.borrow() {
            let Some(lease) = self.acquire(&mut stop).await else {
                return;
            };
            self.hold(lease, &mut stop).await;
        }
    }

    async fn acquire(&self, stop: &mut watch::Receiver<bool>) -> Option<Lease> {
        let mut said = false;
        loop {
            self.pulse.beat();
            let pause = match self.hands.ledger.acquire(&self.environment, &self.service).await {
                Ok(Acquired::Lease(lease)) => return Some(lease),
                Ok(Acquired::Held { worker, holder, .. }) => {
                    if !said {
                        tracing::warn!(lane = %self.name(), worker, %holder, "another worker holds this lane: waiting");
                        said = true;
                    }
                    LEASE_RETRY
                }
                Err(error) => {
                    let causes = crate::error_chain(&error);
                    tracing::error!(
                        lane = %self.name(),
                        error = causes,
                        hint = "when another process hangs in the middle of a transaction: fuser -v on the ledger names it",
                        "the lane's lease could not be had"
                    );
                    LEDGER_RETRY
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                _ = stop.changed() => return None,
            }
        }
    }

    /// From here on the lane is ours, until it is lost or the worker stops.
    async fn hold(&mut self, lease: Lease, stop: &mut watch::Receiver<bool>) {
        let mut renewal = interval(lease.length() / RENEWALS);
        let (lease_sender, lease_receiver) = watch::channel(Some(Arc::new(lease)));
        let state = LaneState(lease_receiver);
        let (line, _) = watch::channel(Line::new());
        let mut drivers = JoinSet::new();
        self.line_up(&line, &state, &mut drivers).await;
        loop {
            self.pulse.beat();
            tokio::select! {
                Some(_) = self.accepted.recv() => self.line_up(&line, &state, &mut drivers).await,
                Some(ended) = drivers.join_next() => {
                    let id = ended.unwrap_or_else(|error| {
                        tracing::error!(lane = %self.name(), %error, "a driver broke");
                        None
                    });
                    if let Some(id) = id {
                        line.send_modify(|line| line.retain(|other| other.id != id));
                    }
                }
                _ = renewal.tick() => {
                    if !self.renew(&lease_sender).await {
                        break;
                    }
                    // Another worker on this ledger may have accepted a release while the lane was ours.
                    self.line_up(&line, &state, &mut drivers).await;
                }
                _ = stop.changed() => break,
            }
        }
        // Drivers see the order to stop, or the loss of the lane, and come to their end by themselves.
        while drivers.join_next().await.is_some() {}
        if let Some(lease) = lease_sender.send_replace(None).and_then(Arc::into_inner)
            && let Err(error) = self.hands.ledger.give_back(lease).await
        {
            tracing::warn!(lane = %self.name(), %error, "the lease was not given back: it ends by itself");
        }
    }

    async fn renew(&self, lease: &watch::Sender<Option<Arc<Lease>>>) -> bool {
        let Some(held) = lease.borrow().clone() else {
            return false;
        };
        match self.hands.ledger.renew(&held).await {
            Ok(()) => {
                // The lease itself knows its new end; those who wait for it are told.
                lease.send_modify(|_| {});
                true
            }
            Err(error) if error.is_unavailable() => {
                tracing::error!(lane = %self.name(), %error, "the lease could not be renewed");
                true
            }
            Err(error) => {
                tracing::error!(lane = %self.name(), %error, "the lane is lost");
                lease.send_replace(None);
                false
            }
        }
    }

    /// Every open release of the ledger that is not in the line yet joins it, in the order of acceptance.
    async fn line_up(
        &self,
        line: &watch::Sender<Line>,
        state: &LaneState,
        drivers: &mut JoinSet<Option<ReleaseId>>,
    ) {
        let new = match self.new_ones(line).await {
            Ok(new) => new,
            Err(error) => {
                // The next renewal tries again.
                tracing::error!(lane = %self.name(), %error, "open releases could not be read");
                return;
            }
        };
        if new.is_empty() {
            return;
        }
        // All of them before the first is driven: it might have to give way.
        line.send_modify(|line| line.extend(new.iter().copied()));
        for Queued { id, .. } in new {
            let turn = Turn::new(id, line);
            drivers.spawn(drive(Arc::clone(&self.hands), state.clone(), id, turn));
        }
    }

    async fn new_ones(&self, line: &watch::Sender<Line>) -> Result<Vec<Queued>, LedgerError> {
        let mut new = Vec::new();
        for release in self.hands.ledger.open_releases().await? {
            let ours = release.environment == self.environment && release.service == self.service;
            let id = release.id;
            if ours && !line.borrow().iter().any(|queued| queued.id == id) {
                let request = self.hands.ledger.request(id).await?;
                let emergency = request.is_some_and(|request| request.emergency.is_some());
                new.push(Queued { id, emergency });
            }
        }
        Ok(new)
    }

    fn name(&self) -> String {
        format!("{}.{}", self.environment, self.service)
    }
}

/// Drives one release; gives its id when its place in the line is free.
async fn drive(hands: Arc<Hands>, state: LaneState, id: ReleaseId, turn: Turn) -> Option<ReleaseId> {
    let driven = match Driver::take_up(hands, state, id).await {
        Ok(driver) => driver.drive(turn).await,
        Err(error) => Err(error),
    };
    match driven {
        Ok(Driven::Ended(_)) => Some(id),
        Ok(Driven::Stopped | Driven::LostLane) => None,
        Err(error) => {
            // Its lane stays blocked: what it left behind is not known, and the next one must not roll over it.
            let causes = crate::error_chain(&error);
            tracing::error!(release = %id, error = %causes, "cannot go on; its lane is held until a person has looked");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(names: &str) -> Line {
        let queued = |(n, name): (usize, char)| Queued {
            id: id(n),
            emergency: name == 'E',
        };
        names.chars().enumerate().map(queued).collect()
    }

    fn id(n: usize) -> ReleaseId {
        format!("01936a5e-7c2e-7d10-8a44-5c1f2e9b0d{n:02}")
            .parse()
            .unwrap()
    }

    #[test]
    fn who_waits_gives_way_to_every_emergency_and_an_emergency_to_none() {
        for (before, who, after) in [
            ("a", 0, None),
            ("ab", 0, None),
            ("aE", 0, Some(vec![1, 0])),
            ("aEb", 0, Some(vec![1, 0, 2])),
            ("abEcE", 1, Some(vec![0, 2, 3, 4, 1])),
            ("Ea", 1, None),
            ("EE", 0, None),
            ("aE", 7, None),
        ] {
            let mut now = line(before);
            assert_eq!(give_way(&mut now, id(who)), after.is_some(), "{before} {who}");
            let places: Vec<ReleaseId> = now.iter().map(|queued| queued.id).collect();
            let after = after.unwrap_or_else(|| (0..before.len()).collect());
            assert_eq!(
                places,
                after.into_iter().map(id).collect::<Vec<_>>(),
                "{before} {who}"
            );
        }
    }
}
