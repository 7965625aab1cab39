//! The findings of preflight.

use serde::{Deserialize, Serialize};

/// Something that preflight saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Whether the release may go on.
    pub severity: Severity,
    /// Its subject: an instance, a group, a target group, an alarm.
    pub subject: String,
    /// What was seen.
    pub what: String,
    /// The way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Whether the release may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It may not.
    Refuse,
    /// It may; a person should know.
    Warn,
}

impl Finding {
    pub(crate) fn refuse(
        subject: impl Into<String>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Refuse,
            subject: subject.into(),
            what: what.into(),
            hint: Some(hint.into()),
        }
    }

    pub(crate) fn warn(subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warn,
            subject: subject.into(),
            what: what.into(),
            hint: None,
        }
    }

    /// One line for a person.
    pub fn line(&self) -> String {
        format!("{}: {}", self.subject, self.what)
    }
}
