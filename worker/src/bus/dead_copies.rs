//! Dead letters that the broker itself has made: messages past their expiry or past the delivery limit. No
//! worker has published an event for them.
//!
//! ```text
//! drawgate.dead (fanout) -> drawgate.dead           stays until a person drops or replays it
//!                        -> drawgate.dead.<site>    of this site's releases and given up by the broker: event `rejected`
//! ```

use drawgate_amqp::Death;
use drawgate_schemas::topology::{dead_copies_queue, releases_queue};
use lapin::message::Delivery;
use tokio::sync::watch;

use super::consume::{self, Delivered, Next, OnDelivery, Queue};
use super::stop::Stop;
use super::{Bus, ReleaseHandler, limits};

/// The death reason that RabbitMQ gives when a worker rejected the message: that worker has published the
/// event.
const BY_A_WORKER: &str = "rejected";

impl Bus {
    /// Publishes `rejected` for this site's releases on which the broker gave up, until told to stop.
    pub async fn tell_of_dead_letters(&self, handler: &impl ReleaseHandler, stop: watch::Receiver<bool>) {
        let queue = Queue {
            name: dead_copies_queue(&self.settings.site),
            prefetch: limits::RELEASES_OUT,
        };
        let mut copies = Copies {
            handler,
            of: releases_queue(&self.settings.site),
        };
        consume::run(&self.control, &queue, &mut Stop::new(stop), &mut copies).await;
    }
}

struct Copies<'a, H> {
    handler: &'a H,
    of: String,
}

impl<H: ReleaseHandler> OnDelivery for Copies<'_, H> {
    async fn on(&mut self, delivery: &Delivery, _: &mut Stop) -> Next {
        let message = Delivered::of(delivery);
        let death = Death::of(&message.properties);
        match death.filter(|death| death.queue == self.of && death.reason != BY_A_WORKER) {
            Some(death) if !self.handler.given_up(message, &death.reason).await => Next::GiveBack,
            _ => Next::Ack,
        }
    }

    async fn ready(&mut self) -> bool {
        self.handler.ready().await
    }
}
