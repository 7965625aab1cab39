//! Helpers of the tests against a real RabbitMQ: a vhost for each test, a wire that can be cut, a chat that
//! can fail.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use drawgate_config::{Secret, SecretSource};
use drawgate_rollout::{Entry, Record};
use drawgate_schemas::{About, Event, ReleaseId, ReleaseRequest, StatusEvent, Version1};
use drawgate_worker::bus::{Bus, BusSettings};
use drawgate_worker::chat::Chat;
use drawgate_worker::ledger::{Accept, Acquired, Leap, Lease, Ledger};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use uuid::Uuid;

/// A vhost for one test, removed at the end.
pub struct Broker {
    api: String,
    pub vhost: String,
    url: reqwest::Url,
    http: reqwest::Client,
}

impl Broker {
    /// Creates the vhost; `None`, with a line that says so, where no broker is configured.
    pub async fn new() -> Option<Self> {
        let (Ok(url), Ok(api)) = (
            std::env::var("DRAWGATE_AMQP_URL"),
            std::env::var("LAB_RABBITMQ_API"),
        ) else {
            eprintln!("skipped: DRAWGATE_AMQP_URL and LAB_RABBITMQ_API are not set");
            return None;
        };
        // RUST_LOG=drawgate_worker=debug shows the worker's log.
        let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into());
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_test_writer()
            .try_init();
        let url: reqwest::Url = url.parse().unwrap();
        let vhost = format!("test-{}", Uuid::now_v7());
        let broker = Self {
            api,
            vhost,
            url,
            http: reqwest::Client::new(),
        };
        broker
            .call("PUT", &format!("/vhosts/{}", broker.vhost), Some(json!({})))
            .await;
        let everything = json!({"configure": ".*", "write": ".*", "read": ".*"});
        let user = broker.url.username();
        broker
            .call(
                "PUT",
                &format!("/permissions/{}/{user}", broker.vhost),
                Some(everything),
            )
            .await;
        Some(broker)
    }

    /// The vhost's URL, with another port for a wire in between.
    pub fn url(&self, port: Option<u16>) -> String {
        let mut url = self.url.clone();
        url.set_path(&self.vhost);
        if let Some(port) = port {
            url.set_host(Some("127.0.0.1")).unwrap();
            url.set_port(Some(port)).unwrap();
        }
        url.to_string()
    }

    pub fn address(&self) -> String {
        format!(
            "{}:{}",
            self.url.host_str().unwrap(),
            self.url.port().unwrap_or(5672)
        )
    }

    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.api));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.json().await.unwrap_or(Value::Null)
    }

    /// A queue as the broker's API describes it.
    pub async fn queue(&self, name: &str) -> Value {
        self.call("GET", &format!("/queues/{}/{name}", self.vhost), None)
            .await
    }

    pub async fn exists(&self, queue: &str) -> bool {
        let url = format!("{}/queues/{}/{queue}", self.api, self.vhost);
        self.http.get(url).send().await.unwrap().status().is_success()
    }

    /// Whether the queue has a consumer. The worker declares and binds it before that.
    pub async fn is_consumed(&self, queue: &str) -> bool {
        let consumers = self
            .call("GET", &format!("/consumers/{}", self.vhost), None)
            .await;
        consumers
            .as_array()
            .unwrap()
            .iter()
            .any(|consumer| consumer["queue"]["name"] == queue)
    }

    pub async fn delete_queue(&self, name: &str) {
        self.call("DELETE", &format!("/queues/{}/{name}", self.vhost), None)
            .await;
    }

    pub async fn policy(&self, name: &str, queue: &str, definition: Value) {
        let body = json!({"pattern": format!("^{queue}$"), "apply-to": "queues", "definition": definition});
        self.call("PUT", &format!("/policies/{}/{name}", self.vhost), Some(body))
            .await;
    }

    pub async fn remove_policy(&self, name: &str) {
        self.call("DELETE", &format!("/policies/{}/{name}", self.vhost), None)
            .await;
    }

    /// Ready messages of a queue, as its process counts them now.
    pub async fn messages(&self, name: &str) -> u32 {
        let connection = self.connect().await;
        let channel = connection.create_channel().await.unwrap();
        let options = QueueDeclareOptions {
            passive: true,
            ..Default::default()
        };
        let count = channel
            .queue_declare(name.into(), options, FieldTable::default())
            .await
            .unwrap()
            .message_count();
        let _ = connection.close(200, "".into()).await;
        count
    }

    pub async fn connect(&self) -> Connection {
        Connection::connect(&self.url(None), ConnectionProperties::default())
            .await
            .unwrap()
    }

    pub async fn client(&self) -> Client {
        let connection = self.connect().await;
        let channel = connection.create_channel().await.unwrap();
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .unwrap();
        Client {
            _connection: connection,
            channel,
        }
    }

    pub fn settings(&self, port: Option<u16>) -> BusSettings {
        BusSettings {
            url: self.url(port),
            password_file: None,
            site: "lab".parse().unwrap(),
            worker: "bastion-1".to_owned(),
            routes: vec!["staging.*".to_owned()],
            chat_kinds: drawgate_worker::chat::KINDS.to_vec(),
        }
    }

    /// Sets the shipped policies in this vhost.
    pub async fn set_policies(&self) {
        let shipped = include_str!("../../../infra/rabbitmq/definitions.json");
        let shipped: Value = serde_json::from_str(shipped).unwrap();
        for policy in shipped["policies"].as_array().unwrap() {
            let path = format!("/policies/{}/{}", self.vhost, policy["name"].as_str().unwrap());
            self.call("PUT", &path, Some(policy.clone())).await;
        }
    }

    /// A connected bus, and the sender that stops its loops.
    pub async fn bus(&self, port: Option<u16>) -> (Bus, watch::Sender<bool>) {
        let (stop, receiver) = watch::channel(false);
        let bus = Bus::new(self.settings(port)).unwrap();
        assert!(bus.connected(receiver).await);
        (bus, stop)
    }

    pub async fn remove(self) {
        self.call("DELETE", &format!("/vhosts/{}", self.vhost), None)
            .await;
    }
}

