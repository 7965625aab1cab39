//! Release requests: acknowledged when the ledger has them, or when their dead letter is safe.

use std::future::Future;
use std::sync::Arc;

use drawgate_schemas::Rejection;
use drawgate_schemas::topology::{DEAD_EXCHANGE, releases_queue};
use jiff::Timestamp;
use lapin::message::Delivery;
use tokio::sync::watch;

use super::consume::{self, Delivered, Next, OnDelivery, Queue};
use super::publisher::{Address, Publisher};
use super::stop::Stop;
use super::{Bus, dead};
use crate::error_chain;

/// What becomes of a release request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The ledger has it.
    Accepted,
    /// It will be refused tomorrow as today.
    Reject(Rejection),
    /// The ledger is away: nothing is acknowledged.
    Unavailable,
}

/// Takes release requests in.
pub trait ReleaseHandler: Send + Sync {
    /// Decides over one message. The same message may come again and must get the same answer.
    fn handle(&self, message: Delivered) -> impl Future<Output = Verdict> + Send;

    /// Asked before messages are fetched, and again after [`Verdict::Unavailable`] until it says yes. Asking here
    /// instead of with the next message keeps a long outage from counting deliveries up.
    fn ready(&self) -> impl Future<Output = bool> + Send;
}

impl Bus {
    /// Consumes the site's release requests until told to stop. What is being handled then is finished.
    ///
    /// A dead letter that the broker has written itself (it carries `x-death` and no `x-drawgate-reason`) is nobody's
    /// here yet: with no delivery limit and no expiry on the queue, only a policy could cause one. Whoever adds one
    /// reads `drawgate.dead` for such letters and says `rejected` with `dead_lettered`.
    pub async fn consume_releases(&self, handler: &impl ReleaseHandler, stop: watch::Receiver<bool>) {
        let mut inbox = Inbox {
            handler,
            publisher: Publisher::new(Arc::clone(&self.publishing)),
            worker: &self.settings.worker,
        };
        let queue = Queue {
            name: releases_queue(&self.settings.site),
            prefetch: self.settings.prefetch(),
        };
        consume::run(&self.consuming, &queue, &mut Stop::new(stop), &mut inbox).await;
    }
}

struct Inbox<'a, H> {
    handler: &'a H,
    publisher: Publisher,
    worker: &'a str,
}

impl<H: ReleaseHandler> OnDelivery for Inbox<'_, H> {
    async fn on(&mut self, delivery: &Delivery, stop: &mut Stop) -> Next {
        let message = Delivered::of(delivery);
        match self.handler.handle(message.clone()).await {
            Verdict::Accepted => Next::Ack,
            Verdict::Reject(rejection) => self.bury(&message, &rejection, stop).await,
            Verdict::Unavailable => {
                tracing::warn!("the ledger is not available: no release is consumed until it is");
                Next::GiveBack
            }
        }
    }

    async fn ready(&mut self) -> bool {
        self.handler.ready().await
    }
}

impl<H: ReleaseHandler> Inbox<'_, H> {
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
