//! What preflight waits for, and what it lets pass.

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::share::Share;

/// What preflight waits for, and what it lets pass: a large fleet is hardly ever in order as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreflightPolicy {
    /// Longest wait, in milliseconds, for hosts on their way in or out: past it the release is refused. 0
    /// refuses at once.
    #[serde(default = "wait_default_ms")]
    pub wait_ms: u64,
    /// Hosts that do not answer and are left out; with one more the release is refused.
    #[serde(default = "nobody")]
    pub unreachable: Share,
    /// Which alarms in ALARM refuse the release.
    #[serde(default)]
    pub firing: Firing,
}

impl Default for PreflightPolicy {
    fn default() -> Self {
        Self {
            wait_ms: wait_default_ms(),
            unreachable: nobody(),
            firing: Firing::default(),
        }
    }
}

impl PreflightPolicy {
    /// Whether it is what holds where the service's file says nothing.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn wait_default_ms() -> u64 {
    limits::PREFLIGHT_WAIT_DEFAULT_MS
}

fn nobody() -> Share {
    Share::Count(0)
}

/// Which alarms in ALARM refuse a release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Firing {
    /// Each that is silenced or watched.
    Any,
    /// Those that are watched: only they decide what becomes of the release.
    #[default]
    Watched,
    /// None.
    None,
}
