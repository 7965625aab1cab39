//! What blocks a release from beginning: a freeze, a window that is shut, an approval that nobody has given yet.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::LONG_TEXT_CHARS;
use crate::name::{Environment, Text};

/// An approval that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AwaitedApproval {
    /// Groups of the worker's file whose people may give it.
    pub from: Vec<String>,
    /// How many of them have to.
    pub count: u32,
    /// Who has.
    pub given: Vec<String>,
    /// Who may not: whoever published it, by the name that the broker vouches for.
    pub publisher: String,
    /// Without it, the release is rejected then.
    pub until: Timestamp,
}

/// What blocks a release from beginning, until a moment that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Blocker {
    /// Its environment is frozen.
    Frozen(Freeze),
    /// It is not a time at which the service's file lets releases begin.
    Closed {
        /// When such a time begins.
        opens_at: Timestamp,
        /// The windows and their time zone, as the file has them.
        windows: String,
    },
}

impl Blocker {
    /// When it ends by itself.
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

/// No release begins meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Freeze {
    /// In which environment; in every one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Why, in the words of whoever froze it.
    pub reason: Text<LONG_TEXT_CHARS>,
    /// Who froze it: the name that the broker vouches for.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
}

impl Freeze {
    /// Whether it is of this environment.
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
