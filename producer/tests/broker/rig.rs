//! A virtual host on a broker, with the exchanges of Drawgate: what one test has of it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use drawgate_lab::broker::{Broker, address};
use drawgate_schemas::topology;
use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use tokio::sync::OwnedMutexGuard;

/// Longest wait for anything that a test expects.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The part of the broker that one test has.
pub(crate) struct Rig {
    pub(crate) url: String,
    pub(crate) vhost: String,
    broker: Option<Broker>,
    channel: Channel,
    _connection: Connection,
    _alone: Option<OwnedMutexGuard<()>>,
}

impl Rig {
    /// Prepares the rig; returns `None` with a word about it where there is no broker.
    pub(crate) async fn new(name: &str) -> Option<Self> {
        let Ok(url) = std::env::var("DRAWGATE_AMQP_URL") else {
            println!("skipped: DRAWGATE_AMQP_URL is not set");
            return None;
        };
        let broker = match std::env::var_os("LAB_RABBITMQ_API") {
            Some(_) => Broker::named(&format!("drawgate-test-{name}")).await,
            None => None,
        };
        let (url, vhost, alone) = match &broker {
            Some(broker) => (broker.url().to_owned(), broker.vhost().to_owned(), None),
            None => (url, "/".to_owned(), Some(alone().await)),
        };
        let connection = Connection::connect(&url, ConnectionProperties::default())
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        let rig = Self {
            url,
            vhost,
            broker,
            channel,
            _connection: connection,
            _alone: alone,
        };
        rig.undeclare().await;
        for exchange in [
            topology::RELEASES_EXCHANGE,
            topology::CONTROL_EXCHANGE,
            topology::EVENTS_EXCHANGE,
        ] {
            let durable = ExchangeDeclareOptions {
                durable: true,
                ..Default::default()
            };
            let declared = rig.channel.exchange_declare(
                exchange.into(),
                ExchangeKind::Topic,
                durable,
                FieldTable::default(),
            );
            declared.await.unwrap();
        }
        Some(rig)
    }

    /// Removes exchanges and queues, as before any worker ran.
    pub(crate) async fn undeclare(&self) {
        for exchange in [
            topology::RELEASES_EXCHANGE,
            topology::CONTROL_EXCHANGE,
            topology::EVENTS_EXCHANGE,
        ] {
            let deleted = self
                .channel
                .exchange_delete(exchange.into(), ExchangeDeleteOptions::default());
            deleted.await.unwrap();
        }
        for site in ["bastion-a", "bastion-b"] {
            for queue in [
                format!("drawgate.releases.{site}"),
                format!("drawgate.control.{site}"),
            ] {
                let deleted = self
                    .channel
                    .queue_delete(queue.into(), QueueDeleteOptions::default());
                deleted.await.unwrap();
            }
        }
    }

    /// Declares a queue for a service that refuses every message.
    pub(crate) async fn full_queue(&self, service: &str) {
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), 0_i32.into());
        arguments.insert(
            "x-overflow".into(),
            lapin::types::AMQPValue::LongString("reject-publish".into()),
        );
        let queue = "drawgate.releases.bastion-a";
        self.channel
            .queue_declare(queue.into(), QueueDeclareOptions::default(), arguments)
            .await
            .unwrap();
        let key = format!("*.{service}");
        bind(&self.channel, queue, topology::RELEASES_EXCHANGE, &key).await;
    }

    /// The address of another virtual host at the same broker.
    pub(crate) fn url_in(&self, vhost: &str) -> String {
        address::in_vhost(&self.url, vhost)
    }

    /// The address of another user at the same broker.
    pub(crate) fn url_with(&self, user: &str, password: &str, vhost: &str) -> String {
        address::in_vhost(&address::with_login(&self.url, user, password), vhost)
    }
}

impl Drop for Rig {
    /// The virtual host goes with the test; the next run would replace it anyway.
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take() {
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(broker.delete()));
        }
    }
}

async fn alone() -> OwnedMutexGuard<()> {
    static ALONE: OnceLock<Arc<tokio::sync::Mutex<()>>> = OnceLock::new();
    ALONE.get_or_init(Arc::default).clone().lock_owned().await
}

pub(crate) async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) {
    let bound = channel.queue_bind(
        queue.into(),
        exchange.into(),
        key.into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.unwrap();
}
