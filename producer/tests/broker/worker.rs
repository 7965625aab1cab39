//! A worker that does what the test tells it.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use drawgate_schemas::{
    Answer, Ask, Event, HostLogs, Question, ReleaseRequest, ReleaseState, ReleaseView, Reply, StatusEvent,
    Version1, topology,
};
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::rig::{PATIENCE, Rig, bind};

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
