//! Keeps one consumer alive: channel, prefetch, deliveries one by one in their order, until told to stop.

use std::future::Future;

use drawgate_amqp::Unreadable;
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions};
use lapin::protocol::AMQPSoftError;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Consumer};

use super::backoff::Backoff;
use super::link::Link;
use super::stop::Stop;
use super::{BusError, limits, topology};
use crate::error_chain;

/// A message as the broker delivered it.
#[derive(Debug, Clone)]
pub struct Delivered {
    pub body: Vec<u8>,
    /// The routing key that the message was published under.
    pub routing_key: String,
    /// Whether the message was delivered before; it must get the same answer again.
    pub redelivered: bool,
    /// Headers, user id, reply queue and the like.
    pub properties: BasicProperties,
    /// Why the message's properties could not be read, if so. `properties` are not the sender's then.
    pub unreadable: Option<Unreadable>,
}

impl Delivered {
    pub(super) fn of(delivery: &Delivery) -> Self {
        Self {
            body: delivery.data.clone(),
            routing_key: delivery.routing_key.to_string(),
            redelivered: delivery.redelivered,
            properties: delivery.properties.clone(),
            unreadable: drawgate_amqp::unreadable(&delivery.properties),
        }
    }

    /// The publisher: the user that the broker vouches for, where the message names one (RabbitMQ refuses a
    /// false user id; RabbitMQ guide, "Validated User-ID").
    pub fn user(&self) -> Option<&str> {
        self.properties.user_id().as_ref().map(|user| user.as_str())
    }

    /// The value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        match self.properties.headers().as_ref()?.inner().get(name)? {
            AMQPValue::LongString(text) => Some(text.as_bytes()),
            AMQPValue::ShortString(text) => Some(text.as_str().as_bytes()),
            _ => None,
        }
    }

    /// How often the queue has delivered this message already; 0 where the queue does not count.
    pub fn delivery_count(&self) -> i64 {
        let headers = self.properties.headers().as_ref();
        match headers.and_then(|headers| headers.inner().get("x-delivery-count")) {
            Some(AMQPValue::LongLongInt(count)) => *count,
            Some(AMQPValue::LongInt(count)) => i64::from(*count),
            Some(AMQPValue::ShortInt(count)) => i64::from(*count),
            Some(AMQPValue::ShortShortInt(count)) => i64::from(*count),
            _ => 0,
        }
    }
}

/// What to do with a delivery.
pub(super) enum Next {
    /// The delivery is handled: acknowledge it.
    Ack,
    /// The message cannot be read: the broker dead-letters it as it came.
    Refuse,
    /// The delivery cannot be handled now: close the channel, which gives back everything unacknowledged.
    GiveBack,
    /// It is time to stop.
    Stop,
}

/// The queue to consume, and its prefetch.
pub(super) struct Queue {
    pub(super) name: String,
    pub(super) prefetch: u16,
}

/// The handler of deliveries.
pub(super) trait OnDelivery: Send {
    fn on(&mut self, delivery: &Delivery, stop: &mut Stop) -> impl Future<Output = Next> + Send;

    /// Whether to fetch deliveries now.
    fn ready(&mut self) -> impl Future<Output = bool> + Send {
        async { true }
    }
}

/// Consumes until told to stop, over as many connections as it takes.
pub(super) async fn run(link: &Link, queue: &Queue, stop: &mut Stop, on: &mut impl OnDelivery) {
    let mut backoff = Backoff::default();
    while !stop.is_set() {
        if stop.or(on.ready()).await == Some(true)
            && let Some(channel) = link.channel(stop).await
            && one_channel(link, &channel, queue, stop, on).await
        {
            backoff.reset();
        }
        stop.sleep(backoff.next()).await;
    }
}

/// Consumes over one channel. True when at least one delivery was handled.
async fn one_channel(
    link: &Link,
    channel: &Channel,
    queue: &Queue,
    stop: &mut Stop,
    on: &mut impl OnDelivery,
) -> bool {
    match consumer(channel, queue).await {
        Ok(consumer) => {
            let progress = deliveries(channel, consumer, stop, on).await;
            close(channel).await;
            progress
        }
        // A channel that did not answer would not answer a close either, so it is dropped.
        Err(error) => {
            tracing::warn!(
                queue = queue.name,
                "cannot consume, trying on: {}",
                error_chain(&error)
            );
            if let BusError::Refused { source, .. } = &error
                && topology::is_soft(source, AMQPSoftError::NOTFOUND)
            {
                link.start_over().await;
            }
            false
        }
    }
}

async fn consumer(channel: &Channel, queue: &Queue) -> Result<Consumer, BusError> {
    let begin = async {
        channel
            .basic_qos(queue.prefetch, BasicQosOptions::default())
            .await?;
        let options = BasicConsumeOptions::default();
        channel
            .basic_consume(
                queue.name.as_str().into(),
                "".into(),
                options,
                FieldTable::default(),
            )
            .await
    };
    match tokio::time::timeout(limits::CALL_TIMEOUT, begin).await {
        Ok(consumer) => consumer.map_err(BusError::refused("begin to deliver")),
        Err(_) => Err(BusError::Silent {
            operation: "begin to deliver",
        }),
    }
}

async fn deliveries(
    channel: &Channel,
    mut consumer: Consumer,
    stop: &mut Stop,
    on: &mut impl OnDelivery,
) -> bool {
    let mut progress = false;
    while let Some(delivery) = next(channel, &mut consumer, stop).await {
        match on.on(&delivery, stop).await {
            Next::Ack if sent(delivery.ack(BasicAckOptions::default())).await => progress = true,
            Next::Refuse if sent(delivery.reject(BasicRejectOptions { requeue: false })).await => {
                progress = true
            }
            _ => break,
        }
    }
    progress
}

/// The next delivery, or `None` when the channel is gone (the link logs why) or it is time to stop.
///
/// The channel is also checked from time to time: lapin tells a consumer when its connection breaks, but if
/// that notice never came, the worker would be deaf for ever.
async fn next(channel: &Channel, consumer: &mut Consumer, stop: &mut Stop) -> Option<Delivery> {
    loop {
        match stop
            .or(tokio::time::timeout(limits::CHANNEL_LOOK, consumer.next()))
            .await?
        {
            Ok(delivery) => return delivery?.ok(),
            Err(_) if channel.status().connected() => {}
            Err(_) => {
                tracing::debug!("a channel was lost without a word");
                return None;
            }
        }
    }
}

/// False when the channel was lost meanwhile: the broker delivers the message again. lapin may wait for ever
/// for an acknowledgement that was under way when the connection broke (seen with 4.12.3 when the broker was
/// killed).
async fn sent(acknowledgement: impl Future<Output = lapin::Result<bool>>) -> bool {
    match tokio::time::timeout(limits::ACK_TIMEOUT, acknowledgement).await {
        Ok(sent) => sent.unwrap_or(false),
        Err(_) => {
            tracing::debug!("an acknowledgement was not sent in time: the channel is given up");
            false
        }
    }
}

/// Closes the channel, which gives back every unacknowledged delivery.
async fn close(channel: &Channel) {
    if channel.status().connected() {
        let _ = tokio::time::timeout(limits::CALL_TIMEOUT, channel.close(200, "".into())).await;
    }
}
