//! Queues and exchanges: what is there, who consumes, how much waits; and spoiling them.

use drawgate_schemas::topology;
use lapin::options::{ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use serde_json::Value;

use super::vhost::Broker;
use crate::wait::until;

impl Broker {
    /// A queue as the broker's management API describes it.
    pub async fn queue(&self, name: &str) -> Value {
        self.get(&format!("queues/{}/{name}", self.vhost)).await
    }

    /// Whether there is a queue of this name.
    pub async fn exists(&self, queue: &str) -> bool {
        let path = format!("queues/{}/{queue}", self.vhost);
        self.management.has(&path).await
    }

    /// Deletes a queue.
    pub async fn delete_queue(&self, name: &str) {
        let path = format!("queues/{}/{name}", self.vhost);
        self.management.delete(&path).await;
    }

    /// Whether the queue has a consumer. The worker declares and binds it before that.
    pub async fn is_consumed(&self, queue: &str) -> bool {
        let consumers = self.get(&format!("consumers/{}", self.vhost)).await;
        let mut consumers = consumers.as_array().unwrap().iter();
        consumers.any(|consumer| consumer["queue"]["name"] == queue)
    }

    /// Waits until a queue has a consumer.
    pub async fn consumed(&self, queue: &str) {
        until(&format!("a consumer of {queue}"), || async {
            (self.count(queue).await?.1 > 0).then_some(())
        })
        .await;
    }

    /// Waits until a queue has this many messages ready.
    pub async fn holds(&self, queue: &str, messages: u32) {
        until(&format!("{messages} messages in {queue}"), || async {
            (self.count(queue).await?.0 == messages).then_some(())
        })
        .await;
    }

    /// Ready messages of a queue that exists, as its process counts them now.
    pub async fn messages(&self, queue: &str) -> u32 {
        let counts = self.count(queue).await;
        counts.unwrap_or_else(|| panic!("there is no queue {queue}")).0
    }

    /// Ready messages and consumers of a queue; `None` while the queue does not exist.
    pub async fn count(&self, queue: &str) -> Option<(u32, u32)> {
        let channel = self.connection.create_channel().await.ok()?;
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let seen = channel
            .queue_declare(queue.into(), options, FieldTable::default())
            .await
            .ok()?;
        let counts = (seen.message_count(), seen.consumer_count());
        let _ = channel.close(200, "seen".into()).await;
        Some(counts)
    }

    /// Binds a queue to the releases exchange under an additional key.
    pub async fn bind(&self, queue: &str, key: &str) {
        let channel = self.connection.create_channel().await.unwrap();
        let exchange = topology::RELEASES_EXCHANGE;
        let bound = channel.queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.unwrap();
        let _ = channel.close(200, "bound".into()).await;
    }

    /// Replaces the exchange for releases by one of a type that the worker does not declare.
    pub async fn spoil_releases_exchange(&self) {
        self.delete_releases_exchange().await;
        let channel = self.connection.create_channel().await.unwrap();
        let durable = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let (name, kind) = (topology::RELEASES_EXCHANGE, lapin::ExchangeKind::Direct);
        let declared = channel.exchange_declare(name.into(), kind, durable, FieldTable::default());
        declared.await.unwrap();
    }

    /// Deletes the exchange for releases, with its bindings.
    pub async fn delete_releases_exchange(&self) {
        let channel = self.connection.create_channel().await.unwrap();
        let deleted = channel.exchange_delete(
            topology::RELEASES_EXCHANGE.into(),
            ExchangeDeleteOptions::default(),
        );
        deleted.await.unwrap();
    }
}