/// Another program at the broker.
pub struct Client {
    _connection: Connection,
    pub channel: Channel,
}

impl Client {
    pub async fn publish(&self, exchange: &'static str, key: &str, body: &[u8], properties: BasicProperties) {
        let options = BasicPublishOptions {
            mandatory: true,
            ..Default::default()
        };
        let confirm = self
            .channel
            .basic_publish(exchange.into(), key.into(), options, body, properties)
            .await
            .unwrap()
            .await
            .unwrap();
        assert!(confirm.is_ack() && confirm.take_message().is_none(), "not routed");
    }

    pub async fn release(&self, body: &[u8]) {
        self.publish(
            "drawgate.releases",
            "staging.search-api",
            body,
            BasicProperties::default().with_delivery_mode(2),
        )
        .await;
    }

    /// Consumes a durable queue that receives every event.
    pub async fn hear_events(&self) -> Consumer {
        let name = "everything";
        self.channel
            .queue_declare(name.into(), QueueDeclareOptions::durable(), FieldTable::default())
            .await
            .unwrap();
        let bind = QueueBindOptions::default();
        self.channel
            .queue_bind(
                name.into(),
                "drawgate.events".into(),
                "#".into(),
                bind,
                FieldTable::default(),
            )
            .await
            .unwrap();
        self.consume(name).await
    }

    pub async fn consume(&self, queue: &str) -> Consumer {
        self.channel
            .basic_consume(
                queue.into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap()
    }
}

/// The next message, acknowledged.
pub async fn next(consumer: &mut Consumer) -> Delivery {
    let delivery = tokio::time::timeout(Duration::from_secs(30), consumer.next())
        .await
        .expect("no message within 30 s")
        .unwrap()
        .unwrap();
    delivery.ack(BasicAckOptions::default()).await.unwrap();
    delivery
}

/// Asserts that no message comes for a while.
pub async fn silence(consumer: &mut Consumer, length: Duration) {
    if let Ok(delivery) = tokio::time::timeout(length, consumer.next()).await {
        panic!("heard {delivery:?}");
    }
}

/// A TCP proxy before the broker that can be cut, as a broker's restart cuts connections.
pub struct Wire {
    pub port: u16,
    cut: Arc<AtomicBool>,
    swallows: Arc<AtomicBool>,
    changed: watch::Sender<u32>,
    major: Arc<Mutex<Option<u8>>>,
}

impl Wire {
    pub async fn new(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(AtomicBool::new(false));
        let swallows = Arc::new(AtomicBool::new(false));
        let (changed, _) = watch::channel(0);
        let (is_cut, swallow, cuts) = (Arc::clone(&cut), Arc::clone(&swallows), changed.clone());
        let major = Arc::new(Mutex::new(None));
        let says = Arc::clone(&major);
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                if !is_cut.load(Ordering::SeqCst) {
                    let says = *says.lock().unwrap();
                    tokio::spawn(forward(
                        near,
                        to.clone(),
                        cuts.subscribe(),
                        Arc::clone(&swallow),
                        says,
                    ));
                }
            }
        });
        Self {
            port,
            cut,
            swallows,
            changed,
            major,
        }
    }

    /// From the next connection on, the broker's version begins with this digit.
    pub fn says_major(&self, digit: u8) {
        *self.major.lock().unwrap() = Some(digit);
    }

    /// Breaks every connection, and each new one until `mend`.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        self.changed.send_modify(|n| *n += 1);
    }

    pub fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }

    /// Loses everything that the worker sends from now on, until the connections break.
    pub fn swallow(&self) {
        self.swallows.store(true, Ordering::SeqCst);
    }

    /// Breaks every connection once.
    pub fn snap(&self) {
        self.swallows.store(false, Ordering::SeqCst);
        self.changed.send_modify(|n| *n += 1);
    }
}

