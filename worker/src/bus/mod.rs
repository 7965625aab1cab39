//! RabbitMQ: what the worker hears and says.
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
//! Four connections, each of which comes back by itself. What publishes may be throttled by the broker (a memory or
//! disk alarm stops reading from a connection that publishes), and acknowledgements must not wait behind that; control
//! commands must be heard whatever becomes of releases; chat must stop nothing else, so its queue is declared and
//! consumed over its own. Each of the loops runs until it is told to stop, and waits for its connection as long as it takes:
//! nobody else waits for it.

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
