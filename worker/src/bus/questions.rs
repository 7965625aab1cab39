//! Questions and their answers. A reply is sent at most once: an asker that hears nothing asks again, so
//! nothing is retried here.

use std::future::Future;
use std::sync::Arc;

use drawgate_schemas::topology::{CONTENT_TYPE, control_queue};
use drawgate_schemas::{Answer, Question, Reply, Version1};
use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::message::Delivery;
use tokio::sync::watch;
use uuid::Uuid;

use super::consume::{self, Delivered, Next, OnDelivery, Queue};
use super::publisher::{Address, Publisher};
use super::stop::Stop;
use super::{Bus, limits};
use crate::Causes;

pub trait QuestionHandler: Send + Sync {
    /// The answer to one question. `from` is the asker, see [`Delivered::user`].
    fn answer(&self, question: Question, from: Option<String>) -> impl Future<Output = Answer> + Send;
}

impl Bus {
    /// Answers the site's questions until told to stop.
    pub async fn answer_questions(&self, handler: &impl QuestionHandler, stop: watch::Receiver<bool>) {
        let mut desk = Desk {
            handler,
            publisher: Publisher::new(Arc::clone(&self.publishing)),
            worker: &self.settings.worker,
        };
        let queue = Queue {
            name: control_queue(&self.settings.site),
            prefetch: limits::QUESTIONS_OUT,
        };
        consume::run(&self.control, &queue, &mut Stop::new(stop), &mut desk).await;
    }
}

struct Desk<'a, H> {
    handler: &'a H,
    publisher: Publisher,
    worker: &'a str,
}

impl<H: QuestionHandler> OnDelivery for Desk<'_, H> {
    async fn on(&mut self, delivery: &Delivery, stop: &mut Stop) -> Next {
        let message = &Delivered::of(delivery);
        if let Some(why) = message.unreadable {
            tracing::warn!("a question that nobody can read was dropped: {why}");
            return Next::Ack;
        }
        let Some(reply_to) = reply_queue(message) else {
            tracing::info!("a question without a reply queue of the broker's own was dropped");
            return Next::Ack;
        };
        let answer = match Question::decode(&message.body) {
            Ok(question) => match late(&question, Timestamp::now()) {
                Some(reason) => {
                    tracing::info!(question = %question.id, reason, "a question came too late");
                    self.refused(question.id, reason)
                }
                None => {
                    if question.ask.is_for_all() {
                        let heard = self.reply(question.id, Reply::Heard);
                        self.send(reply_to, message, &heard, stop).await;
                    }
                    self.answer(question, message.user().map(str::to_owned)).await
                }
            },
            Err(rejection) => self.refused(question_id(message), rejection.to_string()),
        };
        self.send(reply_to, message, &answer, stop).await;
        Next::Ack
    }
}

impl<H: QuestionHandler> Desk<'_, H> {
    async fn answer(&self, question: Question, from: Option<String>) -> Answer {
        let id = question.id;
        match tokio::time::timeout(limits::ANSWER_TIMEOUT, self.handler.answer(question, from)).await {
            Ok(answer) => answer,
            Err(_) => self.refused(id, "the worker's ledger did not answer in time".to_owned()),
        }
    }

    fn refused(&self, question: Uuid, reason: String) -> Answer {
        self.reply(question, Reply::Refused { reason })
    }

    fn reply(&self, question: Uuid, reply: Reply) -> Answer {
        Answer {
            version: Version1,
            question,
            worker: self.worker.to_owned(),
            reply,
        }
    }

    async fn send(&mut self, reply_to: &str, message: &Delivered, answer: &Answer, stop: &mut Stop) {
        let body = match serde_json::to_vec(answer) {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(error = %Causes(&error), "an answer could not be written");
                return;
            }
        };
        let mut properties = BasicProperties::default().with_content_type(CONTENT_TYPE.into());
        if let Some(id) = message.properties.correlation_id() {
            properties = properties.with_correlation_id(id.clone());
        }
        let address = Address {
            exchange: "",
            key: reply_to,
            mandatory: false,
        };
        // A missing asker is no error, and an asker that loses a reply asks again.
        if let Some(Err(error)) = self
            .publisher
            .send(address, &body, properties, stop)
            .await
            .map(|sent| sent.map(drop))
        {
            tracing::debug!(error = %Causes(&error), "an answer was not sent");
        }
    }
}

/// Why a question is too late to be answered, if it is. The asker may have gone; if only its clock is slow,
/// it is still there and gets this reason.
fn late(question: &Question, now: Timestamp) -> Option<String> {
    let expired_at = question.expires_at;
    (expired_at <= now).then(|| {
        format!("it came too late: it expired at {expired_at:.0}, and here it is {now:.0}; where both were just now, compare the two clocks")
    })
}

/// The reply queue, if the broker named it. A sender may write any queue's name there, and the answer would
/// land in, say, the queue of releases.
fn reply_queue(message: &Delivered) -> Option<&str> {
    message
        .properties
        .reply_to()
        .as_ref()
        .map(|queue| queue.as_str())
        .filter(|queue| queue.starts_with("amq."))
}

/// The id of a question that could not be decoded: from the parts that are readable, else the correlation id.
fn question_id(message: &Delivered) -> Uuid {
    let in_body = || {
        let json: serde_json::Value = serde_json::from_slice(&message.body).ok()?;
        Uuid::try_parse(json.get("id")?.as_str()?).ok()
    };
    let in_properties = || Uuid::try_parse(message.properties.correlation_id().as_ref()?.as_str()).ok();
    in_body().or_else(in_properties).unwrap_or_default()
}
