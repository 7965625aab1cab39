//! The desired version: what an instance starts that boots when no release is there to roll it.
//!
//! ```text
//!   all known hosts good -> publish -> detect joined: members launched before that are rolled, or found to run it already
//!                              |
//!                              `-- from here on an instance that boots reads the parameter and starts it by itself
//! ```
//!
//! What the parameter's value looks like is the worker's business and the boot script's (`infra/aws/boot`); in here it is
//! text that is put, and put back.

use serde::{Deserialize, Serialize};

/// The parameter as it was seen, and as the release will write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "seen", rename_all = "snake_case")]
pub enum DesiredSnapshot {
    /// It was read.
    Read(Box<DesiredPlan>),
    /// It could not be read.
    Unreadable {
        /// Why.
        why: String,
        /// The way out.
        hint: Option<String>,
    },
}

/// What is published, and what was before. The journal has it before anything is overwritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredPlan {
    /// The parameter's name.
    pub parameter: String,
    /// Its value of before; `None` where there was none.
    pub before: Option<String>,
    /// What a person calls the version that was wanted before.
    pub version_before: Option<String>,
    /// What holds the place of a first value until the hosts are good: it wants nothing.
    pub placeholder: String,
    /// What is wanted once they are.
    pub value: String,
}

impl DesiredPlan {
    /// What the parameter holds while the hosts are rolled: the value of before, or one that wants nothing.
    pub fn reserved(&self) -> &str {
        self.before.as_deref().unwrap_or(&self.placeholder)
    }

    /// Whether a value is this release's doing.
    pub fn is_ours(&self, value: &str) -> bool {
        value == self.value || (self.before.is_none() && value == self.placeholder)
    }
}
