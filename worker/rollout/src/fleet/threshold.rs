//! Target group health: how many healthy targets a target group itself asks for.

use serde::{Deserialize, Serialize};

/// Healthy targets below which the load balancer acts on its own (Elastic Load Balancing, "Target group
/// health"). It acts where either of the two is not kept. 0 stands for `off`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthThreshold {
    /// Healthy targets.
    pub count: u32,
    /// Healthy targets among a hundred registered ones.
    pub percentage: u32,
}

impl HealthThreshold {
    /// The healthy targets that must be left of so many registered ones. A threshold of one target, which is
    /// AWS's default, counts as none: the last healthy target is what `allow_outage` is about.
    pub fn floor(self, registered: u32) -> u32 {
        let share = u64::from(self.percentage) * u64::from(registered);
        let by_share = u32::try_from(share.div_ceil(100)).unwrap_or(u32::MAX);
        let least = self.count.max(by_share);
        if least > 1 { least } else { 0 }
    }

    /// The threshold that keeps both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            count: self.count.max(other.count),
            percentage: self.percentage.max(other.percentage),
        }
    }
}
