//! Pace and patience of a roll.

use serde::{Deserialize, Serialize};

use crate::share::Share;

/// Pace and patience of a roll. All durations are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollPolicy {
    /// Hosts out of service by our doing at any moment, at least 1.
    pub max_unavailable: Share,
    /// Hosts that come first, and are watched before the others follow.
    #[serde(default)]
    pub canary: Option<Canary>,
    /// Whether hosts of two availability zones are never out at the same time.
    #[serde(default)]
    pub zone_by_zone: bool,
    /// Hosts that may fail: each is brought back into service, and tried once more after the others.
    #[serde(default)]
    pub failure_budget: u32,
    /// Longest roll forward, reckoned from the first touch ([`crate::Step::begins_roll`]), without pauses: past
    /// it the release is rolled back. A roll that is slow for ever would leave scaling suspended for ever.
    /// Pulls come before the first touch and have bounds of their own, because nobody can know their time.
    #[serde(default = "max_roll_default_ms")]
    pub max_roll_ms: u64,
    /// Longest pause: past it the release is rolled back.
    #[serde(default = "max_pause_default_ms")]
    pub max_pause_ms: u64,
    /// Longest wait for a host that turned unhealthy by itself, while the floor keeps the others in service:
    /// past it the release is rolled back. 0 rolls back at once.
    #[serde(default = "sick_wait_default_ms")]
    pub sick_wait_ms: u64,
    /// Whether hosts are watched after their own turn, until the end of the bake: one that speaks against the
    /// version rolls the release back.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub watch_hosts: bool,
    /// Whether scheduled actions of the group may fall into the suspension. Auto Scaling does not make up for
    /// them.
    #[serde(default)]
    pub allow_missed_actions: bool,
    /// Whether a fleet of one may be without service during its swap.
    pub allow_outage: bool,
    /// How long a host must stay healthy before it counts: at least for one further health check.
    pub min_healthy_time_ms: u64,
    /// The least time between deregistering and stopping, even where the deregistration delay is 0: the load
    /// balancer's nodes need a moment to learn of it.
    pub min_drain_ms: u64,
    /// The least time between deregistering and stopping where a target group passes connections
    /// ([`crate::limits::NLB_MIN_DRAIN_DEFAULT_MS`]).
    #[serde(
        default = "nlb_min_drain_default_ms",
        skip_serializing_if = "is_nlb_min_drain_default"
    )]
    pub nlb_min_drain_ms: u64,
    /// What the load balancer may take, where a target group passes connections, until it checks a registered
    /// target for the first time ([`crate::limits::NLB_REGISTRATION_DEFAULT_MS`]). It comes before
    /// `healthy_timeout_ms`.
    #[serde(
        default = "nlb_registration_default_ms",
        skip_serializing_if = "is_nlb_registration_default"
    )]
    pub nlb_registration_ms: u64,
    /// Longest wait for a drain, beyond the target group's own deregistration delay.
    pub drain_timeout_ms: u64,
    /// Longest wait for a registered target to become healthy.
    pub healthy_timeout_ms: u64,
    /// Time between two looks at target health.
    pub poll_interval_ms: u64,
    /// Hosts that pull at the same time.
    pub pull_concurrency: u32,
    /// Longest pull of one host.
    pub pull_timeout_ms: u64,
    /// Free space, in bytes, that the engine's disk needs before a pull.
    pub min_disk_free_bytes: u64,
}

/// The first hosts of a roll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// How many, at least 1. Hosts that served nobody come before them and do not count.
    pub instances: u32,
    /// How long they must serve well before another host is touched, in milliseconds.
    pub bake_ms: u64,
}

fn max_pause_default_ms() -> u64 {
    crate::limits::MAX_PAUSE_DEFAULT_MS
}

fn sick_wait_default_ms() -> u64 {
    crate::limits::SICK_WAIT_DEFAULT_MS
}

fn max_roll_default_ms() -> u64 {
    crate::limits::MAX_ROLL_DEFAULT_MS
}

fn nlb_min_drain_default_ms() -> u64 {
    crate::limits::NLB_MIN_DRAIN_DEFAULT_MS
}

fn nlb_registration_default_ms() -> u64 {
    crate::limits::NLB_REGISTRATION_DEFAULT_MS
}

fn yes() -> bool {
    true
}

// A default is not written, so that journals of before are written as they were read.

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_nlb_min_drain_default(ms: &u64) -> bool {
    *ms == nlb_min_drain_default_ms()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_nlb_registration_default(ms: &u64) -> bool {
    *ms == nlb_registration_default_ms()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_yes(is: &bool) -> bool {
    *is
}
