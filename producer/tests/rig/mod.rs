//! The test rig: a virtual host on a broker, a scripted worker, a connection that can be cut, and the
//! program.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use drawgate_schemas::{
    Answer, Ask, Ended, Event, HostLogs, Outcome, Question, Rejection, RejectionCode, ReleaseRequest,
    ReleaseState, ReleaseView, Reply, StatusEvent, Version1, topology,
};
use futures_util::StreamExt;
use jiff::Timestamp;
use lapin::message::Delivery;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, ExchangeDeleteOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, OwnedMutexGuard};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);

/// The part of the broker that one test has.
pub(crate) struct Rig {
    pub(crate) url: String,
    pub(crate) vhost: String,
    api: Option<String>,
    channel: Channel,
    _connection: Connection,
    _alone: Option<OwnedMutexGuard<()>>,
}

impl Rig {
    /// Prepares the rig; returns `None` with a word about it where there is no broker.
    pub(crate) async fn new(name: &str) -> Option<Self> {
        let Ok(url) = std::env::var("DRAWGATE_AMQP_URL") else {
            println!("skipped: DRAWGATE_AMQP_URL is not set");
            return None;
        };
        let api = std::env::var("LAB_RABBITMQ_API").ok();
        let (vhost, url, alone) = match &api {
            Some(api) => {
                let vhost = format!("drawgate-test-{name}");
                delete(&format!("{api}/vhosts/{vhost}")).await;
                put(&format!("{api}/vhosts/{vhost}"), "{}").await;
                let user = user_of(&url);
                let everything = r#"{"configure":".*","write":".*","read":".*"}"#;
                put(&format!("{api}/permissions/{vhost}/{user}"), everything).await;
                (vhost.clone(), with_vhost(&url, &vhost), None)
            }
            None => ("/".to_owned(), url, Some(alone().await)),
        };
        let connection = Connection::connect(&url, ConnectionProperties::default())
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        let rig = Self {
            url,
            vhost,
            api,
            channel,
            _connection: connection,
            _alone: alone,
        };
        rig.undeclare().await;
        for exchange in [
            topology::RELEASES_EXCHANGE,
            topology::CONTROL_EXCHANGE,
            topology::EVENTS_EXCHANGE,
        ] {
            let durable = ExchangeDeclareOptions {
                durable: true,
                ..Default::default()
            };
            let declared = rig.channel.exchange_declare(
                exchange.into(),
                ExchangeKind::Topic,
                durable,
                FieldTable::default(),
            );
            declared.await.unwrap();
        }
        Some(rig)
    }

    /// Removes exchanges and queues, as before any worker ran.
    pub(crate) async fn undeclare(&self) {
        for exchange in [
            topology::RELEASES_EXCHANGE,
            topology::CONTROL_EXCHANGE,
            topology::EVENTS_EXCHANGE,
        ] {
            let deleted = self
                .channel
                .exchange_delete(exchange.into(), ExchangeDeleteOptions::default());
            deleted.await.unwrap();
        }
        for site in ["bastion-a", "bastion-b"] {
            for queue in [
                format!("drawgate.releases.{site}"),
                format!("drawgate.control.{site}"),
            ] {
                let deleted = self
                    .channel
                    .queue_delete(queue.into(), QueueDeleteOptions::default());
                deleted.await.unwrap();
            }
        }
    }

    /// Declares a queue for a service that refuses every message.
    pub(crate) async fn full_queue(&self, service: &str) {
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), 0_i32.into());
        arguments.insert(
            "x-overflow".into(),
            lapin::types::AMQPValue::LongString("reject-publish".into()),
        );
        let queue = "drawgate.releases.bastion-a";
        self.channel
            .queue_declare(queue.into(), QueueDeclareOptions::default(), arguments)
            .await
            .unwrap();
        let key = format!("*.{service}");
        bind(&self.channel, queue, topology::RELEASES_EXCHANGE, &key).await;
    }

    /// The address of another virtual host at the same broker.
    pub(crate) fn url_in(&self, vhost: &str) -> String {
        with_vhost(&self.url, vhost)
    }

    /// The address of another user at the same broker.
    pub(crate) fn url_with(&self, user: &str, password: &str, vhost: &str) -> String {
        let host = self.url.rsplit('@').next().unwrap();
        with_vhost(
            &format!("amqp://{user}:{password}@{host}"),
            &vhost.replace('/', "%2f"),
        )
    }
}

impl Drop for Rig {
    /// The virtual host goes with the test; the next run would replace it anyway.
    fn drop(&mut self) {
        let Some(api) = self.api.clone() else { return };
        let url = format!("{api}/vhosts/{}", self.vhost);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(delete(&url)));
    }
}

