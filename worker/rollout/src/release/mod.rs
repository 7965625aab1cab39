//! A release: the fold of its journal, and what that says of it.

mod approval;
mod awaited;
pub(crate) mod control;
mod evidence;
mod floor;
mod fold;
mod host_status;
mod hosts;
mod locks;
mod newcomer;
pub(crate) mod path;
pub(crate) mod patience;
mod roster;
mod sick;
mod stage;
pub(crate) mod standing;
mod step_status;
mod steps;
pub(crate) mod turns;
mod watched;

pub(crate) use host_status::Member;

pub use evidence::{EngineSeen, FailedCheck, HostSeen, Runs, Verdict, failed_check};
pub use fold::{Illegal, PreflightRefused, Release, SickWait};
pub use newcomer::{Newcomer, is_awaited, newcomer};
pub use patience::{attempt_ms, patience_ms};
pub use stage::Stage;
pub use step_status::StepStatus;
pub use steps::{StepState, Steps, lookups};
