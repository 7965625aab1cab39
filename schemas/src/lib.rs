//! The wire contract of Drawgate: what a build server may send, what the worker answers, and which events
//! anybody may read.
//!
//! The crate is pure: bytes in, values out, with no clock, no network and no runtime. Every size is bounded
//! ([`limits`]). Every name is a type with a checked constructor. Unknown fields of a request or question are
//! refused, so that a misspelt option is an error and not a silent default.

#![warn(missing_docs)]

mod control;
mod envelope;
mod event;
mod gate;
mod hook;
mod host;
mod image;
mod kind;
mod leftover;
pub mod limits;
mod name;
mod note;
mod outcome;
mod question;
mod receipt;
mod rejection;
mod request;
pub mod schema;
mod sha256;
pub mod topology;

pub use control::{Control, ControlCommand, ForgottenSequence};
pub use envelope::{About, CONTENT_TYPE as EVENT_CONTENT_TYPE, StatusEvent};
pub use event::{Event, Started, Suspension};
pub use gate::{AwaitedApproval, Blocker, Freeze};
pub use hook::{Hook, HookProgress, HookState};
pub use host::{Direction, HostPhase, HostProgress, HostRef, HostSick, SickAnswer};
pub use image::{Digest, ImageReference};
pub use kind::{Concerns, Kind, Severity};
pub use leftover::{Command, Leftover, LeftoverKind, Part};
pub use name::{Environment, InvalidName, ReleaseId, Service, Site, Text};
pub use note::{Note, NoteKind};
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