async fn alone() -> OwnedMutexGuard<()> {
    static ALONE: OnceLock<Arc<tokio::sync::Mutex<()>>> = OnceLock::new();
    ALONE.get_or_init(Arc::default).clone().lock_owned().await
}

fn with_vhost(url: &str, vhost: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let authority = rest.split('/').next().unwrap();
    format!("{scheme}://{authority}/{vhost}")
}

fn user_of(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    rest.split([':', '@']).next().unwrap().to_owned()
}

/// A request to the API, whose user and password stand in its address.
fn request(method: reqwest::Method, url: &str) -> reqwest::RequestBuilder {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (login, rest) = rest.split_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    reqwest::Client::new()
        .request(method, format!("{scheme}://{rest}"))
        .basic_auth(user, Some(password))
}

async fn put(url: &str, body: &'static str) {
    let put = request(reqwest::Method::PUT, url)
        .header("content-type", "application/json")
        .body(body);
    put.send().await.unwrap().error_for_status().unwrap();
}

async fn delete(url: &str) {
    request(reqwest::Method::DELETE, url).send().await.unwrap();
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) {
    let bound = channel.queue_bind(
        queue.into(),
        exchange.into(),
        key.into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.unwrap();
}

async fn consume(channel: &Channel, queue: &str, exchange: &str, key: &str) -> lapin::Consumer {
    let durable = QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    channel
        .queue_declare(queue.into(), durable, FieldTable::default())
        .await
        .unwrap();
    bind(channel, queue, exchange, key).await;
    let options = BasicConsumeOptions {
        no_ack: true,
        ..Default::default()
    };
    channel
        .basic_consume(queue.into(), "".into(), options, FieldTable::default())
        .await
        .unwrap()
}

/// What the scripted worker has, and how it behaves.
#[derive(Default)]
struct Ledger {
    request: Mutex<Option<ReleaseRequest>>,
    events: Mutex<Vec<StatusEvent>>,
    page: AtomicUsize,
    deaf_to: AtomicU32,
    answer_after_ms: AtomicU32,
    asked: AtomicU32,
    answered: AtomicU32,
}

/// A worker that does what the test tells it.
pub(crate) struct Worker {
    channel: Channel,
    releases: lapin::Consumer,
    seen: u32,
    ledger: Arc<Ledger>,
    _connection: Connection,
}

impl Worker {
    pub(crate) async fn start(rig: &Rig, service: &str) -> Self {
        Self::named(rig, service, "bastion-a").await
    }

    /// Starts one site's worker, which serves one service and hears all questions.
    pub(crate) async fn named(rig: &Rig, service: &str, name: &'static str) -> Self {
        let connection = Connection::connect(&rig.url, ConnectionProperties::default())
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        let queue = format!("drawgate.releases.{name}");
        let releases = consume(
            &channel,
            &queue,
            topology::RELEASES_EXCHANGE,
            &format!("*.{service}"),
        )
        .await;
        let queue = format!("drawgate.control.{name}");
        let questions = consume(
            &channel,
            &queue,
            topology::CONTROL_EXCHANGE,
            topology::QUESTION_KEY,
        )
        .await;
        let ledger = Arc::new(Ledger::default());
        ledger.page.store(500, Ordering::SeqCst);
        tokio::spawn(answer_all(channel.clone(), questions, Arc::clone(&ledger), name));
        Self {
            channel,
            releases,
            seen: 0,
            ledger,
            _connection: connection,
        }
    }

    pub(crate) fn page_of(&self, events: usize) {
        self.ledger.page.store(events, Ordering::SeqCst);
    }

    pub(crate) fn be_deaf_to(&self, questions: u32) {
        self.ledger.deaf_to.store(questions, Ordering::SeqCst);
    }

    pub(crate) fn answer_after(&self, time: Duration) {
        self.ledger
            .answer_after_ms
            .store(u32::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn times_asked(&self) -> u32 {
        self.ledger.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn releases_seen(&self) -> u32 {
        self.seen
    }

    /// Waits until `times` questions have been answered in all.
    pub(crate) async fn answered(&self, times: u32) {
        self.counted(&self.ledger.answered, times).await;
    }

    /// Waits until `times` questions have been heard in all.
    pub(crate) async fn asked(&self, times: u32) {
        self.counted(&self.ledger.asked, times).await;
    }

    async fn counted(&self, count: &AtomicU32, times: u32) {
        let reached = async {
            while count.load(Ordering::SeqCst) < times {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("a question");
    }

    pub(crate) async fn next_release(&mut self) -> Delivery {
        let message = tokio::time::timeout(PATIENCE, self.releases.next()).await;
        self.seen += 1;
        message.expect("a message in time").unwrap().unwrap()
    }

    /// Takes the next message into the ledger.
    pub(crate) async fn accept(&mut self) -> ReleaseRequest {
        let message = self.next_release().await;
        let request = ReleaseRequest::decode(&message.data).unwrap();
        *self.ledger.request.lock().unwrap() = Some(request.clone());
        request
    }

    /// Puts an event into the ledger, without anybody hearing it.
    pub(crate) fn remember(&self, event: StatusEvent) {
        self.ledger.events.lock().unwrap().push(event);
    }

    /// Puts an event into the ledger, and sends it to everybody.
    pub(crate) async fn say(&self, event: StatusEvent) {
        self.remember(event.clone());
        self.publish_event(&event).await;
    }

    pub(crate) async fn publish_event(&self, event: &StatusEvent) {
        let body = serde_json::to_vec(event).unwrap();
        let published = self.channel.basic_publish(
            topology::EVENTS_EXCHANGE.into(),
            topology::event_key(event).into(),
            BasicPublishOptions::default(),
            &body,
            BasicProperties::default(),
        );
        published.await.unwrap().await.unwrap();
    }
}

async fn answer_all(
    channel: Channel,
    mut questions: lapin::Consumer,
    ledger: Arc<Ledger>,
    name: &'static str,
) {
    while let Some(Ok(message)) = questions.next().await {
        ledger.asked.fetch_add(1, Ordering::SeqCst);
        let question = Question::decode(&message.data).unwrap();
        assert!(message.properties.expiration().is_some());
        let deaf = |left: u32| left.checked_sub(1);
        if ledger
            .deaf_to
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, deaf)
            .is_ok()
        {
            continue;
        }
        let pause = u64::from(ledger.answer_after_ms.load(Ordering::SeqCst));
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let answer = Answer {
            version: Version1,
            question: question.id,
            worker: name.to_owned(),
            reply: reply(&ledger, &question.ask),
        };
        let reply_to = message.properties.reply_to().clone().unwrap();
        let body = serde_json::to_vec(&answer).unwrap();
        let sent = channel.basic_publish(
            "".into(),
            reply_to,
            BasicPublishOptions::default(),
            &body,
            BasicProperties::default(),
        );
        sent.await.unwrap().await.unwrap();
        ledger.answered.fetch_add(1, Ordering::SeqCst);
    }
}

fn reply(ledger: &Ledger, ask: &Ask) -> Reply {
    let Ask::Show { release, after, logs } = ask else {
        panic!("is no question");
    };
    let Some(request) = ledger
        .request
        .lock()
        .unwrap()
        .clone()
        .filter(|request| request.id == *release)
    else {
        return Reply::UnknownRelease { release: *release };
    };
    let all = ledger.events.lock().unwrap().clone();
    let ended = all.iter().find_map(|event| match &event.event {
        Event::Ended(ended) => Some(ended.outcome),
        _ => None,
    });
    let mut events: Vec<StatusEvent> = all.into_iter().filter(|event| event.sequence > *after).collect();
    let page = ledger.page.load(Ordering::SeqCst);
    let more = events.len() > page;
    events.truncate(page);
    let lines = vec!["db: no such table".to_owned()];
    Reply::Show(Box::new(ReleaseView {
        request,
        digest: None,
        state: ended.map_or(ReleaseState::Running, |outcome| ReleaseState::Ended { outcome }),
        events,
        more,
        logs: if *logs {
            vec![HostLogs {
                instance: "i-0a".to_owned(),
                lines,
            }]
        } else {
            Vec::new()
        },
    }))
}

/// Five events: an acceptance, three steps and the end.
pub(crate) fn story(request: &ReleaseRequest, outcome: Outcome) -> Vec<StatusEvent> {
    let step = |number: u64| Event::Warning {
        text: format!("step {number}"),
    };
    let events = vec![
        Event::Accepted {
            version_name: request.version_name(),
            image: request.image.to_string(),
            ahead: 0,
            requested_by: None,
            build: None,
            build_url: None,
        },
        step(2),
        step(3),
        step(4),
        Event::Ended(Box::new(Ended {
            outcome,
            summary: "all of it".to_owned(),
            hint: None,
            receipt: None,
        })),
    ];
    let number = |(sequence, event)| StatusEvent {
        about: None,
        id: Uuid::now_v7(),
        release: Some(request.id),
        sequence,
        at: Timestamp::now(),
        environment: Some(request.environment.clone()),
        service: Some(request.service.clone()),
        worker: "bastion-a".to_owned(),
        event,
    };
    (1..).zip(events).map(number).collect()
}

/// The rejection of a message that could not be read.
pub(crate) fn rejected(body: &[u8], code: RejectionCode) -> StatusEvent {
    StatusEvent {
        about: None,
        id: Uuid::now_v7(),
        release: None,
        sequence: 0,
        at: Timestamp::now(),
        environment: None,
        service: None,
        worker: "bastion-a".to_owned(),
        event: Event::Rejected {
            rejection: Rejection::new(code, "no, and why not"),
            body_sha256: Rejection::body_sha256(body),
        },
    }
}

/// How a program run ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Starts the program. Of the test's own environment it gets only the path.
pub(crate) fn start(url: &str, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_drawgate"))
        .args(args)
        .env_clear()
        .env("DRAWGATE_AMQP_URL", url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

pub(crate) async fn finish(child: &mut Child) -> Finished {
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let mut out = child.stdout.take();
    let mut err = child.stderr.take().unwrap();
    let status = tokio::time::timeout(PATIENCE, async {
        let read_out = async {
            if let Some(out) = &mut out {
                out.read_to_string(&mut stdout).await.unwrap();
            }
        };
        tokio::join!(read_out, async { err.read_to_string(&mut stderr).await.unwrap() });
        child.wait().await.unwrap()
    });
    let status = status.await.expect("the program ends");
    Finished {
        code: status.code().unwrap_or(-1),
        stdout,
        stderr,
    }
}

pub(crate) async fn drawgate(url: &str, args: &[&str]) -> Finished {
    finish(&mut start(url, args)).await
}

/// Runs a command as a person would paste it into a shell.
pub(crate) async fn shell(url: &str, command: &str) -> Finished {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_drawgate"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .env_clear()
        .env("PATH", path)
        .env("DRAWGATE_AMQP_URL", url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    finish(&mut child).await
}

/// Interrupts the program, as Ctrl-C does.
pub(crate) fn interrupt(child: &Child) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::INT,
    )
    .unwrap();
}

pub(crate) async fn read_one_line_and_close(child: &mut Child) {
    let mut stdout = child.stdout.take().unwrap();
    let mut byte = [0];
    while byte != *b"\n" {
        stdout.read_exact(&mut byte).await.unwrap();
    }
}

pub(crate) async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A connection to the broker that can be cut and mended.
pub(crate) struct Proxy {
    pub(crate) url: String,
    state: Arc<Line>,
}

#[derive(Default)]
struct Line {
    is_cut: AtomicBool,
    cut: Notify,
    open: AtomicU32,
    swallow_after: Mutex<Option<Vec<u8>>>,
    swallows: AtomicBool,
}

impl Proxy {
    pub(crate) async fn start(url: &str) -> Self {
        let (head, rest) = url.split_once('@').unwrap();
        let (broker, vhost) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let state = Arc::new(Line::default());
        tokio::spawn(carry_all(listener, broker.to_owned(), Arc::clone(&state)));
        Self {
            url: format!("{head}@{here}/{vhost}"),
            state,
        }
    }

    /// Resets all open connections and every new one. Returns when nothing comes through any more.
    pub(crate) async fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
        let closed = async {
            while self.state.open.load(Ordering::SeqCst) > 0 {
                self.state.cut.notify_waiters();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, closed)
            .await
            .expect("closed lines");
    }

    pub(crate) fn mend(&self) {
        self.state.is_cut.store(false, Ordering::SeqCst);
    }

    /// Lets nothing that the broker says come through, once the client has sent `word`.
    pub(crate) fn swallow_after(&self, word: &str) {
        *self.state.swallow_after.lock().unwrap() = Some(word.as_bytes().to_vec());
    }
}

async fn carry_all(listener: TcpListener, broker: String, state: Arc<Line>) {
    while let Ok((client, _)) = listener.accept().await {
        if state.is_cut.load(Ordering::SeqCst) {
            continue;
        }
        let Ok(server) = TcpStream::connect(&broker).await else {
            continue;
        };
        let state = Arc::clone(&state);
        state.open.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                () = state.cut.notified() => {}
                () = upward(from_client, to_server, &state) => {}
                () = downward(from_server, to_client, &state) => {}
            }
            state.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn upward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    state: &Line,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let chunk = &buffer[..read];
        let word = state.swallow_after.lock().unwrap().clone();
        if word.is_some_and(|word| chunk.windows(word.len()).any(|part| part == word)) {
            state.swallows.store(true, Ordering::SeqCst);
        }
        if to.write_all(chunk).await.is_err() {
            return;
        }
    }
}

async fn downward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    state: &Line,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let swallows = state.swallows.load(Ordering::SeqCst);
        if !swallows && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
