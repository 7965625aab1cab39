//! Where a release stands. Nothing else derives it.
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
    /// It has begun, and there is no plan yet that was made while everything in it was locked.
    Preparing,
    /// The plan is being carried out.
    RollingForward,
    /// Touched hosts go back to the version of before.
    RollingBack,
    /// No host is worked on any more: everything beside the hosts is restored. Nothing is rolled back from here on.
    Restoring,
    /// Another worker has taken the fleet of a roll that nobody drove: nothing more is done to it.
    TakenOver,
    /// It has ended.
    Ended,
}

impl Release {
    /// Where it stands.
    pub fn stage(&self) -> Stage {
        if self.ended.is_some() {
            Stage::Ended
        } else if self.lost_to_another().is_some() {
            Stage::TakenOver
        } else if self.steps.keys().any(Step::closes) {
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

    /// Whether it has not begun: nothing of the fleet was looked at.
    pub fn is_queued(&self) -> bool {
        self.stage() == Stage::Queued
    }

    /// Whether it is rolled back, or was, whatever else is still to be restored.
    pub fn is_rolling_back(&self) -> bool {
        self.rolling_back.is_some()
    }

    /// Whether the way to the new version lies ahead, or is being gone.
    pub fn leads_forward(&self) -> bool {
        self.stage() <= Stage::RollingForward
    }

    /// Whether there is a plan that was made while everything in it was locked, and that is to be carried out. A plan that
    /// something was done for stays the plan.
    fn is_prepared(&self) -> bool {
        let Some(plan) = &self.plan else {
            return false;
        };
        let locked = self.done(&Step::Lock) && self.not_ready.is_none();
        self.changed_anything()
            || (locked && self.lacks_approval().is_none() && !self.finds_it_there_already(plan))
    }
}
