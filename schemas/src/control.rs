//! What a person orders of a release, or of its target.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::image::Digest;
use crate::limits::LONG_TEXT_CHARS;
use crate::name::Text;

/// What a person may order of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Hosts that are out come back into service; then nothing is done until it is told to go on, for `max_pause` at most.
    Pause,
    /// Go on.
    Resume,
    /// End it: what was touched goes back, as after a failure.
    Cancel,
    /// Agree that this very image is released.
    Approve,
    /// Disagree: it ends before anything is touched.
    Reject,
}

impl Order {
    /// What was done to a release by it, for a line that goes on with who did it.
    pub fn past(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "told to go on",
            Self::Cancel => "cancelled",
            Self::Approve => "approved",
            Self::Reject => "rejected",
        }
    }

    /// Whether it is an answer to the question for an approval, and not a commander's word.
    pub fn answers_approval(self) -> bool {
        matches!(self, Self::Approve | Self::Reject)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Approve => "approve",
            Self::Reject => "reject",
        })
    }
}

/// An order that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ordered {
    /// Which.
    pub order: Order,
    /// Who gave it: the name that the broker vouches for.
    pub by: String,
    /// Why, in that person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<LONG_TEXT_CHARS>>,
    /// What it is meant for, in an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

impl Ordered {
    /// What was done, by whom, and why: "cancelled by ben: wrong branch".
    pub fn told(&self) -> String {
        let reason = self.reason.as_ref();
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        format!("{} by {}{reason}", self.order.past(), self.by)
    }
}

/// The build numbers of a target that count no more: its counter has started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForgottenSequence {
    /// The highest of them.
    pub highest: u64,
    /// Who had it forgotten: the name that the broker vouches for.
    pub by: String,
    /// Why, in that person's words.
    pub reason: Text<LONG_TEXT_CHARS>,
    /// When.
    pub at: Timestamp,
}

impl fmt::Display for ForgottenSequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            highest, by, reason, ..
        } = self;
        write!(
            f,
            "build numbers up to {highest} were forgotten by {by}: {reason}"
        )
    }
}
