//! RabbitMQ: what the worker consumes and publishes.
//!
//! ```text
//! drawgate.releases -> drawgate.releases.<site> -> consume_releases(handler) -> Accepted: ack
//!                                                                            -> Reject: dead letter, confirmed, then ack
//!                                                                            -> Unreadable: the broker makes it a dead letter
//!                                                                            -> Unavailable: keep it, then close the channel
//! drawgate.control  -> drawgate.control.<site>  -> answer_questions(handler) -> the asker's reply queue, at most once
//! ledger's outbox   -> relay(ledger)            -> drawgate.events, confirmed, in order, at least once
//! drawgate.events   -> drawgate.chat            -> feed_chat(handler)        -> ack after it was posted
//! ```
//!
//! The worker has four connections, and each reconnects by itself. The broker may throttle a connection that
//! publishes (a memory or disk alarm stops reading from it), and acknowledgements must not wait behind that.
//! Control commands must be heard whatever happens to releases. Chat must stop nothing else, so its queue is
//! declared and consumed over its own connection. Each loop runs until it is told to stop and waits for its
//! connection as long as that takes; nobody else waits for the loop.

mod backoff;
mod chat_feed;
mod connections;
mod consume;
mod dead;
mod dead_copies;
mod delivery_limit;
mod error;
pub mod limits;
mod link;
mod publisher;
mod questions;
mod relay;
mod releases;
mod settings;
mod stop;
mod topology;
mod version;

pub use chat_feed::{ChatHandler, Posted};
pub use connections::Bus;
pub use consume::Delivered;
pub use delivery_limit::{DeliveryLimit, DeliveryLimitTrial};
pub use drawgate_amqp::Unreadable;
pub use error::BusError;
pub use questions::QuestionHandler;
pub use releases::{ReleaseHandler, Verdict};
pub use settings::BusSettings;
