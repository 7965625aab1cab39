//! The processes of Auto Scaling that a roll suspends.

use serde::{Deserialize, Serialize};

/// Auto Scaling processes, as `SuspendProcesses` names them
/// (Amazon EC2 Auto Scaling User Guide, "Suspend and resume processes").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Process {
    Launch,
    Terminate,
    /// Registers new instances with the load balancer. Never suspended by us: later instances would never
    /// join.
    AddToLoadBalancer,
    /// Acts on alarms of scaling policies.
    AlarmNotification,
    /// Balances instances over zones.
    #[serde(rename = "AZRebalance")]
    AzRebalance,
    /// Marks instances unhealthy.
    HealthCheck,
    /// Runs instance refreshes.
    InstanceRefresh,
    /// Terminates and replaces instances that are marked unhealthy.
    ReplaceUnhealthy,
    /// Runs scheduled actions.
    ScheduledActions,
}

impl Process {
    /// What is suspended where the service file says nothing.
    pub const DEFAULT: [Self; 6] = [
        Self::AzRebalance,
        Self::AlarmNotification,
        Self::ScheduledActions,
        Self::HealthCheck,
        Self::ReplaceUnhealthy,
        Self::InstanceRefresh,
    ];

    const ALL: [Self; 9] = [
        Self::Launch,
        Self::Terminate,
        Self::AddToLoadBalancer,
        Self::AlarmNotification,
        Self::AzRebalance,
        Self::HealthCheck,
        Self::InstanceRefresh,
        Self::ReplaceUnhealthy,
        Self::ScheduledActions,
    ];

    /// The API's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Launch => "Launch",
            Self::Terminate => "Terminate",
            Self::AddToLoadBalancer => "AddToLoadBalancer",
            Self::AlarmNotification => "AlarmNotification",
            Self::AzRebalance => "AZRebalance",
            Self::HealthCheck => "HealthCheck",
            Self::InstanceRefresh => "InstanceRefresh",
            Self::ReplaceUnhealthy => "ReplaceUnhealthy",
            Self::ScheduledActions => "ScheduledActions",
        }
    }

    /// The process of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|process| process.as_str() == name)
    }
}
