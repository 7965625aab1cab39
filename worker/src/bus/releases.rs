//! Release requests: acknowledged when the ledger has accepted them, or when the broker has confirmed their
//! dead letter.

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

/// The decision on a release request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The ledger has accepted the request.
    Accepted,
    /// The request is refused for good: it would be refused tomorrow too.
    Reject(Rejection),
    /// The message cannot be read and is refused for good. Only the broker has all of it, so the broker must
    /// dead-letter it.
    Unreadable(Rejection),
    /// The ledger is unavailable: nothing is acknowledged.
    Unavailable,
}

/// Accepts or refuses release requests.
pub trait ReleaseHandler: Send + Sync {
    /// Judges one message. The same message may come again and must get the same answer.
    fn handle(&self, message: Delivered) -> impl Future<Output = Verdict> + Send;

    /// Publishes that the broker gave up on a release, for the reason that the broker named. False when the
    /// ledger is unavailable.
    fn given_up(&self, message: Delivered, reason: &str) -> impl Future<Output = bool> + Send;

    /// Whether the ledger is available. Asked before messages are fetched, and after [`Verdict::Unavailable`]
    /// until it is true. Asking here instead of with the next message keeps a long outage from counting up
    /// deliveries.
    fn ready(&self) -> impl Future<Output = bool> + Send;
}

impl Bus {
    /// Consumes the site's release requests until told to stop. A request in hand is finished first.
    ///
    /// Requests come one at a time, and the consumer keeps one while the ledger is unavailable: each channel
    /// that closes with a request counts as a delivery, and the queue may limit those.
    pub async fn consume_releases(&self, handler: &impl ReleaseHandler, stop: watch::Receiver<bool>) {
        let mut stop = Stop::new(stop);
        // The publishing part declares the events exchange, which producers listen to, and the dead-letter
        // queue. Both must exist before the first request is taken.
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
            // A queue with other arguments may have no dead-letter exchange. The worker then publishes the
            // dead letter itself, so that at least the body is kept.
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
    /// Judges a request. While the ledger is unavailable the request is kept for a while, so that a short
    /// outage costs it no delivery.
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

    /// Publishes the dead letter and acknowledges after the broker has confirmed it. A crash in between
    /// leaves a second dead letter at worst, never a lost message.
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
