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

/// All lanes of a worker. A lane begins with its first release; targets come from the worker's own files, so that
/// there are never more than are configured.
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
    /// No lane yet; `stop` ends them all.
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

    /// Takes up what the ledger has open.
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

    /// A release was accepted: its lane takes it into its queue.
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
            // The lane ends only with the worker; then the release waits in the ledger.
            let _ = sender.send(id);
        }
    }

    /// Gives a control command to an open release, and waits for what becomes of it.
    pub async fn control(
        &self,
        release: ReleaseId,
        id: String,
        command: ControlCommand,
        expires_at: Timestamp,
    ) -> Taken {
        self.context.commands.give(release, id, command, expires_at).await
    }

    /// The lane that has not come by for longest, and for how long.
    pub(crate) fn longest_silence(&self) -> Option<(String, Duration)> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let silences = lanes
            .pulses
            .iter()
            .map(|((environment, service), pulse)| (format!("{environment}.{service}"), pulse.silence()));
        silences.max_by_key(|(_, silence)| *silence)
    }

    /// Waits until every lane has come to its end; the order to stop was given before.
    pub async fn ended(&self) {
        let mut tasks = {
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            lanes.senders.clear();
            std::mem::take(&mut lanes.tasks)
        };
        while tasks.join_next().await.is_some() {}
    }
}
