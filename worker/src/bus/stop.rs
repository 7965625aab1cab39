//! The signal to stop, as every loop awaits it.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;

/// Becomes true once and stays so. A dropped sender means the same.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    pub(super) fn new(receiver: watch::Receiver<bool>) -> Self {
        Self(receiver)
    }

    pub(super) fn is_set(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    pub(super) async fn wait(&mut self) {
        // An error means that the sender is gone.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// The future's output, or `None` when the signal to stop comes first.
    pub(super) async fn or<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.wait() => None,
            output = future => Some(output),
        }
    }

    /// Sleeps; false when it is time to stop.
    pub(super) async fn sleep(&mut self, pause: Duration) -> bool {
        self.or(tokio::time::sleep(pause)).await.is_some()
    }
}
