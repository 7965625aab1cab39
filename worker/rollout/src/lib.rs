//! What a roll does next. Pure: no clock, no IO, no async; `now` is an argument.
//!
//! ```text
//!   request + definition + snapshot --plan()--> Plan
//!   Entry, Entry, Entry …           --apply()--> Release          (the journal's fold)
//!   Plan                            --estimate()--> how long it will take, and what costs most
//!   Release, queue, now             --decide()--> what to do next (all branching is here)
//!   Release, Entry                  --events_of()--> status events
//!   Release                         --conclude()--> outcome and receipt
//!   Marks                           --journal()--> the journal of a release whose ledger is lost
//! ```
//!
//! [`Machine`] is the loop around `decide`, without IO. It has two shells: the worker's driver
//! (`worker/src/roll/driver.rs`) and the simulator of the search. They append what is decided, perform it,
//! and tell the machine what came of it. Nothing else decides, before a release begins or after.

// From the ground up: a layer imports what stands above it in this list, and nothing below
// (`tests/tests/layers.rs`).
pub mod limits;
mod share;

mod failure;

pub mod definition;

mod fleet;

mod preflight;

mod journal;

mod release;

mod queue;

mod report;

mod decide;

mod estimate;
mod events;
mod machine;
mod mends;
mod recovery;

pub use decide::{Decision, decide};
pub use definition::{
    Approval, Gates, Opening, SecretReference, SecretStore, Supersede, Windows, names, placeholders,
};
pub use estimate::{Cost, Estimate, HostEstimate};
pub use events::{about, events_of};
pub use failure::{Failure, FloorKept, Obstacle};
pub use fleet::{
    Account, AlarmPlan, AlarmSnapshot, Answer, ContainerBefore, ContainerSnapshot, Context, Denial,
    DesiredPlan, DesiredSnapshot, FleetSnapshot, ForeignTarget, GROUP_TAG, GroupPlan, GroupSnapshot,
    HealthThreshold, Healthcheck, Holders, HostPlan, HostSnapshot, HostView, ImageHealthcheck, ImageSnapshot,
    LABEL_RELEASE, LABEL_VERSION, Leave, LeftOut, ListenerSnapshot, MemberSnapshot, Missing, MuteRule, Need,
    ON_BASTION, Observation, ObservedGroup, ObservedHost, ObservedParameter, ObservedTarget, OtherTarget,
    OutsideDocker, Permissions, Plan, Resource, ResourceKind, SILENCED_TAG, ScheduledAction, SecretSnapshot,
    Stranger, TARGET_TAG_PREFIX, TargetGroupPlan, TargetGroupSnapshot, TargetPlan, TargetSnapshot, Trial,
    Unproved, WatchPlan, Write, silenced_tag, silenced_value, suspension, target_tag, target_value,
    version_name,
};
pub use journal::{
    About, Attempt, Calls, Cause, Entry, Evidence, Fleet, Moment, OnRollback, OnShutdown, Patience, Phase,
    Properties, Reaches, Record, Sees, Step, StepEvents, StepOutcome, Way,
};
pub use machine::{Action, Judged, Machine, Waits};
pub use preflight::{Awaited, Finding, Severity, denied, host_plan, plan, refused_healthcheck};
pub use queue::{Other, Policies, QueueView, Queued, Rival, leaps, next};
pub use recovery::{LeftContainers, Marks};
pub use release::{
    EngineSeen, FailedCheck, HostSeen, Illegal, Newcomer, PreflightRefused, Release, Runs, SickWait, Stage,
    StepState, StepStatus, Steps, Verdict, attempt_ms, failed_check, is_awaited, lookups, newcomer,
    patience_ms,
};
pub use report::conclude;
pub use share::Share;
