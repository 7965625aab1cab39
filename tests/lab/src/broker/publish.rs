//! Messages that a test publishes.

use drawgate_schemas::topology;
use lapin::BasicProperties;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;

use super::vhost::Broker;
use crate::wait::within;

impl Broker {
    /// Publishes any bytes to the releases exchange, confirmed.
    pub async fn publish(&self, routing_key: &str, body: &[u8]) {
        self.publish_as(routing_key, body, BasicProperties::default())
            .await;
    }

    /// The same with an expiration: the broker dead-letters the message after so many milliseconds in the
    /// queue.
    pub async fn publish_expiring(&self, routing_key: &str, body: &[u8], ms: u32) {
        let properties = BasicProperties::default().with_expiration(ms.to_string().into());
        self.publish_as(routing_key, body, properties).await;
    }

    async fn publish_as(&self, routing_key: &str, body: &[u8], properties: BasicProperties) {
        let channel = self.connection.create_channel().await.unwrap();
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .unwrap();
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let properties = properties.with_delivery_mode(2);
        let exchange = topology::RELEASES_EXCHANGE;
        let sent = channel.basic_publish(exchange.into(), routing_key.into(), options, body, properties);
        let confirmed = within("the broker's confirm", sent.await.unwrap()).await.unwrap();
        assert!(
            confirmed.is_ack(),
            "the broker refused the message: {confirmed:?}"
        );
        let _ = channel.close(200, "sent".into()).await;
    }

    /// Sends bytes as a question without a user id; the answer is not read.
    pub async fn ask_unsigned(&self, body: &[u8]) {
        let channel = self.connection.create_channel().await.unwrap();
        let reply = topology::REPLY_QUEUE;
        let no_ack = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let replies = channel.basic_consume(reply.into(), "".into(), no_ack, FieldTable::default());
        let _replies = replies.await.unwrap();
        let properties = BasicProperties::default().with_reply_to(reply.into());
        let (exchange, key) = (topology::CONTROL_EXCHANGE, topology::QUESTION_KEY);
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish(exchange.into(), key.into(), options, body, properties);
        sent.await.unwrap();
        let _ = channel.close(200, "sent".into()).await;
    }
}
