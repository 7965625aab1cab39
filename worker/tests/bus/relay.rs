//! Status events: in order, and none lost.

use std::time::{Duration, Instant};

use drawgate_lab::broker::{next, silence};
use drawgate_lab::wait::until_true;
use drawgate_lab::wire::Wire;
use drawgate_schemas::{StatusEvent, topology};
use drawgate_worker::ledger::Ledger;

use crate::books::{accept, append, books, lease};
use crate::fixtures::{request, warning};
use crate::heard::Heard;
use crate::site::{Buses as _, broker};
use crate::tasks::{ends, relay};

#[tokio::test]
async fn a_thousand_events_are_relayed_in_order() {
    let Some(broker) = broker().await else { return };
    let books = books().await;
    let (bus, stop) = broker.bus(None).await;
    let client = broker.client().await;
    let mut events = client.hear_events().await;
    let one = request();
    accept(&books.ledger, &one).await;
    let lease = lease(&books.ledger, &one).await;
    for n in 2..=100 {
        let batch: Vec<StatusEvent> = (0..10).map(|k| warning(&one, (n - 2) * 10 + k + 2)).collect();
        append(&books.ledger, &lease, &one, n, &batch).await;
    }
    let began = Instant::now();
    let relaying = relay(&bus, &books.ledger, &stop);
    let mut heard = Heard::default();
    while heard.ids.len() < 991 {
        let delivery = next(&mut events).await;
        let event: StatusEvent = serde_json::from_slice(&delivery.data).unwrap();
        assert_eq!(
            delivery.properties.message_id().as_ref().unwrap().as_str(),
            event.id.to_string()
        );
        assert_eq!(*delivery.properties.delivery_mode(), Some(2));
        assert_eq!(delivery.routing_key.as_str(), topology::event_key(&event));
        heard.hear(&event);
    }
    println!(
        "991 events relayed and heard in {:?}, {} repeats",
        began.elapsed(),
        heard.repeats
    );
    assert_eq!(heard.repeats, 0);
    until_true("the outbox is empty", async || {
        books.ledger.unpublished(1).await.unwrap().is_empty()
    })
    .await;

    // The relay is woken and does not poll: this is the time from the append to the other program's receipt.
    let mut slowest = Duration::ZERO;
    for n in 101..121 {
        let began = Instant::now();
        append(&books.ledger, &lease, &one, n, &[warning(&one, n + 891)]).await;
        heard.hear(&serde_json::from_slice(&next(&mut events).await.data).unwrap());
        slowest = slowest.max(began.elapsed());
    }
    println!("slowest of 20 single events: {slowest:?}");
    assert!(slowest < Duration::from_millis(500));
    stop.send_replace(true);
    ends(relaying).await;
    broker.delete().await;
}

#[tokio::test]
async fn no_event_is_lost_or_out_of_order_when_the_broker_goes_away() {
    let Some(broker) = broker().await else { return };
    let wire = Wire::before(broker.url()).await;
    let books = books().await;
    let (bus, stop) = broker.bus(Some(&wire)).await;
    let client = broker.client().await;
    let mut events = client.hear_events().await;
    let relaying = relay(&bus, &books.ledger, &stop);
    let one = request();
    accept(&books.ledger, &one).await;
    let lease = lease(&books.ledger, &one).await;
    let (ledger, breaker) = (books.ledger.clone(), &wire);
    let writing = async {
        for n in 2..=101 {
            let batch: Vec<StatusEvent> = (0..10).map(|k| warning(&one, (n - 2) * 10 + k + 2)).collect();
            append(&ledger, &lease, &one, n, &batch).await;
        }
    };
    let breaking = async {
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            // The wire loses the data in flight, and then breaks the connection.
            breaker.swallow();
            tokio::time::sleep(Duration::from_millis(40)).await;
            breaker.snap();
        }
        breaker.cut();
        tokio::time::sleep(Duration::from_millis(700)).await;
        breaker.mend();
    };
    let mut heard = Heard::default();
    let hearing = async {
        while heard.ids.len() < 1001 {
            heard.hear(&serde_json::from_slice(&next(&mut events).await.data).unwrap());
        }
    };
    tokio::join!(writing, breaking, hearing);
    println!("1001 events over 7 losses, {} repeats", heard.repeats);
    until_true("the outbox is empty", async || {
        books.ledger.unpublished(1).await.unwrap().is_empty()
    })
    .await;
    stop.send_replace(true);
    ends(relaying).await;
    broker.delete().await;
}

#[tokio::test]
async fn of_two_workers_on_one_ledger_one_relays() {
    let Some(broker) = broker().await else { return };
    let books = books().await;
    let second = Ledger::open(&books.path, "bastion-2").await.unwrap();
    let (bus, stop) = broker.bus(None).await;
    let (other_bus, other_stop) = broker.bus(None).await;
    let client = broker.client().await;
    let mut events = client.hear_events().await;
    let one = request();
    accept(&second, &one).await;
    let lease = lease(&second, &one).await;
    for n in 2..=200 {
        append(&second, &lease, &one, n, &[warning(&one, n)]).await;
    }
    let first_relay = relay(&bus, &books.ledger, &stop);
    let second_relay = relay(&other_bus, &second, &other_stop);
    let mut heard = Heard::default();
    while heard.ids.len() < 200 {
        heard.hear(&serde_json::from_slice(&next(&mut events).await.data).unwrap());
    }
    assert_eq!(heard.repeats, 0);
    // One worker stops in order, and the other takes over.
    stop.send_replace(true);
    ends(first_relay).await;
    append(&second, &lease, &one, 201, &[warning(&one, 201)]).await;
    heard.hear(&serde_json::from_slice(&next(&mut events).await.data).unwrap());
    silence(&mut events, Duration::from_millis(300)).await;
    other_stop.send_replace(true);
    ends(second_relay).await;
    broker.delete().await;
}

#[tokio::test]
async fn the_last_words_go_out_after_the_order_to_stop() {
    let Some(broker) = broker().await else { return };
    let books = books().await;
    let (bus, stop) = broker.bus(None).await;
    let client = broker.client().await;
    let mut events = client.hear_events().await;
    let relaying = relay(&bus, &books.ledger, &stop);
    let one = request();
    accept(&books.ledger, &one).await;
    next(&mut events).await;
    let lease = lease(&books.ledger, &one).await;
    for n in 2..=200 {
        append(&books.ledger, &lease, &one, n, &[warning(&one, n)]).await;
    }
    stop.send_replace(true);
    ends(relaying).await;
    assert!(books.ledger.unpublished(1).await.unwrap().is_empty());
    broker.delete().await;
}
