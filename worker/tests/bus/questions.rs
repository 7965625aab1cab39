//! Questions, and their answers.

use drawgate_schemas::{Answer, Ask, Question, Reply, Version1, topology};
use drawgate_worker::bus::QuestionHandler;
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use lapin::BasicProperties;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use uuid::Uuid;

use crate::fixtures::request;
use crate::site::{Buses as _, broker};
use crate::tasks::ends;

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
    let Some(broker) = broker().await else { return };
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
    broker.delete().await;
}
