//! The hosts of a release by their id, and where each of them stands; `host_status.rs` keeps it up, and `turns.rs` lists
//! them by what is next of them.
//!
//! Everything here follows from the plan, the members that joined, and the steps. It is kept because `decide` is
//! asked after every entry, and an entry moves one host: looking hundreds of others up in thousands of steps
//! would make a roll's time grow with the square of its hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::standing::HostStatus;
use super::turns::Turns;

/// The hosts of a release, and where each stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Roster {
    /// The place of each host in the release's order.
    pub(super) places: Arc<BTreeMap<String, usize>>,
    /// What has to be locked for these hosts.
    pub(super) locks: Arc<BTreeSet<String>>,
    pub(super) statuses: Vec<HostStatus>,
    pub(super) turns: Turns,
    /// The host on which `[before]` was begun.
    pub(super) before: Option<String>,
}
