//! Messages that are refused for good, each for its own reason: the message becomes a dead letter with its
//! reason, a `rejected` event is sent, and the next message is handled.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Event, Outcome, Rejection};
use drawgate_tests::{Events, Scene, Service, Worker};
use serde_json::{Value, json};
use uuid::Uuid;

const KEY: &str = "staging.search";

/// A worker with a service whose fleet does not exist: an accepted release ends at once, and touches nothing.
struct Gate {
    scene: Scene,
    worker: Worker,
    events: Events,
}

impl Gate {
    async fn open() -> Self {
        let scene = Scene::begin().await;
        scene.serve(&Service::of("search"));
        let worker = scene.worker().await;
        let events = scene.events().await;
        Self {
            scene,
            worker,
            events,
        }
    }

    /// A message that the worker accepts.
    fn good(&self) -> Value {
        json!({
            "version": 1, "id": Uuid::now_v7(), "environment": "staging", "service": "search",
            "image": self.scene.image("search", "v1"), "requested_at": "2026-01-01T00:00:00Z",
        })
    }

    /// The accepted message with one field changed.
    fn with(&self, field: &str, value: Value) -> Vec<u8> {
        let mut message = self.good();
        message[field] = value;
        message.to_string().into_bytes()
    }

    /// Asserts that these bytes are refused for this reason, and that the next message is handled.
    async fn refuses(self, key: &str, body: &[u8], reason: &str, says: &str) {
        self.refuses_once(key, body, reason, says).await;
        self.handles_the_next().await;
    }

    async fn refuses_once(&self, key: &str, body: &[u8], reason: &str, says: &str) {
        self.scene.broker.publish(key, body).await;
        let dead = self.scene.broker.dead_letter().await;
        assert_eq!(
            (dead.reason.as_str(), dead.routing_key.as_str()),
            (reason, key),
            "{}",
            dead.detail
        );
        assert!(
            dead.detail.contains(says),
            "{:?} does not say {says:?}",
            dead.detail
        );
        assert_eq!(dead.body, body, "a dead letter has the bytes that were sent");
        let hash = Rejection::body_sha256(body);
        let rejection = self
            .events
            .find("its rejected event", |event| match &event.event {
                Event::Rejected {
                    rejection,
                    body_sha256,
                } if *body_sha256 == hash => Some(rejection.clone()),
                _ => None,
            })
            .await;
        assert_eq!((rejection.code.as_str(), rejection.detail), (reason, dead.detail));
    }

    async fn handles_the_next(self) {
        let message = self.good();
        let id = message["id"].as_str().unwrap().parse().unwrap();
        self.scene
            .broker
            .publish(KEY, message.to_string().as_bytes())
            .await;
        let ended = self.events.end(id).await;
        assert_eq!(ended.outcome, Outcome::Failed, "{}", ended.summary);
        self.scene.broker.holds(&self.scene.releases_queue(), 0).await;
        self.scene.end(self.worker).await;
    }
}

#[tokio::test]
async fn not_json() {
    Gate::open()
        .await
        .refuses(KEY, b"release the kraken", "not_json", "expected")
        .await;
}

#[tokio::test]
async fn not_utf8() {
    Gate::open()
        .await
        .refuses(KEY, b"{\"version\": \"\xff\xfe\"}", "not_json", "")
        .await;
}

#[tokio::test]
async fn empty() {
    Gate::open().await.refuses(KEY, b"", "not_json", "").await;
}

#[tokio::test]
async fn wrong_version() {
    let gate = Gate::open().await;
    let body = gate.with("version", json!(2));
    gate.refuses(KEY, &body, "wrong_version", "version is 2").await;
}

#[tokio::test]
async fn unknown_field() {
    let gate = Gate::open().await;
    let body = gate.with("max_unavailble", json!(1));
    gate.refuses(KEY, &body, "invalid", "max_unavailble").await;
}

#[tokio::test]
async fn too_long() {
    let gate = Gate::open().await;
    let body = gate.with("reason", json!("x".repeat(70_000)));
    gate.refuses(KEY, &body, "too_large", "at most 65536").await;
}

#[tokio::test]
async fn field_too_long() {
    let gate = Gate::open().await;
    let body = gate.with("requested_by", json!("x".repeat(256)));
    gate.refuses(KEY, &body, "invalid", "255").await;
}

#[tokio::test]
async fn nested_without_end() {
    let body = format!("{{\"version\": {}1{}}}", "[".repeat(20_000), "]".repeat(20_000));
    Gate::open()
        .await
        .refuses(KEY, body.as_bytes(), "not_json", "")
        .await;
}

#[tokio::test]
async fn image_malformed() {
    let gate = Gate::open().await;
    let body = gate.with("image", json!("Search API:latest"));
    gate.refuses(KEY, &body, "invalid", "image").await;
}

