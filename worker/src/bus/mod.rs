//! RabbitMQ: what the worker hears and says.
//!
//! ```text
//! drawgate.releases -> drawgate.releases.<site> -> consume_releases(handler) -> Accepted: ack
//!                                                                            -> Reject: dead letter, confirmed, then ack
//!                                                                            -> Unavailable: close the channel, come again
//! drawgate.control  -> drawgate.control.<site>  -> answer_questions(handler) -> the asker's reply queue, at most once
//! ledger's outbox   -> relay(ledger)            -> drawgate.events, confirmed, in order, at least once
//! drawgate.events   -> drawgate.chat            -> feed_chat(handler)        -> ack after it was posted
//! ```
//!
//! Three connections, each of which comes back by itself. What publishes may be throttled by the broker (a memory or
//! disk alarm stops reading from a connection that publishes), and acknowledgements must not wait behind that; chat
//! must stop nothing else, so its queue is declared and consumed over its own. Each of the four loops runs until it is
//! told to stop.

mod backoff;
mod chat_feed;
mod consume;
mod dead;
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
pub use error::BusError;
pub use questions::QuestionHandler;
pub use releases::{ReleaseHandler, Verdict};
pub use settings::BusSettings;

/// The worker's place on the broker. Clones share it.
#[derive(Debug, Clone)]
pub struct Bus {
    consuming: Arc<Link>,
    publishing: Arc<Link>,
    /// Connected when chat is fed.
    chat: Arc<Link>,
    settings: Arc<BusSettings>,
}

impl Bus {
    /// Connects and declares exchanges and queues. Tries for as long as the broker is away; `None` when it was told
    /// to stop meanwhile.
    ///
    /// # Errors
    /// What trying again would not mend: settings that cannot be used, or a queue that exists with other arguments.
    pub async fn connect(
        settings: BusSettings,
        stop: watch::Receiver<bool>,
    ) -> Result<Option<Self>, BusError> {
        settings.check()?;
        let settings = Arc::new(settings);
        let link = |part| Arc::new(Link::new(part, Arc::clone(&settings)));
        let bus = Self {
            consuming: link(Part::Consuming),
            publishing: link(Part::Publishing),
            chat: link(Part::Chat),
            settings,
        };
        let mut stop = Stop::new(stop);
        for link in [&bus.consuming, &bus.publishing] {
            if link.first_connection(&mut stop).await?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(bus))
    }

    /// Whether the connections that releases depend on stand at this moment.
    pub fn is_connected(&self) -> bool {
        self.consuming.is_connected() && self.publishing.is_connected()
    }

    /// Closes the connections. Call it when the loops have ended.
    pub async fn close(&self) {
        for link in [&self.consuming, &self.publishing, &self.chat] {
            link.close().await;
        }
    }
}
