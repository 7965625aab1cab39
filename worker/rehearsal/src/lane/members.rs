//! The releases of a lane, and what the ledger and the files say of their queue.

use drawgate_rollout::{Other, QueueView, Queued, Release, Rival, Supersede, next};
use drawgate_schemas::{Freeze, Outcome, ReleaseId};
use jiff::Timestamp;

use super::scenario::Asked;
use crate::mutant::Mutant;
use crate::sim::Sim;

/// The releases of a target, and the worker that drives them.
#[derive(Clone)]
pub struct Lane {
    /// The accepted releases, in the order of acceptance.
    pub members: Vec<Member>,
    /// The second release, until it is accepted.
    pub to_come: Option<Asked>,
    /// Freezes that operators set, those that are over included.
    pub freezes: Vec<Freeze>,
    pub now: Timestamp,
    pub(super) supersede: Supersede,
    pub(super) mutant: Option<Mutant>,
}

/// A release of the lane.
#[derive(Clone)]
pub struct Member {
    pub sim: Sim,
    /// The request.
    pub asked: Asked,
    /// Whether, at the last look, nothing but its place in the queue kept the release from beginning.
    pub(super) ready: bool,
}

impl Member {
    pub(super) fn release(&self) -> &Release {
        self.sim.release()
    }

    pub(super) fn id(&self) -> ReleaseId {
        self.release().request.id
    }

    pub(super) fn is_open(&self) -> bool {
        self.release().ended.is_none()
    }

    pub(super) fn has_succeeded(&self) -> bool {
        let ended = self.release().ended.as_ref();
        ended.is_some_and(|ended| ended.outcome == Outcome::Succeeded)
    }

    pub(super) fn queued(&self) -> Queued {
        Queued {
            id: self.id(),
            emergency: self.asked.emergency,
            begun: self.release().started_at.is_some(),
        }
    }
}

impl Lane {
    /// The queue as this release finds it in the ledger and the files.
    pub(super) fn view(&self, own: usize) -> QueueView {
        let other = |(n, member): (usize, &Member)| Other {
            id: member.id(),
            sequence: member.asked.sequence,
            came_later: n > own,
            has_succeeded: member.has_succeeded(),
        };
        let counts = |(n, member): &(usize, &Member)| {
            *n != own && (member.is_open() || (member.has_succeeded() && member.asked.sequence.is_some()))
        };
        let others = self.members.iter().enumerate().filter(counts).map(other);
        let open: Vec<Queued> = self
            .members
            .iter()
            .filter(|member| member.is_open())
            .map(Member::queued)
            .collect();
        let mut view = QueueView {
            at: self.now,
            next: next(&open).copied(),
            others: others.collect(),
            freezes: self.frozen(),
            proven: true,
            has_room: true,
            ..QueueView::default()
        };
        view.policies.supersede = self.supersede;
        view
    }

    pub(super) fn rival(&self, id: ReleaseId) -> Option<Rival> {
        let member = self.members.iter().find(|member| member.id() == id)?;
        Some(Rival {
            release: Some(member.release().clone()),
            proven: true,
        })
    }

    /// Freezes that are not over.
    pub(super) fn frozen(&self) -> Vec<Freeze> {
        let mut frozen = self.freezes.clone();
        frozen.retain(|freeze| self.now < freeze.until);
        frozen
    }
}
