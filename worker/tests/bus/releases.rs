//! Releases: none is lost, and none is acknowledged before the ledger has it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use drawgate_lab::wait::{soon, until_true};
use drawgate_lab::wire::Wire;
use drawgate_worker::bus::{Delivered, ReleaseHandler, Verdict};

use crate::books::books;
use crate::fixtures::request;
use crate::intake::Intake;
use crate::site::{Buses as _, broker};
use crate::tasks::{consume, ends};

#[tokio::test]
async fn no_release_is_lost_when_the_broker_goes_away_in_mid_consume() {
    let Some(broker) = broker().await else { return };
    let wire = Wire::before(broker.url()).await;
    let books = books().await;
    let (bus, stop) = broker.bus(Some(&wire)).await;
    let intake = Intake::new(&books.ledger);
    let consuming = consume(&bus, &intake, &stop);
    let client = broker.client().await;
    let mut ids = Vec::new();
    for n in 0..300 {
        let request = request();
        ids.push(request.id);
        client.release(&serde_json::to_vec(&request).unwrap()).await;
        match n {
            60 | 200 => wire.snap(),
            120 => wire.cut(),
            180 => wire.mend(),
            _ => {}
        }
    }
    until_true("all are accepted", async || intake.accepted() == 300).await;
    let order: Vec<_> = books
        .ledger
        .open_releases()
        .await
        .unwrap()
        .iter()
        .map(|release| release.id)
        .collect();
    assert_eq!(order, ids, "in the order they were published");
    stop.send_replace(true);
    ends(consuming).await;
    bus.close().await;
    assert_eq!(broker.messages("drawgate.releases.lab").await, 0);
    println!(
        "300 accepted with {} deliveries over 3 losses",
        intake.calls.load(Ordering::SeqCst)
    );
    broker.delete().await;
}

#[tokio::test]
async fn trap_21_while_the_ledger_is_away_nothing_is_acknowledged() {
    let Some(broker) = broker().await else { return };
    let books = books().await;
    let (bus, stop) = broker.bus(None).await;
    let intake = Intake::new(&books.ledger);
    intake.away.store(true, Ordering::SeqCst);
    let client = broker.client().await;
    for _ in 0..40 {
        client.release(&serde_json::to_vec(&request()).unwrap()).await;
    }
    let consuming = consume(&bus, &intake, &stop);
    tokio::time::sleep(Duration::from_millis(500)).await;
    // The handler claims to be ready while the ledger is away: the message stays with the worker, and its
    // delivery count does not rise.
    let lying = Arc::clone(&intake);
    struct Lying(Arc<Intake>);
    impl ReleaseHandler for Lying {
        async fn handle(&self, message: Delivered) -> Verdict {
            self.0.handle(message).await
        }
        async fn given_up(&self, _: Delivered, _: &str) -> bool {
            true
        }

        async fn ready(&self) -> bool {
            true
        }
    }
    assert_eq!(
        intake.calls.load(Ordering::SeqCst),
        0,
        "nothing is fetched before the ledger is there"
    );
    stop.send_replace(true);
    ends(consuming).await;
    stop.send_replace(false);
    let task = {
        let (bus, stop) = (bus.clone(), stop.subscribe());
        tokio::spawn(async move { bus.consume_releases(&Lying(lying), stop).await })
    };
    until_true("it has tried again", async || {
        intake.calls.load(Ordering::SeqCst) >= 3
    })
    .await;
    assert_eq!(intake.accepted(), 0);
    intake.away.store(false, Ordering::SeqCst);
    until_true("all are accepted", async || intake.accepted() == 40).await;
    let most = intake.most_deliveries.load(Ordering::SeqCst);
    assert_eq!(most, 0, "a release was given back although the ledger came soon");
    stop.send_replace(true);
    ends(task).await;
    broker.delete().await;
}

/// A handler that never decides, as in a worker that is killed.
struct Killed(tokio::sync::mpsc::UnboundedSender<i64>);

impl ReleaseHandler for Killed {
    async fn handle(&self, message: Delivered) -> Verdict {
        self.0.send(message.delivery_count()).unwrap();
        std::future::pending().await
    }

    async fn given_up(&self, _: Delivered, _: &str) -> bool {
        true
    }

    async fn ready(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn trap_37_a_good_release_survives_a_hundred_restarts() {
    let Some(broker) = broker().await else { return };
    broker.set_policies().await;
    let (bus, stop) = broker.bus(None).await;
    stop.send_replace(true);
    bus.close().await;
    let client = broker.client().await;
    let (first, second) = (request(), request());
    for request in [&first, &second] {
        client.release(&serde_json::to_vec(request).unwrap()).await;
    }
    for restart in 0..100 {
        let (bus, stop) = broker.bus(None).await;
        let (sender, mut met) = tokio::sync::mpsc::unbounded_channel();
        let consuming = {
            let (bus, stop) = (bus.clone(), stop.subscribe());
            tokio::spawn(async move { bus.consume_releases(&Killed(sender), stop).await })
        };
        assert_eq!(soon(met.recv()).await, Some(restart), "deliveries of the first");
        consuming.abort();
        bus.close().await;
    }
    let books = books().await;
    let (bus, stop) = broker.bus(None).await;
    let intake = Intake::new(&books.ledger);
    let consuming = consume(&bus, &intake, &stop);
    until_true("both are accepted", async || intake.accepted() == 2).await;
    // The message behind it was never delivered, so its delivery count is zero.
    assert_eq!(intake.most_deliveries.load(Ordering::SeqCst), 100);
    assert_eq!(broker.messages("drawgate.dead").await, 0);
    stop.send_replace(true);
    ends(consuming).await;
    bus.close().await;
    broker.delete().await;
}
