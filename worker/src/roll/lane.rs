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

/// The lane's open releases, in the order of acceptance.
type Line = VecDeque<Queued>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Queued {
    id: ReleaseId,
    emergency: bool,
    begun: bool,
}

/// Whose turn it is: what has begun, then emergencies, then in the order of acceptance. The ledger counts by the same rule.
fn next(line: &Line) -> Option<&Queued> {
    let begun = line.iter().find(|queued| queued.begun);
    begun
        .or_else(|| line.iter().find(|queued| queued.emergency))
        .or_else(|| line.front())
}

/// Lets a release begin, if it is its turn and nothing has begun: says whether it may.
fn claim(line: &mut Line, id: ReleaseId) -> bool {
    let free = next(line).is_some_and(|next| next.id == id && !next.begun);
    let own = line.iter_mut().find(|queued| queued.id == id && free);
    own.map(|own| own.begun = true).is_some()
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

    /// From here on the line's changes count: what is asked of the ledger now is of the line as it is now.
    pub(super) fn look(&mut self) {
        self.seen.mark_unchanged();
    }

    /// Whether it is this release's turn, and the line as it was when it was looked at.
    pub(super) fn has_come(&self) -> bool {
        let unchanged = !self.seen.has_changed().unwrap_or(false);
        unchanged && next(&self.seen.borrow()).is_some_and(|next| next.id == self.id)
    }

    /// Comes back when the line has changed since it was looked at, or what is known of those in it.
    pub(super) async fn line_changed(&mut self) {
        // The line lives as long as the lane does.
        let _ = self.seen.changed().await;
    }

    /// Those that wait behind this one are to look again at what is known of it.
    pub(super) fn tell_others(&self) {
        self.line.send_modify(|_| {});
    }

    /// Begins, unless another one goes first by now: of a lane's releases one has begun at a time.
    pub(super) fn claim(&self) -> bool {
        let mut claimed = false;
        self.line.send_if_modified(|line| {
            claimed = claim(line, self.id);
            claimed
        });
        claimed
    }
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
        // All of them before the first is driven: another one may go first.
        line.send_modify(|line| line.extend(new.iter().copied()));
        for Queued { id, .. } in new {
            let turn = Turn::new(id, line);
            drivers.spawn(drive(Arc::clone(&self.hands), state.clone(), id, turn));
        }
    }

    async fn new_ones(&self, line: &watch::Sender<Line>) -> Result<Vec<Queued>, LedgerError> {
        let open = self.hands.ledger.open_releases().await?;
        let line = line.borrow();
        let ours = open.into_iter().filter(|release| {
            let ours = release.environment == self.environment && release.service == self.service;
            ours && !line.iter().any(|queued| queued.id == release.id)
        });
        let queued = ours.map(|release| Queued {
            id: release.id,
            emergency: release.emergency,
            begun: release.begun,
        });
        Ok(queued.collect())
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

    /// `e` is an emergency; a capital letter has begun.
    fn line(names: &str) -> Line {
        let queued = |(n, name): (usize, char)| Queued {
            id: id(n),
            emergency: matches!(name, 'e' | 'E'),
            begun: name.is_ascii_uppercase(),
        };
        names.chars().enumerate().map(queued).collect()
    }

    fn id(n: usize) -> ReleaseId {
        format!("01936a5e-7c2e-7d10-8a44-5c1f2e9b0d{n:02}")
            .parse()
            .unwrap()
    }

    #[test]
    fn what_has_begun_goes_first_then_emergencies_then_who_came_first() {
        for (names, first) in [
            ("a", 0),
            ("ab", 0),
            ("abe", 2),
            ("aebe", 1),
            ("abE", 2),
            ("aBe", 1),
        ] {
            let mut line = line(names);
            assert_eq!(next(&line).map(|next| next.id), Some(id(first)), "{names}");
            let has_begun = line.iter().any(|queued| queued.begun);
            let places: Vec<ReleaseId> = line.iter().map(|queued| queued.id).collect();
            let claimed: Vec<ReleaseId> = places.into_iter().filter(|one| claim(&mut line, *one)).collect();
            let one = if has_begun { vec![] } else { vec![id(first)] };
            assert_eq!(
                claimed, one,
                "{names}: one begins, and none beside what has begun"
            );
        }
        assert_eq!(next(&line("")), None);
    }
}
