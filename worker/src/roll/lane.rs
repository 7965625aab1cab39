//! One lane: its lease, and the queue of its open releases.

use std::sync::Arc;

use drawgate_rollout::Queued;
use drawgate_schemas::{Environment, ReleaseId, Service};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use super::context::Context;
use super::driver::{Driven, Driver};
use super::lane_lease::LaneLease;
use super::limits::{LEASE_RETRY, LEDGER_RETRY, RENEWALS};
use super::pulse::Pulse;
use super::queue::{Place, Queue};
use crate::ledger::{Acquired, Lease, LedgerError};

/// One lane's task.
pub(super) struct Lane {
    pub(super) environment: Environment,
    pub(super) service: Service,
    pub(super) context: Arc<Context>,
    pub(super) pulse: Pulse,
    pub(super) accepted: mpsc::UnboundedReceiver<ReleaseId>,
}

impl Lane {
    /// Keeps the lane for as long as the worker runs, and drives its releases. A lost lane is asked for
    /// again, because its releases are still in the ledger.
    pub(super) async fn run(mut self) {
        let mut stop = self.context.stop.clone();
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
            let pause = match self
                .context
                .ledger
                .acquire(&self.environment, &self.service)
                .await
            {
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

    /// Drives the lane's releases until the lease is lost or the worker stops.
    async fn hold(&mut self, lease: Lease, stop: &mut watch::Receiver<bool>) {
        let mut renewal = interval(lease.length() / RENEWALS);
        let (lease_sender, lease_receiver) = watch::channel(Some(Arc::new(lease)));
        let lane = LaneLease::new(lease_receiver);
        let (queue, _) = watch::channel(Queue::new());
        let mut drivers = JoinSet::new();
        self.enqueue(&queue, &lane, &mut drivers).await;
        loop {
            self.pulse.beat();
            tokio::select! {
                Some(_) = self.accepted.recv() => self.enqueue(&queue, &lane, &mut drivers).await,
                Some(ended) = drivers.join_next() => {
                    let id = ended.unwrap_or_else(|error| {
                        tracing::error!(lane = %self.name(), error = crate::error_chain(&error), "a driver broke");
                        None
                    });
                    if let Some(id) = id {
                        queue.send_modify(|queue| queue.retain(|other| other.id != id));
                    }
                }
                _ = renewal.tick() => {
                    if !self.renew(&lease_sender).await {
                        break;
                    }
                    // Another worker on this ledger may have accepted a release while this worker had the
                    // lane.
                    self.enqueue(&queue, &lane, &mut drivers).await;
                }
                _ = stop.changed() => break,
            }
        }
        // Drivers see the stop, or the loss of the lane, and end by themselves.
        while drivers.join_next().await.is_some() {}
        if let Some(lease) = lease_sender.send_replace(None).and_then(Arc::into_inner)
            && let Err(error) = self.context.ledger.give_back(lease).await
        {
            tracing::warn!(lane = %self.name(), error = crate::error_chain(&error), "the lease was not given back: it ends by itself");
        }
    }

    async fn renew(&self, lease: &watch::Sender<Option<Arc<Lease>>>) -> bool {
        let Some(held) = lease.borrow().clone() else {
            return false;
        };
        match self.context.ledger.renew(&held).await {
            Ok(()) => {
                // The lease itself knows its new end; only its waiters are notified here.
                lease.send_modify(|_| {});
                true
            }
            Err(error) if error.is_unavailable() => {
                tracing::error!(lane = %self.name(), error = crate::error_chain(&error), "the lease could not be renewed");
                true
            }
            Err(error) => {
                tracing::error!(lane = %self.name(), error = crate::error_chain(&error), "the lane is lost");
                lease.send_replace(None);
                false
            }
        }
    }

    /// Adds every open release of the lane that is not queued yet, in the order of acceptance.
    async fn enqueue(
        &self,
        queue: &watch::Sender<Queue>,
        lane: &LaneLease,
        drivers: &mut JoinSet<Option<ReleaseId>>,
    ) {
        let new = match self.new_ones(queue).await {
            Ok(new) => new,
            Err(error) => {
                // The next renewal tries again.
                tracing::error!(lane = %self.name(), error = crate::error_chain(&error), "open releases could not be read");
                return;
            }
        };
        if new.is_empty() {
            return;
        }
        // All releases join before the first is driven, because a later one may go first.
        queue.send_modify(|queue| queue.extend(new.iter().copied()));
        for Queued { id, .. } in new {
            let place = Place::new(id, queue);
            drivers.spawn(drive(Arc::clone(&self.context), lane.clone(), place, id));
        }
    }

    async fn new_ones(&self, queue: &watch::Sender<Queue>) -> Result<Vec<Queued>, LedgerError> {
        let ledger = &self.context.ledger;
        let mut open = ledger.queue_of(&self.environment, &self.service).await?;
        let queue = queue.borrow();
        open.retain(|release| !queue.iter().any(|queued| queued.id == release.id));
        Ok(open)
    }

    fn name(&self) -> String {
        format!("{}.{}", self.environment, self.service)
    }
}

/// Drives one release; returns its id when it has ended and its place in the queue is free.
async fn drive(context: Arc<Context>, lane: LaneLease, place: Place, id: ReleaseId) -> Option<ReleaseId> {
    let driven = match Driver::take_over(context, lane, place, id).await {
        Ok(driver) => driver.drive().await,
        Err(error) => Err(error),
    };
    match driven {
        Ok(Driven::Ended(_)) => Some(id),
        Ok(Driven::Stopped | Driven::LostLane) => None,
        Err(error) => {
            // The release keeps its place and so stops the lane: what it left behind is unknown, and the next
            // release must not roll over it.
            let causes = crate::error_chain(&error);
            tracing::error!(release = %id, error = %causes, "cannot go on; its lane waits until a person has looked");
            None
        }
    }
}
