//! A virtual host of the broker for one test.

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::tcp::OwnedTLSConfig;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde_json::json;
use tokio::sync::mpsc;
use uuid::Uuid;

use drawgate_schemas::topology;

use crate::programs::repository;
use crate::wait::{until, within};

/// Pause before a broken connection is opened again.
const RECONNECT: std::time::Duration = std::time::Duration::from_millis(200);

/// People with a login of their own, in addition to `drawgate` and `ci`.
const PEOPLE: [&str; 2] = ["anna", "ben"];

fn password_of(person: &str) -> String {
    format!("{person}-password")
}

/// A virtual host, and a connection to it.
pub struct Broker {
    vhost: String,
    url: String,
    api: String,
    http: reqwest::Client,
    connection: Connection,
}

/// A message in the dead-letter queue.
#[derive(Debug)]
pub struct DeadLetter {
    /// The body, as it was published.
    pub body: Vec<u8>,
    /// The header with the kind of error.
    pub reason: String,
    /// The header with the error's details.
    pub detail: String,
    /// The header with the message's original routing key.
    pub routing_key: String,
    /// The header with the first publisher, where the message was replayed.
    pub original_user_id: Option<String>,
}

impl Broker {
    /// Creates a virtual host with rights for every login.
    pub async fn new() -> Self {
        let vhost = format!("test-{}", Uuid::now_v7().simple());
        let api = std::env::var("LAB_RABBITMQ_API").expect("LAB_RABBITMQ_API");
        let url = std::env::var("DRAWGATE_AMQP_URL").expect("DRAWGATE_AMQP_URL");
        let url = format!("{}/{vhost}", url.rsplit_once('/').expect("a virtual host").0);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        put(&http, &format!("{api}/vhosts/{vhost}"), json!({})).await;
        let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
        for person in PEOPLE {
            let user = json!({"password": password_of(person), "tags": ""});
            put(&http, &format!("{api}/users/{person}"), user).await;
        }
        for user in ["drawgate", "ci"].into_iter().chain(PEOPLE) {
            put(&http, &format!("{api}/permissions/{vhost}/{user}"), all.clone()).await;
        }
        let connection = connect(&url).await;
        Self {
            vhost,
            url,
            api,
            http,
            connection,
        }
    }

    /// The broker's address with the virtual host.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name of the virtual host.
    pub fn vhost(&self) -> &str {
        &self.vhost
    }

    /// Bounds every queue of releases, as an operator's policy does; the broker refuses messages beyond the
    /// bound.
    pub async fn bound_queues(&self, messages: u32) {
        let url = format!("{}/policies/{}/bound", self.api, self.vhost);
        let bound = json!({"pattern": "^drawgate[.]releases[.]", "definition": {"max-length": messages}, "apply-to": "queues"});
        put(&self.http, &url, bound).await;
    }

    /// Sets the shipped policies in this virtual host, as `rabbitmqctl import_definitions` does in the
    /// virtual host that they name.
    pub async fn set_policies(&self) {
        let shipped = std::fs::read_to_string(repository("infra/rabbitmq/definitions.json")).unwrap();
        let shipped: serde_json::Value = serde_json::from_str(&shipped).unwrap();
        for policy in shipped["policies"].as_array().unwrap() {
            let name = policy["name"].as_str().unwrap();
            let url = format!("{}/policies/{}/{name}", self.api, self.vhost);
            put(&self.http, &url, policy.clone()).await;
        }
    }

