//! The receipt of a release: the state before, the state after, and where the time went.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hook::Hook;
use crate::host::{Direction, HostPhase};
use crate::image::Digest;
use crate::leftover::Leftover;
use crate::note::Note;

/// The receipt of a release: everything that a release may touch, before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// The digest that was released; absent where the service's own programs do without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The digest that the tag points to at the end, where it moved during the release. Every host still got
    /// `digest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_moved_to: Option<Digest>,
    /// Milliseconds from the beginning of the release to its end.
    pub duration_ms: u64,
    /// Milliseconds of `duration_ms` in which at least one host was waiting for the load balancer.
    pub balancer_wait_ms: u64,
    /// The setting that cost the most time, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub costs_most: Option<String>,
    /// Every host of the plan, and every host that joined.
    pub hosts: Vec<HostReceipt>,
    /// The Auto Scaling groups of the plan.
    pub groups: Vec<GroupReceipt>,
    /// The alarms whose actions were on before.
    pub alarms: Vec<AlarmReceipt>,
    /// What else a person should know: what was left alone, what was missed and how to make up for it.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::leftover::of_any_version"
    )]
    pub notes: Vec<Note>,
    /// The desired version, where the service publishes one.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "wanted")]
    pub desired: Option<DesiredReceipt>,
    /// `[before]` and `[after]`, where they ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookReceipt>,
    /// What is not as it should be, each with the command that mends it. Empty unless the outcome is
    /// `needs_operator`.
    #[serde(alias = "left_over", deserialize_with = "crate::leftover::of_any_version")]
    pub leftovers: Vec<Leftover>,
}

/// The result of a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HookReceipt {
    /// Which hook this is.
    pub hook: Hook,
    /// Program and arguments, as the service's file has them.
    pub run: Vec<String>,
    /// Whether the hook succeeded.
    pub passed: bool,
    /// How often the hook was tried, or looked at.
    pub attempts: u32,
    /// Milliseconds from the start of the first attempt to the end of the last one.
    pub took_ms: u64,
    /// What went wrong, where the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One host, before and after the release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostReceipt {
    /// The EC2 instance's id.
    pub instance: String,
    /// Whether the host was taken out of service by the release, or may have been.
    pub touched: bool,
    /// Whether the host left the fleet during the release.
    pub gone: bool,
    /// Whether the host joined the fleet during the release.
    #[serde(default)]
    pub joined: bool,
    /// The image that ran on the host before the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_before: Option<String>,
    /// The image that was seen to run on the host at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_after: Option<String>,
    /// What a person calls the version that ran before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_before: Option<String>,
    /// What a person calls the version that was seen to run at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_after: Option<String>,
    /// The host's targets, one for each target group and port.
    pub targets: Vec<TargetReceipt>,
    /// Milliseconds between stopping the old container and having started the new one, when the host was
    /// rolled forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_container_ms: Option<u64>,
    /// The duration of each phase of the host.
    pub phases: Vec<PhaseTime>,
}

/// The desired version, which instances start when they boot, before and after the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DesiredReceipt {
    /// Name of the SSM parameter that holds the desired version.
    pub parameter: String,
    /// What a person calls the earlier desired version; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What a person calls the desired version that was seen at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// One target, before and after the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetReceipt {
    /// The target group's name.
    pub target_group: String,
    /// The port with which the host was registered.
    pub port: u16,
    /// The target's state before the release, as Elastic Load Balancing writes it.
    pub before: String,
    /// The target's state at the end, written the same way; `absent` where the group does not have the
    /// target, `not seen` where it was not read.
    pub after: String,
}

/// The duration of one phase of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseTime {
    /// Whether the host went to the desired version or back.
    pub direction: Direction,
    /// The phase.
    pub phase: HostPhase,
    /// Milliseconds from the start of the phase's first attempt to its end.
    pub took_ms: u64,
}

/// One Auto Scaling group, before and after the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupReceipt {
    /// The group's name.
    pub group: String,
    /// Names of the processes that were suspended before the release.
    pub before: Vec<String>,
    /// Names of the processes that the release suspended.
    pub suspended: Vec<String>,
    /// Names of the processes that were suspended at the end.
    pub after: Vec<String>,
}

/// One alarm, before and after the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlarmReceipt {
    /// The alarm's name.
    pub alarm: String,
    /// Whether the alarm's actions were on before the release.
    pub before: bool,
    /// Whether the alarm's actions are on at the end.
    pub after: bool,
}
