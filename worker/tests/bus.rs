//! The bus against a real RabbitMQ: whatever breaks, nothing is lost or acknowledged too early, and order is
//! kept.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

mod bus_support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bus_support::*;
use drawgate_schemas::{
    Answer, Ask, Ended, Event, HostRef, Outcome, Question, Rejection, RejectionCode, ReleaseRequest, Reply,
    Started, StatusEvent, Version1, topology,
};
use drawgate_worker::bus::{
    Bus, BusSettings, ChatHandler, Delivered, DeliveryLimit, Posted, QuestionHandler, ReleaseHandler,
    Verdict, limits,
};
use drawgate_worker::ledger::{Accept, Ledger};
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use lapin::BasicProperties;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;
use tokio::sync::watch;
use uuid::Uuid;

/// A handler that accepts into the ledger every release that it can read.
struct Intake {
    ledger: Ledger,
    /// While set, the handler says that the ledger is away.
    away: AtomicBool,
    calls: AtomicU32,
    accepted: AtomicU32,
    most_deliveries: AtomicI64,
}

impl Intake {
    fn new(ledger: &Ledger) -> Arc<Self> {
        Arc::new(Self {
            ledger: ledger.clone(),
            away: AtomicBool::new(false),
            calls: AtomicU32::new(0),
            accepted: AtomicU32::new(0),
            most_deliveries: AtomicI64::new(0),
        })
    }

