//! Control commands: what a person may ask the worker to do to a release, or to its target.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::image::Digest;
use crate::limits::LONG_TEXT_CHARS;
use crate::name::Text;

/// The kind of a control command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Pause the release: hosts that are out return to service, then nothing is done until the release is
    /// resumed. A pause longer than the service's `max_pause` ends in a rollback.
    Pause,
    /// Resume a paused release.
    Resume,
    /// Cancel the release: every touched host is rolled back, as after a failure.
    Cancel,
    /// Approve this release's digest.
    Approve,
    /// Disapprove: the release ends before anything is touched.
    Reject,
}

impl Control {
    /// The command in the past tense, for a line that goes on with the name of the person who gave it:
    /// "paused by ben".
    pub fn past(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Cancel => "cancelled",
            Self::Approve => "approved",
            Self::Reject => "rejected",
        }
    }

    /// Whether the command answers a request for approval. The approvers give such a command, not the
    /// operators of the worker's file.
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

/// A control command that the worker has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ControlCommand {
    /// The kind of the command.
    #[serde(alias = "order")]
    pub control: Control,
    /// The person who gave the command, by the user name that the broker vouches for.
    pub by: String,
    /// Why the command was given, in that person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<LONG_TEXT_CHARS>>,
    /// The approved digest; only in approvals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

impl ControlCommand {
    /// The command, its person and the reason in one line: "cancelled by ben: wrong branch".
    pub fn told(&self) -> String {
        let reason = self.reason.as_ref();
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        format!("{} by {}{reason}", self.control.past(), self.by)
    }
}

/// A record that the build numbers of a target no longer count, because the target's counter has started
/// again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForgottenSequence {
    /// The highest of the forgotten build numbers.
    pub highest: u64,
    /// The person who had the numbers forgotten, by the user name that the broker vouches for.
    pub by: String,
    /// Why the numbers were forgotten, in that person's words.
    pub reason: Text<LONG_TEXT_CHARS>,
    /// When the numbers were forgotten, by the worker's clock.
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
