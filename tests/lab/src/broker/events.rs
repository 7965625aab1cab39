//! Status events, as they come.

use std::time::Duration;

use drawgate_schemas::topology;
use futures_util::StreamExt as _;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::sync::mpsc;

use super::connection;
use super::vhost::Broker;

/// Pause before a broken connection is opened again.
const RECONNECT: Duration = Duration::from_millis(200);

impl Broker {
    /// Consumes every status event from now on.
    pub async fn event_consumer(&self) -> Consumer {
        let channel = self.connection.create_channel().await.unwrap();
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let name = queue(&channel, "", options).await;
        let consume = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        channel
            .basic_consume(name.into(), "".into(), consume, FieldTable::default())
            .await
            .unwrap()
    }

    /// Receives every status event from now on, through a durable queue that survives a restart of the broker
    /// and broken connections.
    pub async fn lasting_events(&self) -> mpsc::UnboundedReceiver<Vec<u8>> {
        const QUEUE: &str = "test.events";
        let channel = self.connection.create_channel().await.unwrap();
        queue(&channel, QUEUE, QueueDeclareOptions::durable()).await;
        let (sender, heard) = mpsc::unbounded_channel();
        let url = self.url.clone();
        tokio::spawn(async move {
            while !sender.is_closed() {
                // Consumes again, whatever ended it.
                let _ = read_on(&url, QUEUE, &sender).await;
                tokio::time::sleep(RECONNECT).await;
            }
        });
        heard
    }
}

/// Declares a queue that receives every status event; gives its name.
pub(super) async fn queue(channel: &Channel, name: &str, options: QueueDeclareOptions) -> String {
    let declared = channel.queue_declare(name.into(), options, FieldTable::default());
    let name = declared.await.unwrap().name().as_str().to_owned();
    let bound = channel.queue_bind(
        name.as_str().into(),
        topology::EVENTS_EXCHANGE.into(),
        "#".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.unwrap();
    name
}

/// Reads a queue for as long as the connection lasts.
async fn read_on(url: &str, queue: &str, to: &mpsc::UnboundedSender<Vec<u8>>) -> lapin::Result<()> {
    let connection = connection::try_open(url).await?;
    let channel = connection.create_channel().await?;
    let options = BasicConsumeOptions::default();
    let consumed = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
    let mut consumer = consumed.await?;
    while let Some(delivery) = consumer.next().await {
        let delivery = delivery?;
        let _ = to.send(delivery.data.clone());
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}