    /// Removes the virtual host and all that is in it.
    pub async fn delete(self) {
        let _ = self.connection.close(200, "the test is over".into()).await;
        let gone = self
            .http
            .delete(format!("{}/vhosts/{}", self.api, self.vhost))
            .send()
            .await
            .unwrap();
        assert!(
            gone.status().is_success(),
            "the virtual host was not deleted: {}",
            gone.status()
        );
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

    /// Sets what a user may write and read from now on, as patterns. The broker caches its answer for each
    /// channel.
    pub async fn permit(&self, user: &str, write: &str, read: &str) {
        let url = format!("{}/permissions/{}/{user}", self.api, self.vhost);
        let permissions = json!({"configure": ".*", "write": write, "read": read});
        put(&self.http, &url, permissions).await;
    }

    /// The broker's address with the virtual host, for a user.
    pub fn url_of(&self, user: &str) -> String {
        if user == "drawgate" {
            return self.url.clone();
        }
        let (scheme, rest) = self.url.split_once("://").unwrap();
        let (_, place) = rest.rsplit_once('@').unwrap();
        format!("{scheme}://{user}:{}@{place}", password_of(user))
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

    /// Takes the next message out of the dead-letter queue.
    pub async fn dead_letter(&self) -> DeadLetter {
        let channel = self.connection.create_channel().await.unwrap();
        let options = BasicGetOptions { no_ack: true };
        let message = until("a dead letter", || async {
            channel
                .basic_get(topology::DEAD_QUEUE.into(), options)
                .await
                .unwrap()
        })
        .await;
        let headers = message.properties.headers().clone().unwrap_or_default();
        let found = |name: &str| match headers.inner().get(name) {
            Some(AMQPValue::LongString(text)) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
            _ => None,
        };
        let header = |name: &str| found(name).unwrap_or_else(|| panic!("no header {name} in {headers:?}"));
        DeadLetter {
            reason: header(topology::HEADER_REASON),
            detail: header(topology::HEADER_DETAIL),
            routing_key: header(topology::HEADER_ROUTING_KEY),
            original_user_id: found(topology::HEADER_ORIGINAL_USER_ID),
            body: message.data.clone(),
        }
    }

    /// Consumes every status event from now on.
    pub async fn event_consumer(&self) -> lapin::Consumer {
        let channel = self.connection.create_channel().await.unwrap();
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let queue = channel
            .queue_declare("".into(), options, FieldTable::default())
            .await
            .unwrap();
        let name = queue.name().clone();
        let bind = QueueBindOptions::default();
        channel
            .queue_bind(
                name.clone(),
                topology::EVENTS_EXCHANGE.into(),
                "#".into(),
                bind,
                FieldTable::default(),
            )
            .await
            .unwrap();
        let consume = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        channel
            .basic_consume(name, "".into(), consume, FieldTable::default())
            .await
            .unwrap()
    }

    /// Receives every status event from now on, through a durable queue that survives a restart of the broker
    /// and broken connections.
    pub async fn lasting_events(&self) -> mpsc::UnboundedReceiver<Vec<u8>> {
        const QUEUE: &str = "test.events";
        let channel = self.connection.create_channel().await.unwrap();
        let durable = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let declared = channel.queue_declare(QUEUE.into(), durable, FieldTable::default());
        declared.await.unwrap();
        let (exchange, bind) = (topology::EVENTS_EXCHANGE, QueueBindOptions::default());
        let bound = channel.queue_bind(
            QUEUE.into(),
            exchange.into(),
            "#".into(),
            bind,
            FieldTable::default(),
        );
        bound.await.unwrap();
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

/// Reads a queue for as long as the connection lasts.
async fn read_on(url: &str, queue: &str, to: &mpsc::UnboundedSender<Vec<u8>>) -> lapin::Result<()> {
    let connection = connected(url).await?;
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

async fn connect(url: &str) -> Connection {
    within("a connection to the broker", connected(url))
        .await
        .unwrap()
}

/// Connects as the programs do, because a test may read poison messages too.
async fn connected(url: &str) -> lapin::Result<Connection> {
    let uri = url.parse().expect("the broker's address");
    let (properties, tls) = (ConnectionProperties::default(), OwnedTLSConfig::default());
    Ok(drawgate_amqp::connect(uri, properties, tls).await?.connection)
}

async fn put(http: &reqwest::Client, url: &str, body: serde_json::Value) {
    let answer = http.put(url).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "PUT {url}: {}", answer.status());
}
