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
use crate::ledger::{Acquired, Lease};

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

/// A place in the line.
pub(super) struct Turn(watch::Receiver<VecDeque<ReleaseId>>);

impl Turn {
    /// Comes back when the line has changed, at once where this release is the first of it: says whether it is.
    pub(super) async fn come(&mut self, id: ReleaseId) -> bool {
        if self.0.borrow_and_update().front() != Some(&id) {
            self.line_changed().await;
        }
        self.0.borrow_and_update().front() == Some(&id)
    }

    /// Comes back when somebody has joined the line, or left it.
    pub(super) async fn line_changed(&mut self) {
        // The line lives as long as the lane does.
        let _ = self.0.changed().await;
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
        let (line, _) = watch::channel(VecDeque::new());
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
                        line.send_modify(|line| line.retain(|other| *other != id));
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
        line: &watch::Sender<VecDeque<ReleaseId>>,
        state: &LaneState,
        drivers: &mut JoinSet<Option<ReleaseId>>,
    ) {
        let open = match self.hands.ledger.open_releases().await {
            Ok(open) => open,
            Err(error) => {
                // The next renewal tries again.
                tracing::error!(lane = %self.name(), %error, "open releases could not be read");
                return;
            }
        };
        let ours = open
            .into_iter()
            .filter(|release| release.environment == self.environment && release.service == self.service);
        for release in ours {
            if line.borrow().contains(&release.id) {
                continue;
            }
            line.send_modify(|line| line.push_back(release.id));
            let turn = Turn(line.subscribe());
            drivers.spawn(drive(Arc::clone(&self.hands), state.clone(), release.id, turn));
        }
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
