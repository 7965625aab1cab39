//! The lab (`infra/lab/README.md`) as tests speak to it, the adapters' and the end-to-end tests alike.
//!
//! ```text
//!   lab      the lab's API: fleets, images, hosts, faults, and the present state of AWS and the engines
//!   broker   a virtual host of a test's own: queues, policies, messages, dead letters, status events
//!   wire     a connection to the broker that can be cut, mended, and made to lose data
//!   webhook  a chat that can be away, and answers as it is told
//!   wait     waits for a condition, within a bound
//! ```
//!
//! A test of an adapter skips itself outside the lab ([`Lab::enter`](lab::Lab::enter),
//! [`Broker::new`](broker::Broker::new)); an end-to-end test demands the lab
//! ([`Lab::fresh`](lab::Lab::fresh), [`Broker::with_people`](broker::Broker::with_people)). A helper that
//! cannot do its work panics, which fails the test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "a helper that cannot do its work has failed its test, and says so"
)]

pub mod broker;
pub mod lab;
mod repository;
mod request;
pub mod wait;
pub mod webhook;
pub mod wire;

pub use repository::repository;
pub use request::request_of;
