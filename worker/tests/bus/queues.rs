//! The queues that the worker declares, and those that it finds.

use std::time::Duration;

use drawgate_lab::broker::{Client, next};
use drawgate_lab::wait::until_true;
use drawgate_lab::webhook::Listening;
use drawgate_lab::wire::Wire;
use drawgate_worker::bus::{DeliveryLimit, limits};
use lapin::BasicProperties;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;

use crate::books::books;
use crate::fixtures::request;
use crate::intake::Intake;
use crate::site::{Buses as _, broker};
use crate::tasks::{chat_at, consume, ends, feed};

#[tokio::test]
async fn trap_21_quorum_queues_are_durable_without_a_delivery_limit() {
    let Some(broker) = broker().await else { return };
    let (bus, stop) = broker.bus(None).await;
    assert!(
        !broker.exists("drawgate.chat").await,
        "without chat it would only fill"
    );
    let feeding = feed(&broker, &bus, chat_at(&Listening::new().await), &stop).await;
    for name in [
        "drawgate.releases.lab",
        "drawgate.control.lab",
        "drawgate.dead.lab",
        "drawgate.dead",
        "drawgate.chat",
    ] {
        let queue = broker.queue(name).await;
        assert_eq!(
            (&queue["type"], &queue["durable"]),
            (&json!("quorum"), &json!(true)),
            "{name}"
        );
        let four = broker.get("overview").await["rabbitmq_version"].as_str().unwrap() >= "4";
        let limit = if four { json!(-1) } else { json!(null) };
        assert_eq!(queue["arguments"]["x-delivery-limit"], limit, "{name}");
    }
    // A second start, over the existing queues.
    stop.send_replace(true);
    ends(feeding).await;
    bus.close().await;
    let (bus, _stop) = broker.bus(None).await;
    bus.close().await;
    broker.delete().await;
}

/// Declares a queue as another program would.
async fn made(client: &Client, name: &str, arguments: &[(&str, AMQPValue)]) {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    let options = QueueDeclareOptions::durable();
    client
        .channel
        .queue_declare(name.into(), options, table)
        .await
        .unwrap();
}

#[tokio::test]
async fn trap_36_a_queue_with_other_arguments_is_used_as_it_is() {
    let Some(broker) = broker().await else { return };
    let client = broker.client().await;
    // A classic queue without a dead-letter exchange.
    made(&client, "drawgate.releases.lab", &[]).await;
    let books = books().await;
    let (bus, stop) = broker.bus(None).await;
    let intake = Intake::new(&books.ledger);
    let consuming = consume(&bus, &intake, &stop);
    client.release(&serde_json::to_vec(&request()).unwrap()).await;
    until_true("it is accepted", async || intake.accepted() == 1).await;
    // The queue would lose a refused message, so the worker itself publishes it to the dead-letter queue.
    let mut dead = client.consume("drawgate.dead").await;
    let mut headers = FieldTable::default();
    headers.insert("x-drawgate-unreadable".into(), AMQPValue::Void);
    let properties = BasicProperties::default().with_headers(headers);
    client
        .publish("drawgate.releases", "staging.search-api", b"{}", properties)
        .await;
    assert_eq!(next(&mut dead).await.data, b"{}");
    stop.send_replace(true);
    ends(consuming).await;
    broker.delete().await;
}

#[tokio::test]
async fn trap_36_queues_made_under_rabbitmq_3_serve_under_4() {
    let Some(broker) = broker().await else { return };
    // The queues, declared as for RabbitMQ 3.
    let (bus, stop) = broker.bus(None).await;
    let books = books().await;
    let feeding = feed(&broker, &bus, chat_at(&Listening::new().await), &stop).await;
    stop.send_replace(true);
    ends(feeding).await;
    bus.close().await;
    // The same broker claims to be RabbitMQ 4: the wire changes the first frame of each connection.
    let wire = Wire::before(broker.url()).await;
    wire.says_major(b'4');
    let (bus, stop) = broker.bus(Some(&wire)).await;
    let intake = Intake::new(&books.ledger);
    let consuming = consume(&bus, &intake, &stop);
    let client = broker.client().await;
    client.release(&serde_json::to_vec(&request()).unwrap()).await;
    until_true("it is accepted", async || intake.accepted() == 1).await;
    stop.send_replace(true);
    ends(consuming).await;
    bus.close().await;
    broker.delete().await;
}

#[tokio::test]
async fn a_deleted_queue_is_declared_anew() {
    let Some(broker) = broker().await else { return };
    let books = books().await;
    let (bus, stop) = broker.bus(None).await;
    let intake = Intake::new(&books.ledger);
    let consuming = consume(&bus, &intake, &stop);
    let client = broker.client().await;
    client.release(&serde_json::to_vec(&request()).unwrap()).await;
    until_true("the first is accepted", async || intake.accepted() == 1).await;
    broker.delete_queue("drawgate.releases.lab").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    client.release(&serde_json::to_vec(&request()).unwrap()).await;
    until_true("the second is accepted", async || intake.accepted() == 2).await;
    stop.send_replace(true);
    ends(consuming).await;
    broker.delete().await;
}

#[tokio::test]
async fn trap_37_the_delivery_limit_is_found_by_trying() {
    let Some(broker) = broker().await else { return };
    let (bus, _stop) = broker.bus(None).await;
    // The worker has just declared the queue without a limit, whatever the broker's default is.
    assert_eq!(bus.delivery_limit().find().await, DeliveryLimit::None);
    broker.set_policies().await;
    // The bus does not cache a missing limit for long.
    until_true("the shipped policy acts", async || {
        bus.delivery_limit().find().await == DeliveryLimit::Of(limits::DELIVERY_LIMIT)
    })
    .await;
    let queues = broker.get(&format!("queues/{}", broker.vhost())).await;
    let left = queues.as_array().unwrap().iter();
    let trials = left.filter(|queue| queue["name"].as_str().unwrap().contains("trial"));
    assert_eq!(trials.count(), 0, "the queue that was tried is gone");
    assert_eq!(broker.messages("drawgate.dead").await, 0);
    bus.close().await;
    broker.delete().await;
}
