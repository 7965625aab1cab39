//! The harness of the end-to-end tests: real `drawgate-worker` and `drawgate` processes in the lab.
//!
//! ```text
//!   Rolling -- a service on a fleet, images, a worker and its events: where most tests begin
//!    `-- Scene -- Lab      fleets, images, hosts, faults, and the present state of AWS and the engines
//!          |----- Broker   a virtual host of its own: publish, dead letters, status events
//!          |----- Worker   a process with its own configuration and ledger; stopped, killed, restarted
//!          |----- Load     constant requests through the load balancer
//!          `----- oracle   the rules that hold after every release, whatever was tried
//! ```
//!
//! `Lab` and `Broker`, the waits and the webhook are those of `drawgate-lab`, which the adapters' tests use too.
//!
//! Every wait is for an event and has a bound; nothing sleeps and hopes. A helper that cannot do its work
//! panics, which fails the test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "a helper that cannot do its work has failed its test, and says so"
)]

pub mod bastion;
pub mod disaster;
pub mod events;
pub mod imports;
pub mod load;
pub mod oracle;
pub mod programs;
pub mod random;
pub mod raw_amqp;
pub mod rolling;
pub mod runbook;
pub mod scene;
pub mod service;
pub mod worker;

pub use bastion::Bastion;
pub use broker::Broker;
pub use drawgate_lab::{broker, lab, wait, webhook};
pub use events::Events;
pub use lab::{Fleet, Lab};
pub use load::Load;
pub use rolling::{Beginning, Prepared, Rolling};
pub use scene::Scene;
pub use service::Service;
pub use worker::Worker;
