//! The restoration receipt: what was before, what is after, and where the time went.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hook::Hook;
use crate::host::{Direction, HostPhase};
use crate::image::Digest;

/// Before and after of everything a release may touch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// The digest that was released; absent where the service's own programs do without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Where the tag points now, if it moved while the release ran. Every host got `digest` all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_moved_to: Option<Digest>,
    /// From the release's beginning to its end.
    pub duration_ms: u64,
    /// The part of it that was spent waiting for the load balancer on the longest chain of hosts.
    pub balancer_wait_ms: u64,
    /// The setting that cost most, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub costs_most: Option<String>,
    /// Hosts.
    pub hosts: Vec<HostReceipt>,
    /// Auto Scaling groups.
    pub groups: Vec<GroupReceipt>,
    /// Alarms whose actions were on.
    pub alarms: Vec<AlarmReceipt>,
    /// What else a person should know: what was left alone, what was missed and how to make up for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The desired version, where the service publishes one.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "wanted")]
    pub desired: Option<DesiredReceipt>,
    /// `[before]` and `[after]`, where they were run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookReceipt>,
    /// What is not as it was, each with the command that mends it. Empty unless the outcome is `needs_operator`.
    pub left_over: Vec<String>,
}

/// What became of a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HookReceipt {
    /// Which.
    pub hook: Hook,
    /// Program and arguments, as the service's file has them.
    pub run: Vec<String>,
    /// Whether it had a good end.
    pub passed: bool,
    /// How often it was tried, or looked at.
    pub attempts: u32,
    /// From its first attempt to its end.
    pub took_ms: u64,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One host, before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostReceipt {
    /// The EC2 instance's id.
    pub instance: String,
    /// Whether it was taken out of service.
    pub touched: bool,
    /// Whether it left the fleet meanwhile.
    pub gone: bool,
    /// Whether it joined the fleet meanwhile.
    #[serde(default)]
    pub joined: bool,
    /// The image that ran before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_before: Option<String>,
    /// The image that was seen to run at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_after: Option<String>,
    /// What a person calls the version that ran before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_before: Option<String>,
    /// What a person calls the version that was seen to run at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_after: Option<String>,
    /// Its targets.
    pub targets: Vec<TargetReceipt>,
    /// Milliseconds between stopping the old container and having started the new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_container_ms: Option<u64>,
    /// Where its time went.
    pub phases: Vec<PhaseTime>,
}

/// What instances start that boot by themselves, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DesiredReceipt {
    /// The name of the parameter that holds it.
    pub parameter: String,
    /// What a person calls the desired version of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What a person calls the desired version that was seen at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// One target, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetReceipt {
    /// The target group's name.
    pub target_group: String,
    /// The port it was registered with.
    pub port: u16,
    /// Its state before, as the API writes it.
    pub before: String,
    /// Its state at the end.
    pub after: String,
}

/// One phase of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseTime {
    /// Which way.
    pub direction: Direction,
    /// Which phase.
    pub phase: HostPhase,
    /// From its first attempt to its end.
    pub took_ms: u64,
}

/// One Auto Scaling group, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupReceipt {
    /// The group's name.
    pub group: String,
    /// Suspended processes before.
    pub before: Vec<String>,
    /// Suspended by us.
    pub suspended: Vec<String>,
    /// Suspended processes at the end.
    pub after: Vec<String>,
}

/// One alarm, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlarmReceipt {
    /// The alarm's name.
    pub alarm: String,
    /// Whether its actions were on before.
    pub before: bool,
    /// Whether they are on at the end.
    pub after: bool,
}
