//! Whether, and by which lease, a lane is ours.

use std::sync::Arc;

use tokio::sync::watch;

use crate::ledger::Lease;

/// The lane's lease as it stands. Every driver of the lane holds one of these.
#[derive(Clone)]
pub(super) struct LaneLease(watch::Receiver<Option<Arc<Lease>>>);

impl LaneLease {
    pub(super) fn new(lease: watch::Receiver<Option<Arc<Lease>>>) -> Self {
        Self(lease)
    }

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
