//! What blocks a release from beginning: a freeze, a shut window, or an approval that is still missing.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::LONG_TEXT_CHARS;
use crate::name::{Environment, Text};

/// An approval that a release waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AwaitedApproval {
    /// Groups of the worker's file whose people may approve.
    pub from: Vec<String>,
    /// How many of these people have to approve.
    pub count: u32,
    /// User names of those who have approved.
    pub given: Vec<String>,
    /// User name of the release's publisher, as the broker vouches for it. The publisher must not approve.
    pub publisher: String,
    /// The deadline: a release without its approvals is rejected then.
    pub until: Timestamp,
}

/// What blocks a release from beginning, until a known moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Blocker {
    /// The release's environment is frozen.
    Frozen(Freeze),
    /// The windows of the service's file are shut: no release of the service begins now.
    Closed {
        /// When the next window opens.
        opens_at: Timestamp,
        /// The windows and their time zone, as the service's file has them.
        windows: String,
    },
}

impl Blocker {
    /// When this blocker ends by itself.
    pub fn until(&self) -> Timestamp {
        match self {
            Self::Frozen(freeze) => freeze.until,
            Self::Closed { opens_at, .. } => *opens_at,
        }
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frozen(freeze) => freeze.fmt(f),
            Self::Closed { opens_at, windows } => {
                write!(f, "waits for {opens_at:.0}: releases begin {windows}")
            }
        }
    }
}

/// A freeze: no release begins in an environment until it ends. Releases that roll already go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Freeze {
    /// The environment that is frozen; every environment where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// When the freeze ends by itself.
    pub until: Timestamp,
    /// Why it was frozen, in the words of the person who froze it.
    pub reason: Text<LONG_TEXT_CHARS>,
    /// The person who froze it, by the user name that the broker vouches for.
    pub by: String,
    /// When the freeze began, by the worker's clock.
    pub since: Timestamp,
}

impl Freeze {
    /// Whether this freeze covers an environment.
    pub fn covers(&self, environment: &Environment) -> bool {
        self.environment
            .as_ref()
            .is_none_or(|frozen| frozen == environment)
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self
            .environment
            .as_ref()
            .map_or("everything", Environment::as_str);
        let Self {
            until, reason, by, ..
        } = self;
        write!(f, "{what} is frozen until {until:.0} by {by}: {reason}")
    }
}
