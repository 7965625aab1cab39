//! Release requests: acknowledged when the ledger has them, or when their dead letter is safe.

use std::future::Future;
use std::sync::Arc;

use drawgate_schemas::Rejection;
use drawgate_schemas::topology::{DEAD_EXCHANGE, releases_queue};
use jiff::Timestamp;
use lapin::message::Delivery;
use tokio::sync::watch;
use tokio::time::Instant;

use super::consume::{self, Delivered, Next, OnDelivery, Queue};
use super::link::Link;
use super::publisher::{Address, Publisher};
use super::stop::Stop;
use super::topology::Declared;
use super::{Bus, dead, limits};
use crate::error_chain;

/// What becomes of a release request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The ledger has it.
    Accepted,
    /// It will be refused tomorrow as today.
    Reject(Rejection),
    /// The same, of a message that nobody can read: the broker alone has all of it.
    Unreadable(Rejection),
    /// The ledger is away: nothing is acknowledged.
    Unavailable,
}

/// Takes release requests in.
pub trait ReleaseHandler: Send + Sync {
    /// Decides over one message. The same message may come again and must get the same answer.
    fn handle(&self, message: Delivered) -> impl Future<Output = Verdict> + Send;

    /// Tells of one on which the broker gave up, for the reason that it names; false when the ledger is away.
    fn given_up(&self, message: Delivered, reason: &str) -> impl Future<Output = bool> + Send;

    /// Asked before messages are fetched, and again after [`Verdict::Unavailable`] until it says yes. Asking here
    /// instead of with the next message keeps a long outage from counting deliveries up.
    fn ready(&self) -> impl Future<Output = bool> + Send;
}

impl Bus {
    /// Consumes the site's release requests until told to stop. What is being handled then is finished.
    ///
    /// One at a time, and kept while the ledger is away: each channel that closes with it counts as a delivery, and the queue
    /// may have a limit on them.
    pub async fn consume_releases(&self, handler: &impl ReleaseHandler, stop: watch::Receiver<bool>) {
        let mut stop = Stop::new(stop);
        // Whoever publishes next listens to events, and what is refused needs a place: both are declared there.
        if self.publishing.channel(&mut stop).await.is_none() {
            return;
        }
        let mut inbox = Inbox {
            handler,
            publisher: Publisher::new(Arc::clone(&self.publishing)),
            worker: &self.settings.worker,
            link: &self.releases,
        };
        let queue = Queue {
            name: releases_queue(&self.settings.site),
            prefetch: limits::RELEASES_OUT,
        };
        consume::run(&self.releases, &queue, &mut stop, &mut inbox).await;
    }
}

struct Inbox<'a, H> {
    handler: &'a H,
    publisher: Publisher,
    worker: &'a str,
    link: &'a Link,
}

impl<H: ReleaseHandler> OnDelivery for Inbox<'_, H> {
    async fn on(&mut self, delivery: &Delivery, stop: &mut Stop) -> Next {
        let message = Delivered::of(delivery);
        match self.judged(&message, delivery, stop).await {
            Verdict::Accepted => Next::Ack,
            Verdict::Reject(rejection) => self.bury(&message, &rejection, stop).await,
            // A queue of somebody else's making may have nowhere to put what is refused: then its body is kept at least.
            Verdict::Unreadable(rejection) if self.link.declared() == Declared::Others => {
                self.bury(&message, &rejection, stop).await
            }
            Verdict::Unreadable(_) => Next::Refuse,
            Verdict::Unavailable => Next::GiveBack,
        }
    }

    async fn ready(&mut self) -> bool {
        self.handler.ready().await
    }
}

impl<H: ReleaseHandler> Inbox<'_, H> {
    /// What becomes of it. While the ledger is away it is kept for a while, so that a short outage costs it no delivery.
    async fn judged(&self, message: &Delivered, delivery: &Delivery, stop: &mut Stop) -> Verdict {
        let until = Instant::now() + limits::LEDGER_HOLD;
        let mut verdict = self.handler.handle(message.clone()).await;
        if verdict == Verdict::Unavailable {
            tracing::warn!("the ledger is not available: no release is taken in until it is");
        }
        while verdict == Verdict::Unavailable
            && Instant::now() < until
            && stop.sleep(limits::LEDGER_LOOK).await
            && delivery.acker.usable()
        {
            if self.handler.ready().await {
                verdict = self.handler.handle(message.clone()).await;
            }
        }
        verdict
    }

    /// The dead letter first, the acknowledgement after the broker has it: in between lies a second dead letter at
    /// worst, never a lost message.
    async fn bury(&mut self, message: &Delivered, rejection: &Rejection, stop: &mut Stop) -> Next {
        let properties = dead::properties(message, rejection, self.worker, Timestamp::now());
        let address = Address {
            exchange: DEAD_EXCHANGE,
            key: &message.routing_key,
            mandatory: true,
        };
        match self
            .publisher
            .publish(address, &message.body, properties, stop)
            .await
        {
            Some(Ok(())) => Next::Ack,
            Some(Err(error)) => {
                tracing::warn!(
                    "a dead letter was not taken, its message stays: {}",
                    error_chain(&error)
                );
                Next::GiveBack
            }
            None => Next::Stop,
        }
    }
}
