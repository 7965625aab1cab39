//! A fleet as it was seen, and what is to become of it: the snapshot and the plan.

mod desired;
mod healthcheck;
mod locks;
mod mute;
mod permissions;
pub(crate) mod plan;
mod silence;
mod snapshot;
mod tags;
mod threshold;
mod values;

pub use desired::{DesiredPlan, DesiredSnapshot};
pub use healthcheck::{Healthcheck, ImageHealthcheck};
pub(crate) use locks::{instance_lock, target_group_lock};
pub use mute::MuteRule;
pub use permissions::{
    Account, Answer, Context, Denial, Missing, Need, Permissions, Resource, ResourceKind, Trial, Unproved,
    Write,
};
pub use plan::{
    AlarmPlan, GroupPlan, HostPlan, LeftOut, ON_BASTION, Plan, TargetGroupPlan, TargetPlan, WatchPlan,
};
pub use silence::{Holders, Leave, SILENCED_TAG, silenced_tag, silenced_value};
pub use snapshot::{
    AlarmSnapshot, ContainerBefore, ContainerSnapshot, FleetSnapshot, ForeignTarget, GroupSnapshot,
    HostSnapshot, HostView, ImageSnapshot, LABEL_RELEASE, LABEL_VERSION, ListenerSnapshot, MemberSnapshot,
    Observation, ObservedGroup, ObservedHost, ObservedParameter, ObservedTarget, OtherTarget, OutsideDocker,
    ScheduledAction, SecretSnapshot, Stranger, TargetGroupSnapshot, TargetSnapshot, version_name,
};
pub use tags::{GROUP_TAG, TARGET_TAG_PREFIX, suspension, target_tag, target_value};
pub use threshold::HealthThreshold;
