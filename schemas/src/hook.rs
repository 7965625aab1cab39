//! `[before]` and `[after]`: what runs once per release, and how far it is.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a hook is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HookProgress {
    /// Which.
    pub hook: Hook,
    /// How far.
    pub state: HookState,
    /// The instance that it runs on; absent where that is not known, or where it is the worker itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// Which attempt this is.
    pub attempt: u32,
    /// Attempts at most.
    pub attempts: u32,
    /// From its first attempt until now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What runs once per release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// `[before]`: before the first host.
    Before,
    /// `[after]`: after the last host.
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

/// How far a hook is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookState {
    /// It runs.
    Begun,
    /// It had a good end.
    Passed,
    /// This attempt failed.
    Failed,
}
