//! What a queued release is judged by.

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
    /// What stands before every release, beside an approval.
    pub gates: Gates,
}

/// The facts that a queued release is judged by, as they were when the driver looked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueueView {
    /// When that was, by the machine's clock: freezes and windows are of the calendar.
    pub at: Timestamp,
    /// The policies of its target.
    pub policies: Policies,
    /// The release that goes first in its queue.
    pub next: Option<Queued>,
    /// The other releases of its target that are open, and the newest that has succeeded.
    pub others: Vec<Other>,
    /// Those among them that `decide` has asked to look at.
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
    /// What its journal makes of it. `None` where that cannot be followed: its own driver says so.
    pub release: Option<Release>,
    /// As [`QueueView::proven`], for it.
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

    /// The same facts as they stand for a rival, of which nobody asks whether others supersede it.
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
