//! What went wrong, in words for a person and, where the load balancer says it, as data.

use std::collections::BTreeSet;

use drawgate_schemas::limits::{self, cut};
use serde::{Deserialize, Serialize};

/// What went wrong, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong.
    pub what: String,
    /// The way out, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The container's last lines, where a container failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
    /// What the load balancer says, where that is the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<Box<Obstacle>>,
    /// Whether it is that `[roll] max_roll` was over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overdue: bool,
}

impl Failure {
    /// A failure without hint or logs; the text is cut to the bound of an event's detail.
    pub fn new(what: impl AsRef<str>) -> Self {
        Self {
            what: cut(what.as_ref(), limits::DETAIL_CHARS),
            hint: None,
            logs: Vec::new(),
            obstacle: None,
            overdue: false,
        }
    }

    /// With what the load balancer says.
    #[must_use]
    pub fn with_obstacle(mut self, obstacle: Obstacle) -> Self {
        self.obstacle = Some(Box::new(obstacle));
        self
    }

    /// As one of a roll whose `max_roll` was over.
    #[must_use]
    pub fn because_overdue(mut self, overdue: bool) -> Self {
        self.overdue = overdue;
        self
    }

    /// With the way out.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the container's last lines.
    #[must_use]
    pub fn with_logs(mut self, logs: Vec<String>) -> Self {
        self.logs = logs;
        self
    }
}

/// What a load balancer or a host says that keeps a step from being done, as data: `decide` goes by it, and not by the
/// words beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "obstacle", rename_all = "snake_case")]
pub enum Obstacle {
    /// Nothing was done, and the host is in service: without it too few targets would be healthy.
    Floor(FloorKept),
    /// The host is registered and runs what it shall, but did not become healthy in its time.
    Unhealthy {
        /// The target group's ARN.
        target_group: String,
    },
    /// AWS does not accept the worker's credentials: nothing was done, and until there are others nothing can be, a
    /// rollback neither.
    Credentials,
    /// The host runs the new version, its turn is over, and it speaks against the version.
    AgainstVersion {
        /// The EC2 instance's id.
        instance: String,
    },
}

/// A floor that forbids taking another host out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloorKept {
    /// The target group's ARN.
    pub target_group: String,
    /// The availability zone, where its targets are counted by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Healthy targets now.
    pub healthy: u32,
    /// Healthy targets that must be left.
    pub floor: u32,
    /// Hosts of this release that are not healthy there, and that we do not have out.
    pub sick: BTreeSet<String>,
}
