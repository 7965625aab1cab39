//! Asking the workers, over RabbitMQ's direct reply-to.
//!
//! Every site's worker hears a question. The worker that has the release answers `show`; the others say that
//! they do not know it, which means little until all of them have had time. A reply comes at most once, so
//! the same question is sent again with the same id. The first answer ends it.

mod all;
mod one;

use drawgate_schemas::{Answer, Ask, Question, Version1, topology};
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Consumer};
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) use one::Verdict;

use all::{DueOfAll, RoundOfAll};
use one::{Due, Round};

use super::call::{CallError, Refusal, app_id, call, user_id};
use super::connect::Link;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::limits;

/// Why a question could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// No worker ever ran on this broker's virtual host.
    #[error(
        "the broker at {broker} has no exchange {} in virtual host {vhost:?}: no worker ever ran there",
        topology::CONTROL_EXCHANGE
    )]
    NoExchange { broker: String, vhost: String },
    /// No worker's queue takes questions (basic.return).
    #[error("no worker listens for questions at the broker {broker}")]
    NobodyListens { broker: String },
    /// The user may not ask questions.
    #[error("the broker does not let user {user:?} ask questions")]
    NotPermitted {
        user: String,
        /// The broker's words.
        #[source]
        source: CallError,
    },
    /// The question cannot be written as JSON, which does not happen for plain data.
    #[error("the question cannot be written")]
    Json(#[source] serde_json::Error),
    /// The connection broke.
    #[error("the connection to the broker broke")]
    Lost(#[source] CallError),
    /// The broker closed the channel that replies come on.
    #[error("the broker ended the channel for replies")]
    Ended,
}

impl Ending for AskError {
    fn exit(&self) -> Exit {
        Exit::Broker
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoExchange { .. } | Self::NobodyListens { .. } => Some(
                "is it the right broker and virtual host? Else: systemctl status drawgate-worker on the bastion"
                    .to_owned(),
            ),
            Self::NotPermitted { .. } => Some(format!(
                "it needs the permission to write {} (rabbitmqctl set_permissions)",
                topology::CONTROL_EXCHANGE
            )),
            Self::Json(_) | Self::Lost(_) | Self::Ended => None,
        }
    }
}

impl AskError {
    /// Whether a new connection may mend the error.
    pub(crate) fn is_loss(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Ended)
    }
}

/// A channel for questions and the replies to them, because the broker ties direct replies to a channel.
pub(crate) struct Asker<'a> {
    link: &'a Link,
    channel: Channel,
    replies: Mutex<Consumer>,
}

impl<'a> Asker<'a> {
    /// Opens the channel.
    pub(crate) async fn open(link: &'a Link) -> Result<Self, AskError> {
        let open = async {
            let channel = call(link.connection.create_channel()).await?;
            let options = BasicConsumeOptions {
                no_ack: true,
                ..BasicConsumeOptions::default()
            };
            let replies = channel.basic_consume(
                topology::REPLY_QUEUE.into(),
                "".into(),
                options,
                FieldTable::default(),
            );
            let replies = call(replies).await?;
            call(channel.confirm_select(ConfirmSelectOptions::default())).await?;
            Ok((channel, replies))
        };
        let (channel, replies) = open.await.map_err(|error| meaning(link, error))?;
        Ok(Self {
            link,
            channel,
            replies: Mutex::new(replies),
        })
    }

