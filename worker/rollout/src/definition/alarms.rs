//! Which alarms a roll silences, and which it watches.

use serde::{Deserialize, Serialize};

/// Which alarms to silence, and which to watch. Each is a name; a `*` at the end matches any rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmDefinition {
    /// Alarms that are silenced while the roll lasts.
    pub silence: Vec<String>,
    /// How they are silenced.
    #[serde(default)]
    pub by: SilenceBy,
    /// Milliseconds that muted alarms get to be OK again once all else is as before: unmuted earlier, they
    /// would do what they were kept from.
    #[serde(default)]
    pub settle_ms: u64,
    /// Alarms that roll the release back when they fire during the roll forward.
    #[serde(default)]
    pub watch: Vec<String>,
    /// Milliseconds between two looks at the watched alarms.
    #[serde(default)]
    pub watch_interval_ms: u64,
    /// Milliseconds that the roll waits at its end, with the watch going on, before it counts as good.
    #[serde(default)]
    pub bake_ms: u64,
}

/// How alarms are kept from doing anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceBy {
    /// Their actions are disabled, and enabled again. Journals that say nothing of it were written by a
    /// version that knew no other way.
    #[default]
    DisableActions,
    /// An alarm mute rule suppresses their actions, and ends by itself.
    MuteRule,
}
