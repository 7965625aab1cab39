//! A fleet as it was seen, and what is to become of it: the snapshot and the plan.

mod desired;
mod healthcheck;
mod locks;
mod mute;
pub(crate) mod plan;
mod snapshot;
mod values;

pub use desired::{WantedPlan, WantedSnapshot};
pub use healthcheck::{Healthcheck, ImageHealthcheck};
pub(crate) use locks::{instance_lock, target_group_lock};
pub use mute::MuteRule;
pub use plan::{AlarmPlan, BESIDE_WORKER, GroupPlan, HostPlan, Plan, TargetGroupPlan, TargetPlan, WatchPlan};
pub use snapshot::{
    AlarmSnapshot, BesideDocker, ContainerBefore, ContainerSnapshot, FleetSnapshot, GroupSnapshot,
    HostSnapshot, HostView, ImageSnapshot, LABEL_RELEASE, LABEL_VERSION, ListenerSnapshot, MemberSnapshot,
    Observation, ObservedGroup, ObservedHost, ObservedParameter, ObservedTarget, ScheduledAction,
    SecretSnapshot, Stranger, TargetGroupSnapshot, TargetSnapshot, version_name,
};
