//! A host: its name, its progress, and what the worker does when it is sick.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One host of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostRef {
    /// The EC2 instance's id.
    pub instance: String,
    /// The address at which the worker reaches the host.
    pub address: String,
}

/// The progress of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostProgress {
    /// The EC2 instance's id.
    pub instance: String,
    /// Whether the host goes to the desired version or back.
    pub direction: Direction,
    /// The phase that the host has begun or reached.
    pub phase: HostPhase,
    /// Hosts of the release that are done in this direction.
    pub done: u32,
    /// Hosts to do in this direction: all that are still in the fleet, or during rollback those that were
    /// touched.
    pub total: u32,
    /// Expected duration of this phase, in seconds; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_s: Option<u64>,
    /// More about the phase, for a person: which attempt failed, or why the host is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The direction in which a host is rolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The host goes to the desired version.
    Forward,
    /// The host goes back to the version that ran before the release.
    Back,
}

/// The phase of one host's roll, or its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostPhase {
    /// The host is leaving its target groups.
    Deregistering,
    /// The worker waits until the target groups have drained the host.
    Draining,
    /// The container is being swapped.
    Swapping,
    /// The container is being checked.
    Verifying,
    /// The host is being registered in its target groups again.
    Registering,
    /// The worker waits until the host is healthy and has stayed so.
    #[serde(alias = "settling")]
    AwaitingHealthy,
    /// The host is healthy in every target group, on the version that its direction leads to.
    Done,
    /// A step of the host failed.
    Failed,
    /// The instance is no longer a member of the fleet.
    Gone,
}

/// Hosts that turned unhealthy by themselves, and what the worker does about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostSick {
    /// EC2 instance ids of the sick hosts; empty where the unhealthy targets are not hosts of this release.
    pub instances: Vec<String>,
    /// The target group's name, followed by " in ZONE" where the floor of one Availability Zone is meant.
    pub target_group: String,
    /// Healthy targets that the target group (or its zone) has.
    pub healthy: u32,
    /// The floor: healthy targets that the target group (or its zone) must keep while another host is taken
    /// out.
    pub floor: u32,
    /// What the worker does about the sick hosts.
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

/// What the worker does about sick hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SickAnswer {
    /// The sick hosts are rolled before the others, because taking them out costs no healthy target.
    RolledNext,
    /// No host is taken out until the sick hosts are healthy or replaced.
    Waits {
        /// After this moment the release is rolled back.
        until: Timestamp,
    },
    /// The release is rolled back, because the sick hosts have not recovered in time.
    RolledBack,
}