    fn accepted(&self) -> u32 {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl ReleaseHandler for Intake {
    async fn handle(&self, message: Delivered) -> Verdict {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.most_deliveries
            .fetch_max(message.delivery_count(), Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) {
            return Verdict::Unavailable;
        }
        if let Some(why) = message.unreadable {
            let rejection = Rejection::new(RejectionCode::DeadLettered, why.to_string());
            return Verdict::Unreadable(rejection);
        }
        match ReleaseRequest::decode(&message.body) {
            Ok(request) => {
                if matches!(accept(&self.ledger, &request).await, Accept::New { .. }) {
                    self.accepted.fetch_add(1, Ordering::SeqCst);
                }
                Verdict::Accepted
            }
            Err(rejection) => Verdict::Reject(rejection),
        }
    }

    async fn given_up(&self, _: Delivered, _: &str) -> bool {
        true
    }

    async fn ready(&self) -> bool {
        !self.away.load(Ordering::SeqCst)
    }
}

fn consume(bus: &Bus, intake: &Arc<Intake>, stop: &watch::Sender<bool>) -> tokio::task::JoinHandle<()> {
    let (bus, intake, stop) = (bus.clone(), Arc::clone(intake), stop.subscribe());
    tokio::spawn(async move { bus.consume_releases(&*intake, stop).await })
}

fn relay(bus: &Bus, ledger: &Ledger, stop: &watch::Sender<bool>) -> tokio::task::JoinHandle<()> {
    let (bus, ledger, stop) = (bus.clone(), ledger.clone(), stop.subscribe());
    tokio::spawn(async move { bus.relay(&ledger, stop).await })
}

async fn ends(task: tokio::task::JoinHandle<()>) {
    tokio::time::timeout(Duration::from_secs(10), task)
        .await
        .expect("it stops within 10 s")
        .unwrap();
}

#[tokio::test]
async fn trap_21_queues_are_durable_quorum_queues_without_a_delivery_limit() {
    let Some(broker) = Broker::new().await else { return };
    let (bus, stop) = broker.bus(None).await;
    assert!(
        !broker.exists("drawgate.chat").await,
        "without chat it would only fill"
    );
    let feeding = feed(&broker, &bus, Slack::new().await.chat(), &stop).await;
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
        let four = broker.call("GET", "/overview", None).await["rabbitmq_version"]
            .as_str()
            .unwrap()
            >= "4";
        let limit = if four { json!(-1) } else { json!(null) };
        assert_eq!(queue["arguments"]["x-delivery-limit"], limit, "{name}");
    }
    // A second start, over the existing queues.
    stop.send_replace(true);
    ends(feeding).await;
    bus.close().await;
    let (bus, _stop) = broker.bus(None).await;
    bus.close().await;
    broker.remove().await;
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

/// The number of ready messages in a queue.
async fn messages(client: &Client, queue: &str) -> u32 {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let seen = client
        .channel
        .queue_declare(queue.into(), options, FieldTable::default());
    seen.await.unwrap().message_count()
}

#[tokio::test]
async fn trap_36_a_queue_with_other_arguments_is_used_as_it_is() {
    let Some(broker) = Broker::new().await else { return };
    let client = broker.client().await;
    // A classic queue without a dead-letter exchange.
    made(&client, "drawgate.releases.lab", &[]).await;
    let books = books().await;
    let (bus, stop) = broker.bus(None).await;
    let intake = Intake::new(&books.ledger);
    let consuming = consume(&bus, &intake, &stop);
    client.release(&serde_json::to_vec(&request()).unwrap()).await;
    until("it is accepted", async || intake.accepted() == 1).await;
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
    broker.remove().await;
}

#[tokio::test]
async fn trap_36_queues_made_under_rabbitmq_3_serve_under_4() {
    let Some(broker) = Broker::new().await else { return };
    // The queues, declared as for RabbitMQ 3.
    let (bus, stop) = broker.bus(None).await;
    let books = books().await;
    let feeding = feed(&broker, &bus, Slack::new().await.chat(), &stop).await;
    stop.send_replace(true);
    ends(feeding).await;
    bus.close().await;
    // The same broker claims to be RabbitMQ 4: the wire changes the first frame of each connection.
    let wire = Wire::new(broker.address()).await;
    wire.says_major(b'4');
    let (bus, stop) = broker.bus(Some(wire.port)).await;
    let intake = Intake::new(&books.ledger);
    let consuming = consume(&bus, &intake, &stop);
    let client = broker.client().await;
    client.release(&serde_json::to_vec(&request()).unwrap()).await;
    until("it is accepted", async || intake.accepted() == 1).await;
    stop.send_replace(true);
    ends(consuming).await;
    bus.close().await;
    broker.remove().await;
}

#[tokio::test]
async fn a_broker_that_is_away_is_waited_for() {
    let Some(broker) = Broker::new().await else { return };
    let wire = Wire::new(broker.address()).await;
    wire.cut();
    let (stop, receiver) = watch::channel(false);
    let connecting = |receiver| {
        let bus = Bus::new(broker.settings(Some(wire.port))).unwrap();
        tokio::spawn(async move {
            let connected = bus.connected(receiver).await;
            (bus, connected)
        })
    };
    let first = connecting(receiver);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!first.is_finished());
    wire.mend();
    let (bus, connected) = first.await.unwrap();
    assert!(connected && bus.is_connected());
    bus.close().await;
    // A bus that is told to stop ends its wait.
    wire.cut();
    let second = connecting(stop.subscribe());
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.send_replace(true);
    assert!(!second.await.unwrap().1);
    broker.remove().await;
}

#[tokio::test]
async fn a_password_file_goes_before_the_url() {
    let Some(broker) = Broker::new().await else { return };
    let url: reqwest::Url = broker.url(None).parse().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), url.password().unwrap()).unwrap();
    let mut wrong = url.clone();
    wrong.set_password(Some("wrong")).unwrap();
    let (_stop, receiver) = watch::channel(false);
    let settings = BusSettings {
        url: wrong.to_string(),
        password_file: Some(file.path().to_owned()),
        ..broker.settings(None)
    };
    let bus = Bus::new(settings).unwrap();
    assert!(soon(bus.connected(receiver)).await);
    bus.close().await;
    broker.remove().await;
}

#[tokio::test]
async fn no_release_is_lost_when_the_broker_goes_away_in_mid_consume() {
    let Some(broker) = Broker::new().await else { return };
    let wire = Wire::new(broker.address()).await;
    let books = books().await;
    let (bus, stop) = broker.bus(Some(wire.port)).await;
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
    until("all are accepted", async || intake.accepted() == 300).await;
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
    broker.remove().await;
}

