//! The findings of preflight.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::definition::ServiceDefinition;

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
    /// Not yet: what was seen passes by itself, and is waited for.
    Wait,
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

    /// What is waited for, up to `[preflight] wait`.
    pub(crate) fn wait(subject: impl Into<String>, what: impl Into<String>) -> Self {
        let hint = "see why it stays so, and publish again; [preflight] wait in the service's file is how long it is \
                    waited for";
        Self {
            severity: Severity::Wait,
            subject: subject.into(),
            what: what.into(),
            hint: Some(hint.to_owned()),
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

/// What preflight waits for before it refuses a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// The longest wait, in milliseconds.
    pub wait_ms: u64,
    /// What each host is, by its instance id.
    pub hosts: BTreeMap<String, String>,
}

impl Awaited {
    /// What these findings have a release wait for; `None` where one of them refuses it whatever comes, or
    /// where all of them let it pass.
    pub fn of(findings: &[Finding], definition: &ServiceDefinition) -> Option<Self> {
        if findings
            .iter()
            .any(|finding| finding.severity == Severity::Refuse)
        {
            return None;
        }
        let waits = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Wait);
        let hosts: BTreeMap<String, String> = waits
            .map(|finding| (finding.subject.clone(), finding.what.clone()))
            .collect();
        (!hosts.is_empty()).then_some(Self {
            wait_ms: definition.preflight.wait_ms,
            hosts,
        })
    }

    /// A line for each host.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.hosts
            .iter()
            .map(|(instance, what)| format!("{instance} {what}"))
    }
}
