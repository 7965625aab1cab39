//! The desired version: what an instance starts when it boots without a release there to roll it.
//!
//! ```text
//!   all known hosts good -> publish -> detect joined: members launched before that are rolled, or found to run it already
//!                              |
//!                              `-- from here on an instance that boots reads the parameter and starts it by itself
//! ```
//!
//! Only the worker and the boot script (`infra/aws/boot`) know what the parameter's value looks like; in here
//! it is text that is written, and put back.

use serde::{Deserialize, Serialize};

/// The parameter as it was seen, and as the release will write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "seen", rename_all = "snake_case")]
pub enum DesiredSnapshot {
    /// It was read.
    Read(Box<DesiredPlan>),
    /// It could not be read.
    Unreadable {
        why: String,
        /// The way out.
        hint: Option<String>,
    },
}

/// What is published, and the earlier value. The journal has it before anything is overwritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredPlan {
    /// The parameter's name.
    pub parameter: String,
    /// Its earlier value; `None` where there was none.
    pub before: Option<String>,
    /// What a person calls the version that was desired before.
    pub version_before: Option<String>,
    /// The value that takes the place of a first one until the hosts are good: it names no version.
    pub placeholder: String,
    /// The value that is published once the hosts are good.
    pub value: String,
}

impl DesiredPlan {
    /// The parameter's value while the hosts are rolled: the earlier one, or the placeholder.
    pub fn reserved(&self) -> &str {
        self.before.as_deref().unwrap_or(&self.placeholder)
    }

    /// Whether this release wrote a value.
    pub fn is_ours(&self, value: &str) -> bool {
        value == self.value || (self.before.is_none() && value == self.placeholder)
    }
}