#[tokio::test]
async fn a_deleted_queue_is_declared_anew() {
    let Some(broker) = Broker::new().await else { return };
    let books = books().await;
    let (bus, stop) = broker.bus(None).await;
    let intake = Intake::new(&books.ledger);
    let consuming = consume(&bus, &intake, &stop);
    let client = broker.client().await;
    client.release(&serde_json::to_vec(&request()).unwrap()).await;
    until("the first is accepted", async || intake.accepted() == 1).await;
    broker.delete_queue("drawgate.releases.lab").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    client.release(&serde_json::to_vec(&request()).unwrap()).await;
    until("the second is accepted", async || intake.accepted() == 2).await;
    stop.send_replace(true);
    ends(consuming).await;
    broker.remove().await;
}

#[tokio::test]
async fn a_dead_letter_is_safe_before_the_original_is_acknowledged() {
    let Some(broker) = Broker::new().await else { return };
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
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..3 {
        let options = Default::default();
        let properties = BasicProperties::default();
        let confirm =
            client
                .channel
                .basic_publish("drawgate.dead".into(), "x".into(), options, b"x", properties);
        let _ = confirm.await.unwrap().await;
    }
    let intake = Intake::new(&books.ledger);
    let consuming = consume(&bus, &intake, &stop);
    client.release(b"{not json").await;
    until("it was tried", async || intake.calls.load(Ordering::SeqCst) >= 2).await;
    stop.send_replace(true);
    ends(consuming).await;
    assert_eq!(
        broker.messages("drawgate.releases.lab").await,
        1,
        "not acknowledged, because nobody has its letter"
    );

    broker.remove_policy("full").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
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
    broker.remove().await;
}

#[tokio::test]
async fn a_message_with_huge_headers_becomes_a_dead_letter_too() {
    let Some(broker) = Broker::new().await else { return };
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
    broker.remove().await;
}

#[tokio::test]
async fn trap_21_while_the_ledger_is_away_nothing_is_acknowledged() {
    let Some(broker) = Broker::new().await else { return };
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
    until("it has tried again", async || {
        intake.calls.load(Ordering::SeqCst) >= 3
    })
    .await;
    assert_eq!(intake.accepted(), 0);
    intake.away.store(false, Ordering::SeqCst);
    until("all are accepted", async || intake.accepted() == 40).await;
    let most = intake.most_deliveries.load(Ordering::SeqCst);
    assert_eq!(most, 0, "a release was given back although the ledger came soon");
    stop.send_replace(true);
    ends(task).await;
    broker.remove().await;
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
    let Some(broker) = Broker::new().await else { return };
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
    until("both are accepted", async || intake.accepted() == 2).await;
    // The message behind it was never delivered, so its delivery count is zero.
    assert_eq!(intake.most_deliveries.load(Ordering::SeqCst), 100);
    assert_eq!(messages(&client, "drawgate.dead").await, 0);
    stop.send_replace(true);
    ends(consuming).await;
    bus.close().await;
    broker.remove().await;
}

#[tokio::test]
async fn trap_37_the_delivery_limit_is_found_by_trying() {
    let Some(broker) = Broker::new().await else { return };
    let (bus, _stop) = broker.bus(None).await;
    // The worker has just declared the queue without a limit, whatever the broker's default is.
    assert_eq!(bus.delivery_limit().find().await, DeliveryLimit::None);
    broker.set_policies().await;
    // The bus does not cache a missing limit for long.
    until("the shipped policy acts", async || {
        bus.delivery_limit().find().await == DeliveryLimit::Of(limits::DELIVERY_LIMIT)
    })
    .await;
    let queues = broker
        .call("GET", &format!("/queues/{}", broker.vhost), None)
        .await;
    let left = queues.as_array().unwrap().iter();
    let trials = left.filter(|queue| queue["name"].as_str().unwrap().contains("trial"));
    assert_eq!(trials.count(), 0, "the queue that was tried is gone");
    assert_eq!(messages(&broker.client().await, "drawgate.dead").await, 0);
    bus.close().await;
    broker.remove().await;
}

