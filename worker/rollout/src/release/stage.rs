//! The stage of a release. No other code derives it.
//!
//! ```text
//!   Queued -> Preparing -> RollingForward ---------------> Restoring -> Ended
//!      |          |              |                             ^          ^
//!      +----------+--------------+------> RollingBack ---------+----------+     without a plan there is nothing to restore
//!                                         TakenOver ----------------------+
//! ```

use super::fold::Release;
use crate::journal::Step;

/// Where a release stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It has not begun: an approval, a freeze, a window or its place in the queue stands before it.
    Queued,
    /// It has begun, and no plan yet was made with everything in it locked.
    Preparing,
    /// The plan is being carried out.
    RollingForward,
    /// Touched hosts are rolled back to the previous version.
    RollingBack,
    /// No host is worked on any more: everything beside the hosts is restored. Nothing is rolled back from
    /// here on.
    Restoring,
    /// Another worker has taken the fleet while no driver ran this release: nothing more is done to it.
    TakenOver,
    /// It has ended.
    Ended,
}

impl Release {
    /// The stage of the release.
    pub fn stage(&self) -> Stage {
        if self.ended.is_some() {
            Stage::Ended
        } else if self.lost_to_another().is_some() {
            Stage::TakenOver
        } else if self.steps.close() {
            Stage::Restoring
        } else if self.is_rolling_back() {
            Stage::RollingBack
        } else if self.started_at.is_none() {
            Stage::Queued
        } else if self.is_prepared() {
            Stage::RollingForward
        } else {
            Stage::Preparing
        }
    }

    /// Whether the release has not begun: then nothing of the fleet was looked at.
    pub fn is_queued(&self) -> bool {
        self.stage() == Stage::Queued
    }

    /// Whether the release rolls back or has rolled back, whatever is still to be restored.
    pub fn is_rolling_back(&self) -> bool {
        self.rolling_back.is_some()
    }

    /// Whether the roll forward lies ahead or is under way.
    pub fn leads_forward(&self) -> bool {
        self.stage() <= Stage::RollingForward
    }

    /// Whether there is a plan that was made with everything in it locked, and that is to be carried out.
    /// Once something was changed, the plan stays as it is.
    fn is_prepared(&self) -> bool {
        let Some(plan) = &self.plan else {
            return false;
        };
        let locked = self.done(&Step::Lock) && self.not_ready.is_none();
        self.changed_anything()
            || (locked && self.lacks_approval().is_none() && !self.finds_it_there_already(plan))
    }
}
