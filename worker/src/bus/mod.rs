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

use std::sync::Arc;

use link::Link;
use stop::Stop;
use tokio::sync::watch;
use topology::Part;

pub use chat_feed::{ChatHandler, Posted};
pub use consume::Delivered;
pub use delivery_limit::{DeliveryLimit, DeliveryLimitTrial};
pub use drawgate_amqp::Unreadable;
pub use error::BusError;
pub use questions::QuestionHandler;
pub use releases::{ReleaseHandler, Verdict};
pub use settings::BusSettings;

/// The worker's place on the broker. Clones share it.
#[derive(Debug, Clone)]
pub struct Bus {
    releases: Arc<Link>,
    control: Arc<Link>,
    publishing: Arc<Link>,
    /// Connected when chat is fed.
    chat: Arc<Link>,
    delivery_limit: Arc<DeliveryLimitTrial>,
    settings: Arc<BusSettings>,
}

impl Bus {
    /// A place on the broker that these settings name. Nothing is connected yet: each loop makes its connection, and tries on for as
    /// long as the broker is away.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub fn new(settings: BusSettings) -> Result<Self, BusError> {
        settings.check()?;
        let settings = Arc::new(settings);
        let link = |part| Arc::new(Link::new(part, Arc::clone(&settings)));
        let (releases, publishing) = (link(Part::Releases), link(Part::Publishing));
        let trial = DeliveryLimitTrial::new(Arc::clone(&publishing), Arc::clone(&releases), &settings.site);
        Ok(Self {
            releases,
            control: link(Part::Control),
            delivery_limit: Arc::new(trial),
            publishing,
            chat: link(Part::Chat),
            settings,
        })
    }

    /// Connects and declares what releases depend on, where a loop has not done so. False when it was told to stop first.
    pub async fn connected(&self, stop: watch::Receiver<bool>) -> bool {
        let mut stop = Stop::new(stop);
        for link in [&self.releases, &self.control, &self.publishing] {
            if link.channel(&mut stop).await.is_none() {
                return false;
            }
        }
        true
    }

    /// Whether the connections that releases depend on stand at this moment.
    pub fn is_connected(&self) -> bool {
        [&self.releases, &self.control, &self.publishing]
            .iter()
            .all(|link| link.is_connected())
    }

    /// How often the broker gives a release out before it becomes a dead letter, as a person is to know it.
    pub fn delivery_limit(&self) -> Arc<DeliveryLimitTrial> {
        Arc::clone(&self.delivery_limit)
    }

    /// Closes the connections. Call it when the loops have ended.
    pub async fn close(&self) {
        for link in [&self.releases, &self.control, &self.publishing, &self.chat] {
            link.close().await;
        }
    }
}
