//! The end of a release.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::receipt::Receipt;

/// The end of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// One line for a person.
    pub summary: String,
    /// What to do now, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What was before and is after; absent where nothing was inspected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// Every release ends in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Ord, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every host runs the desired version; scaling, alarms and targets are as before.
    Succeeded,
    /// Something failed; every touched host runs what it ran before; scaling, alarms and targets are as before.
    RolledBack,
    /// A person ended it; restored as after a failure.
    Cancelled,
    /// It was refused before anything was looked at.
    Rejected,
    /// A newer release of the same target took its place before it began.
    Superseded,
    /// It failed before any host was touched.
    Failed,
    /// It could not be brought to a good end: a person must look. The receipt says what is left, and what to run.
    NeedsOperator,
}

impl Outcome {
    /// As it stands in routing keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::RolledBack => "rolled_back",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::NeedsOperator => "needs_operator",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RolledBack => "rolled back",
            Self::NeedsOperator => "needs an operator",
            other => other.as_str(),
        })
    }
}
