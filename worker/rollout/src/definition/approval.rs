//! The approval that a release needs before it begins.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What the worker's files ask for in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The groups, for people to read.
    pub from: Vec<String>,
    /// Everybody in them who may approve, by the broker's user name.
    pub people: BTreeSet<String>,
    /// How many of them have to.
    pub count: u32,
    /// Milliseconds from the acceptance until the release is rejected for want of it.
    pub within_ms: u64,
}
