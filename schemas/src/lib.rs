//! The wire contract of Drawgate: what a build server may send, what the worker answers, what everybody may hear.
//!
//! Pure: bytes in, values out. No clock, no network, no runtime. Every size is bounded ([`limits`]), every name is
//! a type with a checked constructor, and unknown fields of a message are refused, so that a misspelt option is an
//! error and not a silent default.

mod control;
mod event;
mod gate;
mod hook;
mod host;
mod image;
pub mod limits;
mod name;
mod outcome;
mod question;
mod receipt;
mod rejection;
mod request;
pub mod schema;
mod sha256;
pub mod topology;

pub use control::{Control, ControlCommand, ForgottenSequence};
pub use event::{Event, Started, StatusEvent, Suspension};
pub use gate::{AwaitedApproval, Blocker, Freeze};
pub use hook::{Hook, HookProgress, HookState};
pub use host::{Direction, HostPhase, HostProgress, HostRef, HostSick, SickAnswer};
pub use image::{Digest, ImageReference};
pub use name::{Environment, InvalidName, ReleaseId, Service, Site, Text};
pub use outcome::{Ended, Outcome};
pub use question::{
    Answer, Ask, ControlRequest, EndedView, HostLogs, LaneView, PastView, Pong, Question, ReleaseState,
    ReleaseView, Reply, RunningView, StatusView, WaitingView,
};
pub use receipt::{
    AlarmReceipt, DesiredReceipt, GroupReceipt, HookReceipt, HostReceipt, PhaseTime, Receipt, TargetReceipt,
};
pub use rejection::{Rejection, RejectionCode};
pub use request::{Build, Options, ReleaseRequest, Version1};
