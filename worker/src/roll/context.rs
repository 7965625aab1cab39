//! The context that all drivers share.

use std::sync::Arc;

use drawgate_rollout::Policies;
use drawgate_schemas::{Environment, Service};
use tokio::sync::watch;

use super::control::ControlCommands;
use crate::effects::Effects;
use crate::ledger::Ledger;

/// The source of a target's policies.
pub trait PolicySource: Send + Sync {
    /// The policies in force for a target.
    fn policies(&self, environment: &Environment, service: &Service) -> Policies;
}

/// The parts that all drivers share.
pub(super) struct Context {
    pub(super) ledger: Ledger,
    pub(super) effects: Effects,
    pub(super) policies: Arc<dyn PolicySource>,
    pub(super) worker: String,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) commands: ControlCommands,
}
