//! All lanes of a worker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drawgate_schemas::{ControlCommand, Environment, ReleaseId, Service};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::context::{Context, PolicySource};
use super::control::{ControlCommands, Taken};
use super::lane::Lane;
use super::pulse::Pulse;
use crate::effects::Effects;
use crate::ledger::{Ledger, LedgerError};

/// All lanes of a worker. A lane begins with its first release. Targets come from the worker's own files, so
/// there are never more lanes than targets are configured.
pub struct Lanes {
    context: Arc<Context>,
    lanes: Mutex<Started>,
}

#[derive(Default)]
struct Started {
    senders: BTreeMap<(Environment, Service), mpsc::UnboundedSender<ReleaseId>>,
    pulses: BTreeMap<(Environment, Service), Pulse>,
    tasks: JoinSet<()>,
}

impl Lanes {
    /// Starts without lanes; `stop` ends them all.
    pub fn new(
        ledger: Ledger,
        effects: Effects,
        policies: Arc<dyn PolicySource>,
        worker: String,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let context = Arc::new(Context {
            ledger,
            effects,
            policies,
            worker,
            stop,
            commands: ControlCommands::default(),
        });
        Self {
            context,
            lanes: Mutex::default(),
        }
    }

    /// Starts a lane for every target with open releases in the ledger. Returns how many releases are open.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn take_over(&self) -> Result<usize, LedgerError> {
        let open = self.context.ledger.open_releases().await?;
        for release in &open {
            self.accepted(&release.environment, &release.service, release.id);
        }
        Ok(open.len())
    }

    /// Passes an accepted release to its lane, which is started if necessary.
    pub fn accepted(&self, environment: &Environment, service: &Service, id: ReleaseId) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let target = (environment.clone(), service.clone());
        if !lanes.senders.contains_key(&target) {
            let (sender, accepted) = mpsc::unbounded_channel();
            let (environment, service) = target.clone();
            let pulse = Pulse::default();
            lanes.pulses.insert(target.clone(), pulse.clone());
            let lane = Lane {
                environment,
                service,
                pulse,
                context: Arc::clone(&self.context),
                accepted,
            };
            lanes.tasks.spawn(lane.run());
            lanes.senders.insert(target.clone(), sender);
        }
        if let Some(sender) = lanes.senders.get(&target) {
            // The lane ends only with the worker. The release then waits in the ledger.
            let _ = sender.send(id);
        }
    }

    /// Gives an open release a control command, and waits for the result.
    pub async fn control(
        &self,
        release: ReleaseId,
        id: String,
        command: ControlCommand,
        expires_at: Timestamp,
    ) -> Taken {
        self.context.commands.give(release, id, command, expires_at).await
    }

    /// The lane whose last sign of life is oldest, and how long ago that was.
    pub(crate) fn longest_silence(&self) -> Option<(String, Duration)> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let silences = lanes
            .pulses
            .iter()
            .map(|((environment, service), pulse)| (format!("{environment}.{service}"), pulse.silence()));
        silences.max_by_key(|(_, silence)| *silence)
    }

    /// Waits until every lane has ended, after the stop was signalled.
    pub async fn ended(&self) {
        let mut tasks = {
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            lanes.senders.clear();
            std::mem::take(&mut lanes.tasks)
        };
        while tasks.join_next().await.is_some() {}
    }
}
