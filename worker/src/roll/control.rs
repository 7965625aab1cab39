//! Control commands on their way from a person to the driver of a release, and what becomes of each back again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use drawgate_schemas::{ControlCommand, ReleaseId};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

/// Control commands that wait for one driver. It takes each within moments; more than these come from a script in a loop.
const WAITING: usize = 16;

/// A control command, and where its giver waits for the answer.
pub(super) struct Given {
    pub(super) id: String,
    pub(super) command: ControlCommand,
    /// From then on its giver has been told that nobody took it in time.
    pub(super) expires_at: Timestamp,
    pub(super) taken: oneshot::Sender<Taken>,
}

/// What became of a control command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is in the journal, now or since it came before.
    Yes,
    /// It cannot be taken, for this reason; nothing was changed.
    No(String),
    /// No driver of this process has the release.
    NotDriven,
}

/// Where the drivers of this process take their commands from.
#[derive(Clone, Default)]
pub(super) struct ControlCommands(Arc<Mutex<BTreeMap<ReleaseId, mpsc::Sender<Given>>>>);

impl ControlCommands {
    /// A driver begins to take commands for a release; until its queue is dropped.
    pub(super) fn listen(&self, release: ReleaseId) -> mpsc::Receiver<Given> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let mut drivers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drivers.retain(|_, other| !other.is_closed());
        drivers.insert(release, sender);
        receiver
    }

    /// Gives a control command, and waits for what becomes of it.
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