#[tokio::test]
async fn image_not_allowed() {
    let gate = Gate::open().await;
    let body = gate.with("image", json!("evil.example.com/search:v1"));
    gate.refuses(KEY, &body, "image_not_allowed", "evil.example.com/search")
        .await;
}

#[tokio::test]
async fn unknown_environment() {
    let gate = Gate::open().await;
    let body = gate.with("environment", json!("staging-2"));
    // The key is bound to the queue by hand, because the broker would not deliver the message otherwise.
    gate.scene.broker.bind(&gate.scene.releases_queue(), "#").await;
    gate.refuses("staging-2.search", &body, "unknown_environment", "staging-2")
        .await;
}

#[tokio::test]
async fn unknown_service() {
    let gate = Gate::open().await;
    let body = gate.with("service", json!("serach"));
    gate.scene.broker.bind(&gate.scene.releases_queue(), "#").await;
    gate.refuses("staging.serach", &body, "unknown_service", "serach")
        .await;
}

#[tokio::test]
async fn wrong_routing_key() {
    let gate = Gate::open().await;
    let body = gate.with("environment", json!("personal-ben"));
    gate.refuses(KEY, &body, "wrong_routing_key", "personal-ben.search")
        .await;
}

#[tokio::test]
async fn less_careful_than_the_file() {
    let gate = Gate::open().await;
    let body = gate.with("options", json!({"max_unavailable": 3}));
    gate.refuses(KEY, &body, "less_careful", "max_unavailable").await;
}

#[tokio::test]
async fn expired() {
    let gate = Gate::open().await;
    let body = gate.with("expires_at", json!("2026-01-01T00:00:01Z"));
    gate.refuses(KEY, &body, "expired", "expired at 2026-01-01T00:00:01Z")
        .await;
}

#[tokio::test]
async fn id_used_before_with_another_body() {
    let gate = Gate::open().await;
    let mut message = gate.good();
    let id = message["id"].as_str().unwrap().parse().unwrap();
    gate.scene
        .broker
        .publish(KEY, message.to_string().as_bytes())
        .await;
    gate.events.end(id).await;
    message["reason"] = json!("another one");
    let body = message.to_string().into_bytes();
    gate.refuses(KEY, &body, "id_reused", "publish with a new id")
        .await;
}

/// The worker acknowledges the same message when it comes again, and makes no second release of it.
#[tokio::test]
async fn same_message_again_releases_once() {
    let gate = Gate::open().await;
    let message = gate.good();
    let id = message["id"].as_str().unwrap().parse().unwrap();
    let body = message.to_string().into_bytes();
    gate.scene.broker.publish(KEY, &body).await;
    gate.events.end(id).await;
    let told = gate.events.of(id).len();
    gate.scene.broker.publish(KEY, &body).await;
    // Other white space and another order of fields are the same request.
    let pretty = serde_json::to_vec_pretty(&message).unwrap();
    gate.scene.broker.publish(KEY, &pretty).await;
    let next = gate.good();
    let next_id = next["id"].as_str().unwrap().parse().unwrap();
    gate.scene.broker.publish(KEY, next.to_string().as_bytes()).await;
    gate.events.end(next_id).await;

    assert_eq!(
        gate.events.of(id).len(),
        told,
        "the second message brought events"
    );
    assert_eq!(
        gate.scene
            .broker
            .count("drawgate.dead")
            .await
            .map(|(messages, _)| messages),
        Some(0)
    );
    gate.handles_the_next().await;
}

/// `drawgate publish --wait` reports the refusal.
#[tokio::test]
async fn refusal_reaches_the_one_who_waits() {
    let gate = Gate::open().await;
    let image = "evil.example.com/search:v1";
    let arguments = [
        "publish",
        "--environment",
        "staging",
        "--service",
        "search",
        "--image",
        image,
        "--wait",
    ];
    let output = gate.scene.drawgate(&arguments).await;
    let said = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("evil.example.com/search may not be released"),
        "{said}"
    );
    gate.handles_the_next().await;
}

/// `check` and `run` name the file, the line, and what to write instead.
#[tokio::test]
async fn service_file_with_a_mistake() {
    let scene = Scene::begin().await;
    let good = Service::of("search").to_toml(&scene.lab.registry());
    let bad = good.replace("max_unavailable = 1", "max_unavailble = 1");
    let line = bad
        .lines()
        .position(|line| line.contains("max_unavailble"))
        .unwrap()
        + 1;
    std::fs::write(scene.service_file("search"), bad).unwrap();
    for command in ["check", "run"] {
        let output = scene.drawgate_worker(&[command]).await;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(2), "{command}: {said}");
        assert!(
            said.contains(&format!("search.toml:{line}:")),
            "{command} names file and line {line}: {said}"
        );
        assert!(
            said.contains("did you mean `max_unavailable`?"),
            "{command} names the fix: {said}"
        );
        assert!(!said.contains("panicked"), "{said}");
    }
    scene.broker.delete().await;
}
