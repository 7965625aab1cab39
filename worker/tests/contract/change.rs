//! Changes from outside before a step is performed: by hand in the lab, and by editing the fleet in the
//! model.

use crate::bench::Bench;
use crate::{alarms, desired, hooks, hosts, lease, scaling, targets};

/// One change, by its subject.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Scaling(scaling::Change),
    Targets(targets::Change),
    Hosts(hosts::Change),
    Alarms(alarms::Change),
    Desired(desired::Change),
    Hooks(hooks::Change),
    Lease(lease::Change),
}

impl Change {
    /// Makes the change on both fleets.
    pub(crate) async fn make(&self, bench: &mut Bench) {
        self.in_lab(bench).await;
        self.in_model(bench);
    }

    async fn in_lab(&self, bench: &Bench) {
        match self {
            Self::Scaling(change) => change.in_lab(bench).await,
            Self::Targets(change) => change.in_lab(bench).await,
            Self::Hosts(change) => change.in_lab(bench).await,
            Self::Alarms(change) => change.in_lab(bench).await,
            Self::Desired(change) => change.in_lab(bench).await,
            Self::Hooks(change) => change.in_lab(bench).await,
            Self::Lease(change) => change.in_lab(bench).await,
        }
    }

    /// Makes the change in the model alone.
    pub(crate) fn in_model(&self, bench: &mut Bench) {
        match self {
            Self::Scaling(change) => change.in_model(bench),
            Self::Targets(change) => change.in_model(bench),
            Self::Hosts(change) => change.in_model(bench),
            Self::Alarms(change) => change.in_model(bench),
            Self::Desired(change) => change.in_model(bench),
            Self::Hooks(change) => change.in_model(bench),
            Self::Lease(change) => change.in_model(bench),
        }
    }
}
