//! Where one host of a release stands.

use drawgate_schemas::Direction;

/// Where one host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostStatus {
    /// Whether it is still a member of the fleet.
    pub(crate) is_member: bool,
    /// When its turn comes.
    pub(super) rank: Rank,
    /// Whether it failed within the failure budget and goes back while the release rolls forward.
    pub(super) is_retried_later: bool,
    /// The way forward.
    pub(crate) forward: Ahead,
    /// The rollback.
    pub(crate) back: Ahead,
    /// Whether it was taken out of service, or may have been.
    pub(crate) is_touched: bool,
    /// Whether it is out of service by our doing.
    pub(crate) is_out: bool,
    /// Whether the floor keeps it in service, so that its turn has to wait.
    pub(crate) is_kept: bool,
    /// Whether the floor keeps it in service during the rollback.
    pub(crate) is_kept_back: bool,
    /// Whether the next step of its rollback has failed, or it does not become healthy with the previous version.
    pub(crate) is_stuck_back: bool,
    /// Whether it serves again, with the new version or with the previous one.
    pub(super) is_through: [bool; 2],
    /// Its pull.
    pub(crate) pull: Ahead,
    /// What is to be removed from it at the end.
    pub(crate) clean_up: Ahead,
}

/// When a host's turn comes: within a rank, in the order of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// It turned unhealthy by itself before it was rolled.
    First,
    InOrder,
    /// It failed once.
    Last,
}

/// What lies ahead on one of a host's ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// The next step, which was never begun.
    Fresh,
    /// The next step is under way.
    UnderWay,
    /// The next step was begun, and has to be tried again or has failed.
    Again,
    /// Nothing.
    Nothing,
}

impl HostStatus {
    pub(crate) fn is_through(self, direction: Direction) -> bool {
        let [forward, back] = self.is_through;
        match direction {
            Direction::Forward => forward,
            Direction::Back => back,
        }
    }

    /// Whether it is out during the rollback, and the floor has nothing against its going back.
    pub(crate) fn goes_back_first(self) -> bool {
        self.is_out && !self.is_kept_back
    }

    /// Whether it runs the new version and its turn is over.
    pub(super) fn is_on_new(self) -> bool {
        self.is_member && !self.is_retried_later && !self.is_out && self.is_through(Direction::Forward)
    }
}
