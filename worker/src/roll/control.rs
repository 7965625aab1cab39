//! Carries control commands to the driver of a release, and the results back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use drawgate_schemas::{ControlCommand, ReleaseId};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

/// Control commands that may wait for one driver. It takes each within moments; more come only from a script
/// in a loop.
const WAITING: usize = 16;

/// A control command, and the channel for its answer.
pub(super) struct Given {
    pub(super) id: String,
    pub(super) command: ControlCommand,
    /// After this time the operator has been told that nobody took the command.
    pub(super) expires_at: Timestamp,
    pub(super) taken: oneshot::Sender<Taken>,
}

/// The result of a control command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// The journal has the command, from now or from an earlier delivery.
    Yes,
    /// The command cannot be taken, for this reason. Nothing was changed.
    No(String),
    /// No driver of this process has the release.
    NotDriven,
}

/// The queues from which this process's drivers take control commands.
#[derive(Clone, Default)]
pub(super) struct ControlCommands(Arc<Mutex<BTreeMap<ReleaseId, mpsc::Sender<Given>>>>);

impl ControlCommands {
    /// Registers a driver's queue of commands for a release. It counts until the receiver is dropped.
    pub(super) fn listen(&self, release: ReleaseId) -> mpsc::Receiver<Given> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let mut drivers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drivers.retain(|_, other| !other.is_closed());
        drivers.insert(release, sender);
        receiver
    }

    /// Gives a driver a control command, and waits for the result.
    pub(super) async fn give(
        &self,
        release: ReleaseId,
        id: String,
        command: ControlCommand,
        expires_at: Timestamp,
    ) -> Taken {
        let driver = {
            let drivers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            drivers.get(&release).cloned()
        };
        let (taken, answer) = oneshot::channel();
        let given = Given {
            id,
            command,
            expires_at,
            taken,
        };
        let Some(driver) = driver else {
            return Taken::NotDriven;
        };
        if driver.try_send(given).is_err() {
            return Taken::NotDriven;
        }
        answer.await.unwrap_or(Taken::NotDriven)
    }
}