    /// Asks a question, and waits until the answer is certain or the time is over.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Verdict, AskError> {
        let mut replies = self.replies.lock().await;
        let question = question(ask);
        let mut round = Round::new(question.id, Instant::now());
        self.send(&question).await?;
        loop {
            tokio::select! {
                reply = replies.next() => {
                    let Some(answer) = self.heard(reply)? else { continue };
                    if let Some(verdict) = round.hear(answer, Instant::now()) {
                        return Ok(verdict);
                    }
                }
                () = tokio::time::sleep_until(round.next_due()) => match round.due(Instant::now()) {
                    Due::Nothing => {}
                    Due::AskAgain => self.send(&question).await?,
                    Due::End(verdict) => return Ok(verdict),
                },
            }
        }
    }

    /// Asks a question that every worker answers, and waits until no more answers come.
    pub(crate) async fn ask_everyone(&self, ask: Ask) -> Result<Vec<Answer>, AskError> {
        self.ask_as_many(ask, 0).await
    }

    /// Asks for the next page of such a question, where `count` workers answered the page before. It returns
    /// as soon as `count` workers have answered, and with fewer answers only when the time is over.
    pub(crate) async fn ask_as_many(&self, ask: Ask, count: usize) -> Result<Vec<Answer>, AskError> {
        let mut replies = self.replies.lock().await;
        let question = question(ask);
        let mut round = RoundOfAll::new(&question, count, Instant::now());
        self.send(&question).await?;
        loop {
            tokio::select! {
                reply = replies.next() => {
                    let Some(answer) = self.heard(reply)? else { continue };
                    round.hear(answer, Instant::now());
                }
                () = tokio::time::sleep_until(round.next_due()) => match round.due(Instant::now()) {
                    DueOfAll::Nothing => {}
                    DueOfAll::AskAgain => self.send(&question).await?,
                    DueOfAll::End(answers) => return Ok(answers),
                },
            }
        }
    }

    /// Reads one reply. A reply that is not an answer of this version is ignored, because it is not meant for
    /// this program.
    fn heard(&self, reply: Option<lapin::Result<Delivery>>) -> Result<Option<Answer>, AskError> {
        let reply = reply.ok_or(AskError::Ended)?;
        let reply = reply.map_err(|error| meaning(self.link, error.into()))?;
        Ok(serde_json::from_slice(&reply.data).ok())
    }

    async fn send(&self, question: &Question) -> Result<(), AskError> {
        let body = serde_json::to_vec(question).map_err(AskError::Json)?;
        let sent = async {
            let options = BasicPublishOptions {
                mandatory: true,
                ..BasicPublishOptions::default()
            };
            let properties = self.properties(question);
            self.channel
                .basic_publish(
                    topology::CONTROL_EXCHANGE.into(),
                    topology::QUESTION_KEY.into(),
                    options,
                    &body,
                    properties,
                )
                .await?
                .await
        };
        match call(sent).await.map_err(|error| meaning(self.link, error))? {
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => Err(AskError::NobodyListens {
                broker: self.link.address.to_string(),
            }),
            // A nack of one queue is ignored, because one site's queue may be down while another site
            // answers.
            Confirmation::Ack(None) | Confirmation::Nack(None) | Confirmation::NotRequested => Ok(()),
        }
    }

    /// The properties of a question: not persistent, and expired as soon as nobody waits for the answer.
    fn properties(&self, question: &Question) -> BasicProperties {
        let properties = BasicProperties::default()
            .with_content_type(topology::CONTENT_TYPE.into())
            .with_reply_to(topology::REPLY_QUEUE.into())
            .with_correlation_id(question.id.to_string().into())
            .with_message_id(question.id.to_string().into())
            .with_expiration(limits::ANSWER.as_millis().to_string().into())
            .with_app_id(app_id());
        match user_id(self.link.address.user_id()) {
            Some(user) => properties.with_user_id(user),
            None => properties,
        }
    }
}

fn question(ask: Ask) -> Question {
    Question {
        version: Version1,
        id: Uuid::now_v7(),
        expires_at: Timestamp::now() + SignedDuration::from_secs(limits::ANSWER.as_secs().cast_signed()),
        ask,
    }
}

fn meaning(link: &Link, source: CallError) -> AskError {
    match source.refusal() {
        Refusal::NotFound => AskError::NoExchange {
            broker: link.address.to_string(),
            vhost: link.address.vhost().to_owned(),
        },
        Refusal::NotPermitted => AskError::NotPermitted {
            user: link.address.user().to_owned(),
            source,
        },
        Refusal::NotAllowed | Refusal::Other => AskError::Lost(source),
    }
}
