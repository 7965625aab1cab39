//! Messages that the AMQP library cannot read: they disturb no other message, and no byte of them is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use drawgate_schemas::topology::{
    CONTROL_EXCHANGE, DEAD_EXCHANGE, DEAD_QUEUE, QUESTION_KEY, RELEASES_EXCHANGE,
};
use drawgate_schemas::{Direction, Event, HostPhase, Outcome, RejectionCode, ReleaseId};
use drawgate_tests::oracle::Look;
use drawgate_tests::raw_amqp::{RawAmqp, RawMessage, nested_headers};
use drawgate_tests::wait::until;
use drawgate_tests::{Scene, Service};
use serde_json::{Value, json};
use uuid::Uuid;

const KEY: &[u8] = b"staging.search";
const HOSTS: [&str; 3] = ["h1", "h2", "h3"];

/// How long a control command may take to be answered, whatever else is in the queues.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

struct Poison {
    what: &'static str,
    key: &'static [u8],
    properties: Vec<u8>,
}

fn poison() -> Vec<Poison> {
    let of = |what, key, properties: &[u8]| Poison {
        what,
        key,
        properties: properties.to_vec(),
    };
    vec![
        of("a message id that is no text", KEY, b"\0\x80\x01\xff"),
        of(
            "a type with half of a surrogate pair",
            KEY,
            b"\0\x20\x03\xed\xa0\x80",
        ),
        of(
            "an application id cut within a character",
            KEY,
            b"\0\x08\x02a\xe2",
        ),
        of("a content type that is no text", KEY, b"\x80\0\x01\xfe"),
        of(
            "a header with a name that is no text",
            KEY,
            b"\x20\0\0\0\0\x03\x01\xffV",
        ),
        of(
            "such a name in an inner table",
            KEY,
            b"\x20\0\0\0\0\x0a\x01aF\0\0\0\x03\x01\xffV",
        ),
        of("a routing key that is no text", b"staging.\xff", b"\0\0"),
        of("arrays 2,000 deep", KEY, &nested_headers(b'A', 2_000)),
        // A frame has room for three times as many levels. The broker takes two seconds over each such
        // message, whichever client reads it.
        of("arrays 7,000 deep", KEY, &nested_headers(b'A', 7_000)),
        of("tables 5,000 deep", KEY, &nested_headers(b'F', 5_000)),
    ]
}

fn message(scene: &Scene, service: &str) -> (ReleaseId, Vec<u8>) {
    let id = Uuid::now_v7().to_string();
    let body = json!({
        "version": 1, "id": id, "environment": "staging", "service": service,
        "image": scene.image(service, "v2"), "requested_at": "2026-01-01T00:00:00Z",
    });
    (id.parse().unwrap(), body.to_string().into_bytes())
}

/// All messages of the dead-letter queue, by body.
async fn dead(scene: &Scene, count: u32) -> BTreeMap<Vec<u8>, RawMessage> {
    scene.broker.holds(DEAD_QUEUE, count).await;
    let mut raw = RawAmqp::connect(scene.broker.url());
    let letters = std::iter::from_fn(|| raw.get(DEAD_QUEUE));
    letters.map(|letter| (letter.body.clone(), letter)).collect()
}

/// Asserts that `letter` is the sent message, except for the broker's own additional headers.
fn assert_byte_for_byte(letter: &RawMessage, sent: &Poison) {
    assert_eq!(letter.key, sent.key, "{}", sent.what);
    let headers = 0x20;
    let flags = [sent.properties[0] | headers, sent.properties[1]];
    assert_eq!(letter.properties[..2], flags, "{}", sent.what);
    // x-death makes the table longer; the bytes after the flags and the table's length stay the same.
    let own = if sent.properties[0] & headers != 0 { 6 } else { 2 };
    let fields = &sent.properties[own..];
    let there = letter
        .properties
        .windows(fields.len().max(1))
        .any(|part| part == fields);
    assert!(
        there || fields.is_empty(),
        "{}: its properties are not there",
        sent.what
    );
}

/// Asks the worker for its status while the messages are in the queues; gives how long the answer took.
async fn heard(scene: &Scene) -> Duration {
    let began = std::time::Instant::now();
    let output = scene.drawgate(&["status", "--format", "json"]).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    began.elapsed()
}