/// The events heard of each release: first occurrences in order without a gap, repeats allowed.
#[derive(Default)]
struct Heard {
    next: HashMap<String, u64>,
    ids: std::collections::HashSet<Uuid>,
    repeats: u32,
}

impl Heard {
    fn hear(&mut self, event: &StatusEvent) {
        if !self.ids.insert(event.id) {
            self.repeats += 1;
            return;
        }
        let release = event.release.map(|id| id.to_string()).unwrap_or_default();
        let next = self.next.entry(release).or_insert(1);
        assert_eq!(event.sequence, *next, "a gap, or out of order");
        *next += 1;
    }
}

#[tokio::test]
async fn a_thousand_events_are_relayed_in_order() {
    let Some(broker) = Broker::new().await else { return };
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
    until("the outbox is empty", async || {
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
    broker.remove().await;
}

#[tokio::test]
async fn no_event_is_lost_or_out_of_order_when_the_broker_goes_away_in_mid_relay() {
    let Some(broker) = Broker::new().await else { return };
    let wire = Wire::new(broker.address()).await;
    let books = books().await;
    let (bus, stop) = broker.bus(Some(wire.port)).await;
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
    until("the outbox is empty", async || {
        books.ledger.unpublished(1).await.unwrap().is_empty()
    })
    .await;
    stop.send_replace(true);
    ends(relaying).await;
    broker.remove().await;
}

#[tokio::test]
async fn of_two_workers_on_one_ledger_one_relays() {
    let Some(broker) = Broker::new().await else { return };
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
    broker.remove().await;
}

#[tokio::test]
async fn the_last_words_go_out_after_the_order_to_stop() {
    let Some(broker) = Broker::new().await else { return };
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
    broker.remove().await;
}

struct Desk;

impl QuestionHandler for Desk {
    async fn answer(&self, question: Question, _from: Option<String>) -> Answer {
        let reply = match question.ask {
            Ask::Show { release, .. } => Reply::UnknownRelease { release },
            _ => Reply::NotChanged { why: String::new() },
        };
        Answer {
            version: Version1,
            question: question.id,
            worker: "bastion-1".to_owned(),
            reply,
        }
    }
}

fn question(expires_in_s: i64) -> Question {
    Question {
        version: Version1,
        id: Uuid::now_v7(),
        expires_at: Timestamp::now() + SignedDuration::from_secs(expires_in_s),
        ask: Ask::Show {
            release: request().id,
            after: 0,
            logs: false,
        },
    }
}

#[tokio::test]
async fn questions_are_answered_over_direct_reply_to() {
    let Some(broker) = Broker::new().await else { return };
    let (bus, stop) = broker.bus(None).await;
    let answering = {
        let (bus, stop) = (bus.clone(), stop.subscribe());
        tokio::spawn(async move { bus.answer_questions(&Desk, stop).await })
    };
    let client = broker.client().await;
    let options = BasicConsumeOptions {
        no_ack: true,
        ..Default::default()
    };
    let reply_queue = topology::REPLY_QUEUE;
    let mut replies = client
        .channel
        .basic_consume(reply_queue.into(), "".into(), options, FieldTable::default())
        .await
        .unwrap();
    let ask = |body: Vec<u8>, reply_to: &str, correlation: &str| {
        let properties = BasicProperties::default()
            .with_reply_to(reply_to.into())
            .with_correlation_id(correlation.into());
        let channel = client.channel.clone();
        async move {
            let (exchange, key) = (topology::CONTROL_EXCHANGE, topology::QUESTION_KEY);
            let options = Default::default();
            channel
                .basic_publish(exchange.into(), key.into(), options, &body, properties)
                .await
                .unwrap();
        }
    };
    let json = |question: &Question| serde_json::to_vec(question).unwrap();
    // A question that comes too late gets an answer that names both clocks, in case the asker still waits. A
    // question whose reply queue is no reply queue gets no answer, and does no harm.
    ask(json(&question(-1)), reply_queue, "late").await;
    let reply = replies.next().await.unwrap().unwrap();
    let answer: Answer = serde_json::from_slice(&reply.data).unwrap();
    assert!(
        matches!(&answer.reply, Reply::Refused { reason } if reason.contains("compare the two clocks")),
        "{answer:?}"
    );
    ask(json(&question(30)), "drawgate.releases.lab", "stray").await;
    let wanted = question(30);
    ask(json(&wanted), reply_queue, "c-1").await;
    let reply = replies.next().await.unwrap().unwrap();
    assert_eq!(
        reply.properties.correlation_id().as_ref().unwrap().as_str(),
        "c-1"
    );
    let answer: Answer = serde_json::from_slice(&reply.data).unwrap();
    let Ask::Show { release, .. } = wanted.ask else {
        panic!("is no question");
    };
    assert_eq!(
        (answer.question, answer.reply),
        (wanted.id, Reply::UnknownRelease { release })
    );

    // A question for every worker is confirmed as heard first, because its answer may take long.
    let for_all = Question {
        ask: Ask::Thaw { environment: None },
        ..question(30)
    };
    ask(json(&for_all), reply_queue, "c-all").await;
    for wanted in [Reply::Heard, Reply::NotChanged { why: String::new() }] {
        let reply = replies.next().await.unwrap().unwrap();
        let answer: Answer = serde_json::from_slice(&reply.data).unwrap();
        assert_eq!((answer.question, answer.reply), (for_all.id, wanted));
    }

    let id = Uuid::now_v7();
    ask(
        format!("{{\"id\":\"{id}\",\"version\":7}}").into_bytes(),
        reply_queue,
        "c-2",
    )
    .await;
    let reply = replies.next().await.unwrap().unwrap();
    let answer: Answer = serde_json::from_slice(&reply.data).unwrap();
    assert!(
        answer.question == id && matches!(answer.reply, Reply::Refused { .. }),
        "{answer:?}"
    );
    assert_eq!(broker.messages("drawgate.releases.lab").await, 0);
    stop.send_replace(true);
    ends(answering).await;
    broker.remove().await;
}

fn started() -> Event {
    Event::Started(Box::new(Started {
        hosts: vec![HostRef {
            instance: "i-1".to_owned(),
            address: "10.0.0.1".to_owned(),
        }],
        from: Some("9d11ab0".to_owned()),
        to: "4f2c91e".to_owned(),
        digest: Some(format!("sha256:{}", "a".repeat(64)).parse().unwrap()),
        max_unavailable: 1,
        groups: vec![],
        target_groups: vec![],
        expected_s: 1,
        warnings: vec![],
    }))
}

fn ended() -> Event {
    let summary = "1 of 1 on 4f2c91e".to_owned();
    Event::Ended(Box::new(Ended {
        outcome: Outcome::Succeeded,
        summary,
        hint: None,
        receipt: None,
    }))
}

/// Feeds chat; returns when its queue is bound and consumed.
async fn feed(
    broker: &Broker,
    bus: &Bus,
    mut chat: impl ChatHandler + 'static,
    stop: &watch::Sender<bool>,
) -> tokio::task::JoinHandle<()> {
    let (bus, stop) = (bus.clone(), stop.subscribe());
    let feeding = tokio::spawn(async move { bus.feed_chat(&mut chat, stop).await });
    until("chat has its queue", async || {
        broker.is_consumed("drawgate.chat").await
    })
    .await;
    feeding
}

#[tokio::test]
async fn chat_hears_each_release_in_order_and_once_whatever_its_mood() {
    let Some(broker) = Broker::new().await else { return };
    let books = books().await;
    let slack = Slack::new().await;
    let (bus, stop) = broker.bus(None).await;
    let relaying = relay(&bus, &books.ledger, &stop);
    let feeding = feed(&broker, &bus, slack.chat(), &stop).await;
    slack
        .moods
        .lock()
        .unwrap()
        .extend([(503, ""), (429, "retry-after: 1\r\n"), (0, "")]);
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
    until("both are posted", async || slack.taken().len() == 2).await;
    let post = |what: &str| {
        let header = "search-api 9d11ab0 → 4f2c91e on staging · ben · build 812";
        format!("{header}: {what}\n> release {}", one.id)
    };
    assert_eq!(
        slack.taken(),
        [post("started, 1 host"), post("succeeded: 1 of 1 on 4f2c91e")]
    );
    assert_eq!(slack.tries(), 5);
    until("the queue is empty", async || {
        broker.messages("drawgate.chat").await == 0
    })
    .await;
    stop.send_replace(true);
    ends(relaying).await;
    ends(feeding).await;
    broker.remove().await;
}

#[tokio::test]
async fn trap_32_an_event_that_comes_again_is_not_posted_again() {
    let Some(broker) = Broker::new().await else { return };
    let books = books().await;
    let slack = Slack::new().await;
    let (bus, stop) = broker.bus(None).await;
    let relaying = relay(&bus, &books.ledger, &stop);
    slack
        .moods
        .lock()
        .unwrap()
        .extend([(503, ""), (503, ""), (503, ""), (503, "")]);
    let feeding = feed(&broker, &bus, slack.chat(), &stop).await;
    let one = request();
    accept(&books.ledger, &one).await;
    let lease = lease(&books.ledger, &one).await;
    let begun = event(&one, 2, started());
    append(&books.ledger, &lease, &one, 2, std::slice::from_ref(&begun)).await;
    until("it was tried", async || slack.tries() >= 1).await;
    // The worker stops while chat is down: the event stays in the queue.
    stop.send_replace(true);
    ends(feeding).await;
    ends(relaying).await;
    until("it is in the queue", async || {
        broker.messages("drawgate.chat").await == 1
    })
    .await;
    slack.moods.lock().unwrap().clear();

    stop.send_replace(false);
    let feeding = feed(&broker, &bus, slack.chat(), &stop).await;
    until("it is posted", async || slack.taken().len() == 1).await;
    until("the queue is empty", async || {
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
    until("the queue is empty", async || {
        broker.messages("drawgate.chat").await == 0
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(slack.taken().len(), 1);
    stop.send_replace(true);
    ends(feeding).await;
    broker.remove().await;
}

#[tokio::test]
async fn a_chat_that_is_away_stops_nothing_else() {
    let Some(broker) = Broker::new().await else { return };
    let books = books().await;
    let slack = Slack::new().await;
    slack.moods.lock().unwrap().extend(vec![(404, ""); 100]);
    let (bus, stop) = broker.bus(None).await;
    let intake = Intake::new(&books.ledger);
    let consuming = consume(&bus, &intake, &stop);
    let relaying = relay(&bus, &books.ledger, &stop);
    let feeding = feed(&broker, &bus, slack.chat(), &stop).await;
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
    until("chat was tried", async || slack.tries() == 1).await;
    for _ in 0..100 {
        client.release(&serde_json::to_vec(&request()).unwrap()).await;
    }
    until("all are accepted", async || intake.accepted() == 100).await;
    until("all is said", async || {
        books.ledger.unpublished(1).await.unwrap().is_empty()
    })
    .await;
    assert_eq!(slack.tries(), 1, "a misconfigured webhook is tried slowly");
    stop.send_replace(true);
    for task in [consuming, relaying, feeding] {
        ends(task).await;
    }
    broker.remove().await;
}

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
    let Some(broker) = Broker::new().await else { return };
    let Ok(restart) = std::env::var("DRAWGATE_TEST_RABBITMQ_RESTART") else {
        eprintln!("skipped: DRAWGATE_TEST_RABBITMQ_RESTART is not set");
        broker.remove().await;
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
    until("all are accepted", async || intake.accepted() == 100).await;
    until("all is said", async || {
        books.ledger.unpublished(1).await.unwrap().is_empty()
    })
    .await;
    until("chat has all", async || {
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
    broker.remove().await;
}
