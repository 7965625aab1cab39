//! All of it over a real restart of the broker.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use drawgate_lab::broker::next;
use drawgate_lab::wait::until_true;
use drawgate_schemas::StatusEvent;
use drawgate_worker::bus::{ChatHandler, Posted};

use crate::books::{accept, append, books, lease};
use crate::fixtures::{event, request, started};
use crate::heard::Heard;
use crate::intake::Intake;
use crate::site::{Buses as _, broker};
use crate::tasks::{consume, ends, feed, relay};

/// A chat handler that only records events.
struct Counting(Arc<Mutex<Vec<u64>>>);

impl ChatHandler for Counting {
    async fn post(&mut self, event: &StatusEvent) -> Posted {
        self.0.lock().unwrap().push(event.sequence);
        Posted::Done
    }
}

/// `DRAWGATE_TEST_RABBITMQ_RESTART` is a command that stops the broker (SIGTERM) and starts it again. A
/// SIGKILL would test the broker's own trouble instead: a single node of RabbitMQ 3.10.8 often comes back
/// with the queue that was written to at that moment left without a leader.
#[tokio::test]
async fn everything_survives_a_real_restart_of_the_broker() {
    let Some(broker) = broker().await else { return };
    let Ok(restart) = std::env::var("DRAWGATE_TEST_RABBITMQ_RESTART") else {
        eprintln!("skipped: DRAWGATE_TEST_RABBITMQ_RESTART is not set");
        broker.delete().await;
        return;
    };
    let books = books().await;
    let (bus, stop) = broker.bus(None).await;
    let intake = Intake::new(&books.ledger);
    let posted = Arc::<Mutex<Vec<u64>>>::default();
    let consuming = consume(&bus, &intake, &stop);
    let relaying = relay(&bus, &books.ledger, &stop);
    let feeding = feed(&broker, &bus, Counting(Arc::clone(&posted)), &stop).await;
    let client = broker.client().await;
    let _events = client.hear_events().await;
    for _ in 0..100 {
        client.release(&serde_json::to_vec(&request()).unwrap()).await;
    }
    let one = request();
    accept(&books.ledger, &one).await;
    let lease = lease(&books.ledger, &one).await;
    let write = async {
        for n in 2..=400 {
            append(&books.ledger, &lease, &one, n, &[event(&one, n, started())]).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let break_it = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let began = Instant::now();
        let status = tokio::process::Command::new("sh")
            .arg("-c")
            .arg(&restart)
            .status()
            .await
            .unwrap();
        assert!(status.success());
        println!("the broker was away for {:?}", began.elapsed());
    };
    tokio::join!(write, break_it);
    drop(client);
    until_true("all are accepted", async || intake.accepted() == 100).await;
    until_true("all is said", async || {
        books.ledger.unpublished(1).await.unwrap().is_empty()
    })
    .await;
    until_true("chat has all", async || {
        let mut posted = posted.lock().unwrap().clone();
        posted.sort_unstable();
        posted.dedup();
        // One for each accepted release, and one for each append.
        posted.len() == 400
    })
    .await;
    let client = broker.client().await;
    let mut events = client.consume("everything").await;
    let mut heard = Heard::default();
    while heard.ids.len() < 101 + 399 {
        heard.hear(&serde_json::from_slice(&next(&mut events).await.data).unwrap());
    }
    println!("500 events over a real restart, {} repeats", heard.repeats);
    stop.send_replace(true);
    for task in [consuming, relaying, feeding] {
        ends(task).await;
    }
    broker.delete().await;
}
