//! Chat: each notable event once, and in order.

use std::time::Duration;

use drawgate_lab::wait::until_true;
use drawgate_lab::webhook::Listening;
use drawgate_schemas::{Event, Rejection, RejectionCode, topology};
use lapin::BasicProperties;

use crate::books::{accept, append, books, lease};
use crate::fixtures::{ended, event, request, started, warning};
use crate::intake::Intake;
use crate::site::{Buses as _, broker};
use crate::tasks::{chat_at, consume, ends, feed, relay};

#[tokio::test]
async fn chat_hears_each_release_in_order_and_once_whatever_its_mood() {
    let Some(broker) = broker().await else { return };
    let books = books().await;
    let slack = Listening::new().await;
    let (bus, stop) = broker.bus(None).await;
    let relaying = relay(&bus, &books.ledger, &stop);
    let feeding = feed(&broker, &bus, chat_at(&slack), &stop).await;
    slack.will_answer([(503, ""), (429, "retry-after: 1\r\n"), (0, "")]);
    let one = request();
    accept(&books.ledger, &one).await;
    let lease = lease(&books.ledger, &one).await;
    append(&books.ledger, &lease, &one, 2, &[event(&one, 2, started())]).await;
    append(
        &books.ledger,
        &lease,
        &one,
        3,
        &[warning(&one, 3), event(&one, 4, ended())],
    )
    .await;
    until_true("both are posted", async || slack.taken().len() == 2).await;
    let post = |what: &str| {
        let header = "search-api 9d11ab0 → 4f2c91e on staging · ben · build 812";
        format!("{header}: {what}\n> release {}", one.id)
    };
    assert_eq!(
        slack.taken(),
        [post("started, 1 host"), post("succeeded: 1 of 1 on 4f2c91e")]
    );
    assert_eq!(slack.tries(), 5);
    until_true("the queue is empty", async || {
        broker.messages("drawgate.chat").await == 0
    })
    .await;
    stop.send_replace(true);
    ends(relaying).await;
    ends(feeding).await;
    broker.delete().await;
}

#[tokio::test]
async fn trap_32_an_event_that_comes_again_is_not_posted_again() {
    let Some(broker) = broker().await else { return };
    let books = books().await;
    let slack = Listening::new().await;
    let (bus, stop) = broker.bus(None).await;
    let relaying = relay(&bus, &books.ledger, &stop);
    slack.will_answer([(503, ""), (503, ""), (503, ""), (503, "")]);
    let feeding = feed(&broker, &bus, chat_at(&slack), &stop).await;
    let one = request();
    accept(&books.ledger, &one).await;
    let lease = lease(&books.ledger, &one).await;
    let begun = event(&one, 2, started());
    append(&books.ledger, &lease, &one, 2, std::slice::from_ref(&begun)).await;
    until_true("it was tried", async || slack.tries() >= 1).await;
    // The worker stops while chat is down: the event stays in the queue.
    stop.send_replace(true);
    ends(feeding).await;
    ends(relaying).await;
    until_true("it is in the queue", async || {
        broker.messages("drawgate.chat").await == 1
    })
    .await;
    slack.recover();

    stop.send_replace(false);
    let feeding = feed(&broker, &bus, chat_at(&slack), &stop).await;
    until_true("it is posted", async || slack.taken().len() == 1).await;
    until_true("the queue is empty", async || {
        broker.messages("drawgate.chat").await == 0
    })
    .await;
    // The same event comes again, as after a lost acknowledgement.
    let client = broker.client().await;
    let key = topology::event_key(&begun);
    let body = serde_json::to_vec(&begun).unwrap();
    client
        .publish(topology::EVENTS_EXCHANGE, &key, &body, BasicProperties::default())
        .await;
    until_true("the queue is empty", async || {
        broker.messages("drawgate.chat").await == 0
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(slack.taken().len(), 1);
    stop.send_replace(true);
    ends(feeding).await;
    broker.delete().await;
}

#[tokio::test]
async fn a_chat_that_is_away_stops_nothing_else() {
    let Some(broker) = broker().await else { return };
    let books = books().await;
    let slack = Listening::new().await;
    slack.will_answer(vec![(404, ""); 100]);
    let (bus, stop) = broker.bus(None).await;
    let intake = Intake::new(&books.ledger);
    let consuming = consume(&bus, &intake, &stop);
    let relaying = relay(&bus, &books.ledger, &stop);
    let feeding = feed(&broker, &bus, chat_at(&slack), &stop).await;
    let client = broker.client().await;
    let rejection = Rejection::new(RejectionCode::NotJson, "no");
    let mut rejected = event(
        &request(),
        0,
        Event::Rejected {
            rejection,
            body_sha256: "00".to_owned(),
        },
    );
    rejected.release = None;
    books.ledger.put_event(&rejected).await.unwrap();
    until_true("chat was tried", async || slack.tries() == 1).await;
    for _ in 0..100 {
        client.release(&serde_json::to_vec(&request()).unwrap()).await;
    }
    until_true("all are accepted", async || intake.accepted() == 100).await;
    until_true("all is said", async || {
        books.ledger.unpublished(1).await.unwrap().is_empty()
    })
    .await;
    assert_eq!(slack.tries(), 1, "a misconfigured webhook is tried slowly");
    stop.send_replace(true);
    for task in [consuming, relaying, feeding] {
        ends(task).await;
    }
    broker.delete().await;
}
