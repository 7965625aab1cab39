//! The wire contract of Drawgate: what a build server may send, what the worker answers, what everybody may hear.
//!
//! Pure: bytes in, values out. No clock, no network, no runtime. Every size is bounded ([`limits`]), every name is
//! a type with a checked constructor, and unknown fields of a message are refused, so that a misspelt option is an
//! error and not a silent default.

mod event;
mod image;
pub mod limits;
mod name;
mod question;
mod receipt;
mod rejection;
mod request;
pub mod schema;
pub mod topology;

pub use event::{
    AwaitedApproval, Direction, Ended, Event, ForgottenSequence, Freeze, Hold, Hook, HookProgress, HookState,
    HostPhase, HostProgress, HostRef, HostSick, Order, Ordered, Outcome, SickAnswer, Started, StatusEvent,
    Suspension,
};
pub use image::{Digest, ImageReference};
pub use name::{Environment, InvalidName, ReleaseId, Service, Site, Text};
pub use question::{
    Answer, Ask, EndedView, GiveOrder, HostLogs, LaneView, PastView, Pong, Question, ReleaseState,
    ReleaseView, Reply, RunningView, StatusView, WaitingView,
};
pub use receipt::{
    AlarmReceipt, GroupReceipt, HookReceipt, HostReceipt, PhaseTime, Receipt, TargetReceipt, WantedReceipt,
};
pub use rejection::{Rejection, RejectionCode};
pub use request::{Build, Options, ReleaseRequest, Version1};
