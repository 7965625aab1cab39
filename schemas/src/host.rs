//! A host: how it is named, how far it is, and what is done when it is sick.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostRef {
    /// The EC2 instance's id.
    pub instance: String,
    /// The address it is reached by.
    pub address: String,
}

/// How far one host is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostProgress {
    /// The EC2 instance's id.
    pub instance: String,
    /// Toward the desired version, or back.
    pub direction: Direction,
    /// What has begun, or has been reached.
    pub phase: HostPhase,
    /// Hosts that are done in this direction.
    pub done: u32,
    /// Hosts in all.
    pub total: u32,
    /// How long this phase should take, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_s: Option<u64>,
    /// What else is worth saying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Which way a host goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Toward the desired version.
    Forward,
    /// To what ran before.
    Back,
}

/// What a host is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostPhase {
    /// Leaving its target groups.
    Deregistering,
    /// Waiting until its target groups are done with it.
    Draining,
    /// The container is being swapped.
    Swapping,
    /// The container is being checked.
    Verifying,
    /// Going back into its target groups.
    Registering,
    /// Waiting until it is healthy, and stays so.
    #[serde(alias = "settling")]
    AwaitingHealthy,
    /// Healthy in every target group, on the version it was to have.
    Done,
    /// A step failed.
    Failed,
    /// The instance is no longer a member of the fleet.
    Gone,
}

/// Hosts that turned unhealthy by themselves, and what is done about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostSick {
    /// Which; none where the unhealthy targets are no hosts of this release.
    pub instances: Vec<String>,
    /// The target group's name.
    pub target_group: String,
    /// Healthy targets that it has.
    pub healthy: u32,
    /// Healthy targets that must be left when another host is taken out.
    pub floor: u32,
    /// What is done about them.
    pub answer: SickAnswer,
}

impl fmt::Display for HostSick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target_group,
            healthy,
            floor,
            ..
        } = self;
        match self.instances.len() {
            0 => write!(
                f,
                "targets of {target_group} that are not of this release are not healthy"
            )?,
            1 => write!(
                f,
                "{} is not healthy in {target_group}",
                self.instances.join(", ")
            )?,
            _ => write!(
                f,
                "{} are not healthy in {target_group}",
                self.instances.join(", ")
            )?,
        }
        write!(f, ", where {healthy} are healthy and {floor} must be left: ")?;
        match self.answer {
            SickAnswer::RolledNext => f.write_str("rolled next"),
            SickAnswer::Waits { until } => write!(f, "waiting until {until:.0}"),
            SickAnswer::RolledBack => f.write_str("rolled back"),
        }
    }
}

/// What is done about sick hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SickAnswer {
    /// They are rolled before the others: taking them out costs nothing.
    RolledNext,
    /// Nothing is taken out until they are healthy or replaced.
    Waits {
        /// Past this moment the release is rolled back.
        until: Timestamp,
    },
    /// They were waited for in vain: the release is rolled back.
    RolledBack,
}
