//! Control commands: what a person may have done to a release, or to its target.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::image::Digest;
use crate::limits::LONG_TEXT_CHARS;
use crate::name::Text;

/// What a control command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Bring hosts that are out back into service, then do nothing until the release is resumed, for `max_pause` at most.
    Pause,
    /// End a pause.
    Resume,
    /// End the release: what was touched is rolled back, as after a failure.
    Cancel,
    /// Agree that this very image is released.
    Approve,
    /// Disagree: the release ends before anything is touched.
    Reject,
}

impl Control {
    /// What the command did to a release, for a line that goes on with who gave it.
    pub fn past(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Cancel => "cancelled",
            Self::Approve => "approved",
            Self::Reject => "rejected",
        }
    }

    /// Whether it answers the request for an approval: then the approvers may give it, and not the operators.
    pub fn answers_approval(self) -> bool {
        matches!(self, Self::Approve | Self::Reject)
    }
}

impl fmt::Display for Control {
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

/// A control command that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ControlCommand {
    /// What it does.
    #[serde(alias = "order")]
    pub control: Control,
    /// Who gave it: the name that the broker vouches for.
    pub by: String,
    /// Why, in that person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<LONG_TEXT_CHARS>>,
    /// The digest that is approved; approvals only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

impl ControlCommand {
    /// What was done, by whom, and why: "cancelled by ben: wrong branch".
    pub fn told(&self) -> String {
        let reason = self.reason.as_ref();
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        format!("{} by {}{reason}", self.control.past(), self.by)
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
