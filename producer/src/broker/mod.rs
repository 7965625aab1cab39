//! RabbitMQ, as a producer uses it: one confirmed message, one queue of its own for events, and questions
//! over direct reply-to. The producer declares only its own queue; the workers declare the exchanges and
//! their queues.
//!
//! ```text
//! publish ──> drawgate.releases ──> worker
//! ask ──────> drawgate.control  ──> every worker ──> amq.rabbitmq.reply-to ──> ask
//! subscribe <─ drawgate.events <── worker
//! ```

mod address;
mod ask;
mod call;
mod connect;
mod dead_letters;
mod publish;
mod subscribe;

pub(crate) use address::{Address, AddressError};
pub(crate) use ask::{AskError, Asker, Verdict};
pub(crate) use connect::{Backoff, ConnectError, Link, connect_patiently};
pub(crate) use dead_letters::{DeadError, DeadLetter, HeldLetters, LetterId};
pub(crate) use publish::{PublishError, publish, publish_for};
pub(crate) use subscribe::{SubscribeError, Target, subscribe};
