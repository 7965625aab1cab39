//! Messages that are refused: each is safe as a dead letter.

use std::sync::atomic::Ordering;

use drawgate_lab::broker::{Client, next};
use drawgate_lab::wait::until_true;
use drawgate_schemas::topology;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation};
use serde_json::json;

use crate::books::books;
use crate::intake::Intake;
use crate::site::{Buses as _, broker};
use crate::tasks::{consume, ends};

/// Whether the dead-letter queue takes a message: a policy acts a moment after it was set.
async fn takes(client: &Client) -> bool {
    let (options, properties) = Default::default();
    let published =
        client
            .channel
            .basic_publish("drawgate.dead".into(), "x".into(), options, b"x", properties);
    matches!(published.await.unwrap().await.unwrap(), Confirmation::Ack(_))
}

#[tokio::test]
async fn a_dead_letter_is_safe_before_the_original_is_acknowledged() {
    let Some(broker) = broker().await else { return };
    let books = books().await;
    let (bus, stop) = broker.bus(None).await;
    let client = broker.client().await;
    // The dead-letter queue takes nothing more: one message fills it.
    broker
        .policy(
            "full",
            "drawgate.dead",
            json!({"max-length": 1, "overflow": "reject-publish"}),
        )
        .await;
    until_true("it is full", async || !takes(&client).await).await;
    let intake = Intake::new(&books.ledger);
    let consuming = consume(&bus, &intake, &stop);
    client.release(b"{not json").await;
    until_true("it was tried", async || intake.calls.load(Ordering::SeqCst) >= 2).await;
    stop.send_replace(true);
    ends(consuming).await;
    // The broker puts it back once it has noticed the end of the connection.
    until_true("it is back: nobody has its letter", async || {
        broker.messages("drawgate.releases.lab").await == 1
    })
    .await;

    broker.remove_policy("full").await;
    stop.send_replace(false);
    let consuming = consume(&bus, &intake, &stop);
    let mut dead = client.consume("drawgate.dead").await;
    let letter = loop {
        let letter = next(&mut dead).await;
        if letter.data != b"x" {
            break letter;
        }
    };
    assert_eq!(letter.data, b"{not json");
    let headers = letter.properties.headers().clone().unwrap();
    let header = |name: &str| match headers.inner().get(name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(header(topology::HEADER_REASON), "not_json");
    assert_eq!(header(topology::HEADER_ROUTING_KEY), "staging.search-api");
    assert_eq!(header(topology::HEADER_WORKER), "bastion-1");
    assert_eq!(*letter.properties.delivery_mode(), Some(2));
    stop.send_replace(true);
    ends(consuming).await;
    assert_eq!(broker.messages("drawgate.releases.lab").await, 0);
    broker.delete().await;
}

#[tokio::test]
async fn a_message_with_huge_headers_becomes_a_dead_letter_too() {
    let Some(broker) = broker().await else { return };
    let books = books().await;
    let (bus, stop) = broker.bus(None).await;
    let client = broker.client().await;
    let mut headers = FieldTable::default();
    headers.insert("x-huge".into(), AMQPValue::LongString("h".repeat(130_800).into()));
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_expiration("600000".into());
    client
        .publish("drawgate.releases", "staging.search-api", b"{", properties)
        .await;
    let intake = Intake::new(&books.ledger);
    let consuming = consume(&bus, &intake, &stop);
    let mut dead = client.consume("drawgate.dead").await;
    let letter = next(&mut dead).await;
    assert_eq!(letter.data, b"{");
    assert_eq!(intake.calls.load(Ordering::SeqCst), 1);
    stop.send_replace(true);
    ends(consuming).await;
    broker.delete().await;
}
