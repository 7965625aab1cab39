//! Everything the worker says to AWS: one client, one classification of answers, plain results.
//!
//! ```text
//! worker -> Aws::suspend(..) -> call(operation, effect, request) -> limiter -> SDK -> AWS
//!                                  |  counts it, notes whether it was sent
//!                                  +- Ok(plain struct) | AwsError: Refused, Throttled, NotAccepted, NotSent, Unknown
//! ```
//!
//! The SDK repeats only calls that AWS throttled, which have not happened (`attempts.rs`). The core decides
//! whether anything else is repeated, because only the core knows whether a call that may have happened has
//! to be looked for first.
//!
//! Every call waits for a token first (`limiter.rs`), so that the worker stays within its share of the
//! request rates that AWS documents (`rates.rs`).

mod alarms;
mod attempts;
mod balancer;
mod batch;
mod client;
mod clients;
mod credentials;
mod error;
mod health_watch;
mod instances;
mod limiter;
pub mod limits;
mod mute_rules;
mod parameters;
mod policies;
pub mod rates;
mod registry;
mod scaling;
mod secrets;
mod shared_calls;
mod shared_poll;
mod token_bucket;

pub use alarms::Alarm;
pub use balancer::{HealthCheck, Target, TargetGroup, TargetGroupAttributes, TargetId, TargetState};
#[cfg(test)]
pub(crate) use batch::Batches;
pub use client::Aws;
pub use credentials::environment;
pub use error::{AwsError, Cause};
pub use health_watch::{HealthWatch, Targets};
pub use instances::Instance;
#[cfg(test)]
pub(crate) use limiter::Limiter;
pub use limiter::{RateShare, Traffic};
pub use mute_rules::SeenMuteRule;
pub use parameters::Parameter;
pub use policies::{Question, Simulated};
pub use scaling::{Group, Member, ScheduledAction, TrafficSource};
pub use secrets::StoredSecret;
pub use shared_calls::SharedCalls;
pub use shared_poll::{Observation, SharedPoll};
