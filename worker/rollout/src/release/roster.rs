//! The hosts of a release by their id, and where each of them stands; `host_status.rs` keeps it up.
//!
//! Everything here follows from the plan, the members that joined, and the steps. It is kept because `decide` is
//! asked after every entry, and an entry moves one host: looking hundreds of others up in thousands of steps
//! would make a roll's time grow with the square of its hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drawgate_schemas::Direction;

/// The hosts of a release, and where each stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Roster {
    /// The place of each host in the release's order.
    pub(super) places: Arc<BTreeMap<String, usize>>,
    /// What has to be locked for these hosts.
    pub(super) locks: Arc<BTreeSet<String>>,
    pub(super) statuses: Vec<HostStatus>,
    /// The host on which `[before]` was begun.
    pub(super) before: Option<String>,
}

/// Where one host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostStatus {
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
    /// Whether it serves again, with the new version or with the previous one.
    pub(super) is_through: [bool; 2],
    /// Its pull.
    pub(crate) pull: Ahead,
    /// What is to be removed from it at the end.
    pub(crate) clean_up: Ahead,
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
}
