//! `[before]` and `[after]` of a service's file: the programs that run once per release, and their progress.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The progress of a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HookProgress {
    /// Which hook this is.
    pub hook: Hook,
    /// How far the hook has come.
    pub state: HookState,
    /// EC2 instance id of the host that the hook runs on; absent where it is not known, or where the hook
    /// runs on the bastion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// The number of this attempt; the first one is 1.
    pub attempt: u32,
    /// Most attempts that the hook gets.
    pub attempts: u32,
    /// Milliseconds from the start of the first attempt until now; absent while the hook runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// What went wrong, where this attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A program that runs once per release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// `[before]`: runs before the first host is rolled.
    Before,
    /// `[after]`: runs after the last host is rolled.
    After,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "[before]",
            Self::After => "[after]",
        })
    }
}

/// How far a hook has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookState {
    /// The hook runs.
    Begun,
    /// The hook succeeded.
    Passed,
    /// This attempt of the hook failed.
    Failed,
}
