//! Another program at the broker, with a library that knows nothing of Drawgate.

use std::time::Duration;

use drawgate_schemas::topology;
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use tokio::time::timeout;

use super::events;
use super::vhost::Broker;
use crate::wait::WITHOUT_ROLL;

/// A connection with one channel in confirm mode.
pub struct Client {
    _connection: Connection,
    pub channel: Channel,
}

impl Broker {
    /// Connects another program.
    pub async fn client(&self) -> Client {
        let connection = Connection::connect(&self.url, ConnectionProperties::default())
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .unwrap();
        Client {
            _connection: connection,
            channel,
        }
    }
}

impl Client {
    /// Publishes a message, which the broker has to route and confirm.
    pub async fn publish(&self, exchange: &str, key: &str, body: &[u8], properties: BasicProperties) {
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let confirm = self
            .channel
            .basic_publish(exchange.into(), key.into(), options, body, properties)
            .await
            .unwrap()
            .await
            .unwrap();
        assert!(confirm.is_ack() && confirm.take_message().is_none(), "not routed");
    }

    /// Publishes a message to the releases exchange, for `search-api` on staging.
    pub async fn release(&self, body: &[u8]) {
        let properties = BasicProperties::default().with_delivery_mode(2);
        self.publish(
            topology::RELEASES_EXCHANGE,
            "staging.search-api",
            body,
            properties,
        )
        .await;
    }

    /// Consumes a durable queue that receives every event.
    pub async fn hear_events(&self) -> Consumer {
        let name = events::queue(&self.channel, "everything", QueueDeclareOptions::durable()).await;
        self.consume(&name).await
    }

    /// Consumes a queue.
    pub async fn consume(&self, queue: &str) -> Consumer {
        self.channel
            .basic_consume(
                queue.into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap()
    }
}

/// The next message, acknowledged.
pub async fn next(consumer: &mut Consumer) -> Delivery {
    let delivery = timeout(WITHOUT_ROLL, consumer.next())
        .await
        .unwrap_or_else(|_| panic!("no message within {WITHOUT_ROLL:?}"))
        .unwrap()
        .unwrap();
    delivery.ack(BasicAckOptions::default()).await.unwrap();
    delivery
}

/// Asserts that no message comes for a while.
pub async fn silence(consumer: &mut Consumer, length: Duration) {
    if let Ok(delivery) = timeout(length, consumer.next()).await {
        panic!("heard {delivery:?}");
    }
}
