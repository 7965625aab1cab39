//! The lease by which this worker has a lane, if it has it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::ledger::Lease;

/// A view of the lane's present lease. Every driver of the lane has one.
#[derive(Clone)]
pub(super) struct LaneLease(watch::Receiver<Option<Arc<Lease>>>);

impl LaneLease {
    pub(super) fn new(lease: watch::Receiver<Option<Arc<Lease>>>) -> Self {
        Self(lease)
    }

    pub(super) fn lease(&self) -> Option<Arc<Lease>> {
        self.0.borrow().clone()
    }

    /// Returns when the lane is lost.
    pub(super) async fn lost(&self) {
        let _ = self.0.clone().wait_for(Option::is_none).await;
    }

    pub(super) async fn changed(&mut self) {
        // The sender lives as long as the lane's drivers do.
        let _ = self.0.changed().await;
    }
}
