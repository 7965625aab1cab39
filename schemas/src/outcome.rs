//! The end of a release: its outcome, and what to tell a person.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::receipt::Receipt;

/// The end of a release: its outcome, and what to tell a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    /// How the release ended.
    pub outcome: Outcome,
    /// The end in one line, for a person.
    pub summary: String,
    /// What a person should do now; absent where there is nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// State before and after the release; absent where the fleet was not inspected, or nothing was touched
    /// because every host ran the version already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// How a release ended. Every release ends in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Ord, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every host runs the desired version. Scaling, alarms and targets are as before the release.
    Succeeded,
    /// Something failed. Every touched host runs its original version again; scaling, alarms and targets are
    /// as before the release.
    RolledBack,
    /// A person cancelled the release. Everything was restored, as after a failure.
    Cancelled,
    /// The release was refused before it began, and nothing was touched: the message was rejected, the
    /// request expired, an approval was denied or missing, or a required environment had not released the
    /// image.
    Rejected,
    /// A newer release of the same target took this release's place before it began.
    Superseded,
    /// The release failed before any host was touched.
    Failed,
    /// The release could not be brought to a good end, and a person must look. The receipt says what is left
    /// to mend, and what to run.
    NeedsOperator,
}

impl Outcome {
    /// The outcome as routing keys write it.
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
