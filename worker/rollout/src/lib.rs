//! What a roll does next. Pure: no clock, no IO, no async; `now` is an argument.
//!
//! ```text
//!   request + definition + snapshot --plan()--> Plan
//!   Entry, Entry, Entry …           --apply()--> Release          (the journal's fold)
//!   Plan                            --outlook()--> how long it will take, and what costs most
//!   Release, queue, now             --decide()--> what to do next (all branching is here)
//!   Release, Entry                  --narrate()--> status events
//!   Release                         --conclude()--> outcome and receipt
//!   Marks                           --journal()--> the journal of a release whose ledger is lost
//! ```
//!
//! [`Machine`] is the loop around `decide`, without IO: the worker's driver (`worker/src/roll/driver.rs`) and the search's simulator are
//! its two shells. They append what is decided, perform it, and tell the machine what came of it. Nothing else decides, before a
//! release begins or after.

mod adopt;
mod approval;
pub mod arguments;
mod decide;
mod decision;
pub mod definition;
mod floor;
mod healthcheck;
mod hooks;
pub mod limits;
mod locks;
mod machine;
mod mute;
pub mod names;
mod narrate;
mod order;
mod outlook;
mod path;
mod plan;
mod preflight;
mod properties;
mod queue;
mod record;
mod report;
mod secrets;
mod share;
mod sick;
mod snapshot;
mod stage;
mod state;
mod step;
mod wanted;
mod window;

pub use adopt::{Left, LeftContainers, Marks};
pub use approval::Approval;
pub use decide::decide;
pub use decision::Decision;
pub use healthcheck::{Healthcheck, ImageHealthcheck, unfit_healthcheck};
pub use machine::{Action, Judged, Machine};
pub use mute::MuteRule;
pub use narrate::narrate;
pub use outlook::{Cost, HostOutlook, Outlook};
pub use plan::{
    AlarmPlan, BESIDE_WORKER, ContainerBefore, GroupPlan, HostPlan, Plan, TargetGroupPlan, TargetPlan,
    WatchPlan,
};
pub use preflight::{Finding, Severity, host_plan, plan};
pub use properties::{
    About, Attempt, Calls, Fleet, Moment, OnRollback, OnShutdown, Patience, Properties, Reaches, Sees, Told,
    Way,
};
pub use queue::{Gates, Other, Policies, QueueView, Queued, Rival, Supersede, leaps, next};
pub use record::{Cause, Entry, Evidence, Failure, Record, StepOutcome};
pub use report::conclude;
pub use secrets::{SecretReference, SecretSnapshot, SecretStore};
pub use share::Share;
pub use sick::{FloorKept, Obstacle, SickWait};
pub use snapshot::{
    AlarmSnapshot, BesideDocker, ContainerSnapshot, FleetSnapshot, GroupSnapshot, HostSnapshot, HostView,
    ImageSnapshot, LABEL_RELEASE, LABEL_VERSION, ListenerSnapshot, MemberSnapshot, Observation,
    ObservedGroup, ObservedHost, ObservedParameter, ObservedTarget, ScheduledAction, Stranger,
    TargetGroupSnapshot, TargetSnapshot, version_name,
};
pub use stage::Stage;
pub use state::{Illegal, Release, Standing, StepState, Unfit};
pub use step::{Phase, Step};
pub use wanted::{Newcomer, WantedPlan, WantedSnapshot, is_awaited, newcomer};
pub use window::{Opening, Windows};
