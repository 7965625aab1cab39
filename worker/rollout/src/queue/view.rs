//! The facts that a queued release is judged by.

use std::collections::BTreeMap;

use drawgate_schemas::{Blocker, Freeze, ReleaseId, ReleaseRequest};
use jiff::Timestamp;

use super::gates::blockers;
use super::order::Queued;
use super::supersede::Other;
use crate::definition::{Gates, Supersede};
use crate::release::Release;

/// What the worker's files say of the releases of one target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policies {
    /// Which newer releases supersede those that wait.
    pub supersede: Supersede,
    /// The gates before every release, beside an approval.
    pub gates: Gates,
}

/// The facts that a queued release is judged by, as they were when the driver looked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueueView {
    /// When the driver looked, by the machine's clock: freezes and windows follow the calendar.
    pub at: Timestamp,
    /// The policies of its target.
    pub policies: Policies,
    /// The release that goes first in its queue.
    pub next: Option<Queued>,
    /// The other releases of its target that are open, and the newest that has succeeded.
    pub others: Vec<Other>,
    /// The releases among them that `decide` has asked to look at.
    pub rivals: BTreeMap<ReleaseId, Rival>,
    /// Freezes that are not over.
    pub freezes: Vec<Freeze>,
    /// Whether its digest has succeeded where it has to first, or in its own environment.
    pub proven: bool,
    /// Whether the ledger has room for a whole roll.
    pub has_room: bool,
}

/// Another release that would supersede this one, if it could begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Rival {
    /// The fold of its journal; `None` where the journal cannot be followed, which its own driver reports.
    pub release: Option<Release>,
    /// The same as [`QueueView::proven`], for the rival.
    pub proven: bool,
}

impl QueueView {
    /// Freezes and shut windows that block a release now. An emergency passes them all.
    pub(crate) fn blockers(&self, request: &ReleaseRequest) -> Vec<Blocker> {
        match request.emergency {
            Some(_) => Vec::new(),
            None => blockers(&request.environment, &self.policies.gates, &self.freezes, self.at),
        }
    }

    /// The same facts for a rival, without the others that might supersede it, because nobody asks for those.
    pub(crate) fn of_rival(&self, rival: &Rival) -> Self {
        Self {
            at: self.at,
            policies: self.policies.clone(),
            freezes: self.freezes.clone(),
            proven: rival.proven,
            ..Self::default()
        }
    }
}