async fn forward(
    near: TcpStream,
    to: String,
    mut cut: watch::Receiver<u32>,
    swallows: Arc<AtomicBool>,
    says: Option<u8>,
) {
    let Ok(far) = TcpStream::connect(to).await else {
        return;
    };
    let ((mut from_near, mut to_near), (mut from_far, mut to_far)) = (near.into_split(), far.into_split());
    let sending = async {
        let mut buffer = [0; 4096];
        let mut swallowed = false;
        while let Ok(n @ 1..) = from_near.read(&mut buffer).await {
            // Once it has lost data, a connection loses everything: a stream may end early, but it never has
            // a gap.
            swallowed |= swallows.load(Ordering::SeqCst);
            if !swallowed && to_far.write_all(&buffer[..n]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        _ = cut.changed() => {}
        () = sending => {}
        _ = async {
            if let Some(digit) = says {
                says_another_version(&mut from_far, &mut to_near, digit).await?;
            }
            tokio::io::copy(&mut from_far, &mut to_near).await
        } => {}
    }
}

/// Forwards the broker's first frame with another version in it.
async fn says_another_version(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    digit: u8,
) -> std::io::Result<()> {
    let mut head = [0; 7];
    from.read_exact(&mut head).await?;
    let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
    let mut payload = vec![0; usize::try_from(size).unwrap() + 1];
    from.read_exact(&mut payload).await?;
    // The field's name, type and length come before the version.
    let name = b"versionS";
    let at = payload.windows(name.len()).position(|part| part == name).unwrap();
    payload[at + name.len() + 4] = digit;
    to.write_all(&head).await?;
    to.write_all(&payload).await
}

/// A ledger in a directory of its own.
pub struct Books {
    _directory: TempDir,
    pub path: PathBuf,
    pub ledger: Ledger,
}

pub async fn books() -> Books {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("ledger.db");
    let ledger = Ledger::open(&path, "bastion-1").await.unwrap();
    Books {
        _directory: directory,
        path,
        ledger,
    }
}

pub fn request() -> ReleaseRequest {
    ReleaseRequest {
        version: Version1,
        id: ReleaseId::try_from(Uuid::now_v7()).unwrap(),
        environment: "staging".parse().unwrap(),
        service: "search-api".parse().unwrap(),
        image: "registry.example.com/search-api:main".parse().unwrap(),
        revision: None,
        branch: None,
        sequence: None,
        build: None,
        requested_by: None,
        requested_at: Timestamp::now(),
        expires_at: None,
        reason: None,
        emergency: None,
        force: false,
        options: Default::default(),
    }
}

pub fn event(request: &ReleaseRequest, sequence: u64, event: Event) -> StatusEvent {
    let about = About {
        to: "4f2c91e".to_owned(),
        from: Some("9d11ab0".to_owned()),
        requested_by: Some("ben".to_owned()),
        build: Some("812".to_owned()),
        build_url: None,
    };
    StatusEvent {
        about: Some(about),
        id: Uuid::now_v7(),
        release: Some(request.id),
        sequence,
        at: Timestamp::now(),
        environment: Some(request.environment.clone()),
        service: Some(request.service.clone()),
        worker: "bastion-1".to_owned(),
        event,
    }
}

pub fn warning(request: &ReleaseRequest, sequence: u64) -> StatusEvent {
    event(
        request,
        sequence,
        Event::Warning {
            text: "w".repeat(200),
        },
    )
}

/// Accepts a release with one event.
pub async fn accept(ledger: &Ledger, request: &ReleaseRequest) -> Accept {
    let build = |ahead| {
        let record = Record::Accepted {
            request: Box::new(request.clone()),
            ahead,
            publisher: None,
            approval: None,
        };
        let accepted = Event::Accepted {
            version_name: request.version_name(),
            image: request.image.to_string(),
            ahead,
            requested_by: Some("ben".to_owned()),
            build: Some("812".to_owned()),
            build_url: None,
        };
        (
            Entry {
                n: 1,
                at: Timestamp::now(),
                record,
            },
            vec![event(request, 1, accepted)],
        )
    };
    ledger
        .accept(request, build, 10_000, Leap::Refused)
        .await
        .unwrap()
}

pub async fn lease(ledger: &Ledger, request: &ReleaseRequest) -> Lease {
    match ledger
        .acquire(&request.environment, &request.service)
        .await
        .unwrap()
    {
        Acquired::Lease(lease) => lease,
        held => panic!("{held:?}"),
    }
}

/// Appends journal entry `n` with these events.
pub async fn append(
    ledger: &Ledger,
    lease: &Lease,
    request: &ReleaseRequest,
    n: u64,
    events: &[StatusEvent],
) {
    let entry = Entry {
        n,
        at: Timestamp::now(),
        record: Record::TakenOver,
    };
    ledger
        .append(lease, request.id, &entry, events, None)
        .await
        .unwrap();
}

/// Awaits a future that must not take long.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future)
        .await
        .expect("within 10 s")
}

/// Checks the condition until it holds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let began = Instant::now();
    while !is_so().await {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "not within 30 s: {what}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A stand-in for Slack that answers as it is told, and checks each post against Slack's documented shape.
pub struct Slack {
    pub url: String,
    /// Answers to come, status and headers; 200 when there are none.
    pub moods: Arc<Mutex<Vec<(u16, &'static str)>>>,
    /// Every text that was posted, with the status of its answer.
    pub heard: Arc<Mutex<Vec<(String, u16)>>>,
}

impl Slack {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "http://{}/services/T000/B000/secret",
            listener.local_addr().unwrap()
        );
        let (moods, heard) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let (m, h) = (Arc::clone(&moods), Arc::clone(&heard));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(slack_connection(stream, Arc::clone(&m), Arc::clone(&h)));
            }
        });
        Self { url, moods, heard }
    }

    pub fn taken(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard
            .iter()
            .filter(|(_, status)| *status == 200)
            .map(|(text, _)| text.clone())
            .collect()
    }

    /// A handler that posts to this stand-in.
    pub fn chat(&self) -> Chat {
        let webhook = SecretSource::Inline(Secret::new(self.url.clone()));
        Chat::new(webhook).unwrap()
    }

    pub fn tries(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

async fn slack_connection(
    mut stream: TcpStream,
    moods: Arc<Mutex<Vec<(u16, &'static str)>>>,
    heard: Arc<Mutex<Vec<(String, u16)>>>,
) {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(n) => buffer.extend_from_slice(&chunk[..n]),
            }
        };
        let head = String::from_utf8(buffer[..end].to_vec()).unwrap().to_lowercase();
        assert!(
            head.starts_with("post /services/t000/b000/secret http/1.1"),
            "{head}"
        );
        assert!(head.contains("content-type: application/json"), "{head}");
        let length = head
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next())
            .unwrap();
        let length: usize = length.parse().unwrap();
        while buffer.len() < end + length {
            let mut chunk = [0; 4096];
            let n = stream.read(&mut chunk).await.unwrap();
            buffer.extend_from_slice(&chunk[..n]);
        }
        let body: Value = serde_json::from_slice(&buffer[end..end + length]).unwrap();
        buffer.drain(..end + length);
        let text = body["text"].as_str().expect("a text").to_owned();
        assert!(
            !text.is_empty() && text.chars().count() <= 4000,
            "Slack asks for 1 to 4,000 characters"
        );
        let mood = {
            let mut moods = moods.lock().unwrap();
            if moods.is_empty() {
                (200, "")
            } else {
                moods.remove(0)
            }
        };
        heard.lock().unwrap().push((text, mood.0));
        if mood.0 == 0 {
            // No answer at all.
            return;
        }
        let words = if mood.0 == 200 { "ok" } else { "no_service" };
        let answer = format!(
            "HTTP/1.1 {} x\r\n{}content-length: {}\r\n\r\n{words}",
            mood.0,
            mood.1,
            words.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}