#[tokio::test]
async fn trap_37_poison_in_mid_roll_stops_nothing() {
    let scene = Scene::begin().await;
    for service in ["search", "other"] {
        scene.serve(&Service::of(service));
    }
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let before = Look::at(&scene.lab).await;
    let mut worker = scene.worker().await;
    scene.broker.bind(&scene.releases_queue(), "staging.*").await;
    let events = scene.events().await;

    let rolling = scene.publish("search", "v2", &[]).await;
    events
        .phase(rolling, Direction::Forward, HostPhase::Draining)
        .await;
    let poison = poison();
    let mut raw = RawAmqp::connect(scene.broker.url());
    let mut sent = Vec::new();
    let mut good = Vec::new();
    for poison in &poison {
        let (id, body) = message(&scene, "search");
        raw.publish(RELEASES_EXCHANGE, poison.key, &poison.properties, &body);
        sent.push((id, body));
        // A good message follows each, for a service without a fleet: it is accepted, and ends at once.
        let (id, body) = message(&scene, "other");
        raw.publish(RELEASES_EXCHANGE, b"staging.other", b"\0\0", &body);
        good.push(id);
        raw.publish(
            CONTROL_EXCHANGE,
            QUESTION_KEY.as_bytes(),
            &poison.properties,
            b"{}",
        );
    }
    let longest = [heard(&scene).await, heard(&scene).await];
    assert!(longest.iter().all(|took| *took < HEARD_WITHIN), "{longest:?}");

    let letters = dead(&scene, u32::try_from(sent.len()).unwrap()).await;
    for ((_, body), poison) in sent.iter().zip(&poison) {
        let letter = letters
            .get(body)
            .unwrap_or_else(|| panic!("{} is lost", poison.what));
        assert_byte_for_byte(letter, poison);
    }
    for (id, _) in &sent {
        let told = events.kind(*id, "rejected").await.event;
        let code = match &told {
            Event::Rejected { rejection, .. } => rejection.code,
            _ => unreachable!("of that kind"),
        };
        assert_eq!(code, RejectionCode::DeadLettered, "{told:?}");
    }
    for id in &good {
        events.kind(*id, "accepted").await;
    }
    let accepted = events
        .all()
        .into_iter()
        .filter(|event| event.event.kind().name() == "accepted");
    let accepted: Vec<ReleaseId> = accepted.filter_map(|event| event.release).collect();
    assert_eq!(
        accepted,
        [&[rolling], &good[..]].concat(),
        "taken in in their order"
    );
    assert!(worker.has_ended().is_none(), "the worker lives");

    scene.judge(&events, rolling, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    scene.end(worker).await;
}

#[tokio::test]
async fn headers_that_are_only_many_are_no_poison() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let worker = scene.worker().await;
    let events = scene.events().await;
    let mut raw = RawAmqp::connect(scene.broker.url());
    // This message fills a frame: the broker adds its count of deliveries, and sends a frame beyond its own
    // bound.
    let mut filled = b"\x20\0".to_vec();
    let fill = 130_900;
    let table = [b"\x06x-fillS", &u32::try_from(fill).unwrap().to_be_bytes()[..]].concat();
    filled.extend(u32::try_from(table.len() + fill).unwrap().to_be_bytes());
    filled.extend(table);
    filled.extend(vec![b'x'; fill]);
    for properties in [nested_headers(b'A', 1_000), filled] {
        let (id, body) = message(&scene, "search");
        raw.publish(RELEASES_EXCHANGE, KEY, &properties, &body);
        events.kind(id, "accepted").await;
    }
    scene.end(worker).await;
}

#[tokio::test]
async fn dead_letters_that_nobody_can_read_are_listed_and_dropped() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let worker = scene.worker().await;
    // The worker has declared the queue by then.
    worker
        .says("connection=\"drawgate-worker bastion-lab publishing\"")
        .await;
    let mut raw = RawAmqp::connect(scene.broker.url());
    let poison = poison();
    for poison in &poison {
        let (_, body) = message(&scene, "search");
        raw.publish(DEAD_EXCHANGE, poison.key, &poison.properties, &body);
    }
    let rows = || async {
        let output = scene
            .drawgate(&["dead-letters", "list", "--format", "json"])
            .await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect::<Vec<Value>>()
    };
    let listed = rows().await;
    assert_eq!(listed.len(), poison.len());
    for row in &listed {
        assert_eq!(
            (&row["reason"], &row["service"]),
            (&json!("dead_lettered"), &json!("search")),
            "{row}"
        );
    }
    let ids: Vec<&str> = listed.iter().map(|row| row["id"].as_str().unwrap()).collect();
    for some in [&ids[..1], &ids[1..]] {
        let dropped = scene
            .drawgate(&[&["dead-letters", "drop", "--yes"], some].concat())
            .await;
        assert!(
            dropped.status.success(),
            "{}",
            String::from_utf8_lossy(&dropped.stderr)
        );
    }
    until("nothing is left", || async {
        rows().await.is_empty().then_some(())
    })
    .await;
    scene.end(worker).await;
}

#[tokio::test]
async fn trap_21_what_the_broker_gives_up_on_is_told() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let worker = scene.worker().await;
    // Each connection declares its own queues: a consumer of the queue for releases does not prove that the
    // queue for copies exists.
    scene.broker.consumed(&scene.copies_queue()).await;
    worker.stop().await;
    let events = scene.events().await;
    let (id, body) = message(&scene, "search");
    scene.broker.publish_expiring("staging.search", &body, 1).await;
    scene.broker.holds(DEAD_QUEUE, 1).await;
    let worker = scene.worker().await;
    let told = events.kind(id, "rejected").await.event;
    assert!(
        matches!(&told, Event::Rejected { rejection, .. }
            if rejection.code == RejectionCode::DeadLettered && rejection.detail.contains("expired")),
        "{told:?}"
    );
    scene.end(worker).await;
}
