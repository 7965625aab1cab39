//! Asking the workers, over RabbitMQ's direct reply-to.
//!
//! Every site's worker hears a question. One that has the release answers `show`; the others say that they do not
//! know it, which means little until all had their time. A reply comes at most once, so the same question, with the
//! same id, is sent again; whichever answer comes first ends it.

use std::collections::BTreeMap;
use std::time::Duration;

use drawgate_schemas::{Answer, Ask, Question, ReleaseView, Reply, Version1, topology};
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Consumer};
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use crate::broker::{CallError, Link, Refusal, app_id, call, user_id};
use crate::ending::Ending;
use crate::exit::Exit;
use crate::limits;

/// What the workers said.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// This one has the release.
    Known(Box<ReleaseView>),
    /// The order was taken.
    Taken {
        /// Who took it.
        worker: String,
        /// What follows.
        what: String,
    },
    /// The order was not taken, and nothing was changed.
    NotTaken {
        /// Who says so.
        worker: String,
        /// Why not.
        why: String,
    },
    /// These answered, and none has it.
    Unknown {
        /// Their names.
        workers: Vec<String>,
    },
    /// This one could not answer, and no other did better.
    Refused {
        /// Its name.
        worker: String,
        /// Its words.
        reason: String,
    },
    /// None answered in time.
    Silence,
}

/// Why nothing could be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// No worker ever ran on this broker's virtual host.
    #[error(
        "the broker at {broker} has no exchange {} in virtual host {vhost:?}: no worker ever ran there",
        topology::CONTROL_EXCHANGE
    )]
    NoExchange {
        /// Where.
        broker: String,
        /// In which.
        vhost: String,
    },
    /// basic.return: no worker's queue takes questions.
    #[error("no worker listens for questions at the broker {broker}")]
    NobodyListens {
        /// Where.
        broker: String,
    },
    /// The user may not ask.
    #[error("the broker does not let user {user:?} ask questions")]
    NotPermitted {
        /// Who.
        user: String,
        /// The broker's words.
        #[source]
        source: CallError,
    },
    /// A question is plain data; this is not seen.
    #[error("the question cannot be written")]
    Json(#[source] serde_json::Error),
    /// The connection broke.
    #[error("the connection to the broker broke")]
    Lost(#[source] CallError),
    /// The broker ended the channel that replies come on.
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
    /// Whether a new connection mends it.
    pub(crate) fn is_loss(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Ended)
    }
}

/// A channel for questions and the replies to them. The broker ties direct replies to the channel.
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

    /// Asks, and waits until the answer is certain or the time is over.
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

    /// Asks what every worker answers, and waits until no more answers come.
    pub(crate) async fn ask_everyone(&self, ask: Ask) -> Result<Vec<Answer>, AskError> {
        self.ask_as_many(ask, 0).await
    }

    /// The same for the next page, where `count` answered the page before: as soon as so many have, all have. Fewer come
    /// back only when the time is over.
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

    /// What is not an answer of this version is somebody else's; time will tell.
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
            // One site's queue may be down while another's answers.
            Confirmation::Ack(None) | Confirmation::Nack(None) | Confirmation::NotRequested => Ok(()),
        }
    }

    /// Not persistent, and gone from every queue when nobody waits any more.
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

/// What is to be done at a moment.
#[derive(Debug, PartialEq)]
enum Due {
    Nothing,
    AskAgain,
    End(Verdict),
}

/// One question's answers. Pure: time is an argument.
#[derive(Debug)]
struct Round {
    id: Uuid,
    end: Instant,
    again: Instant,
    unknown_to: Vec<String>,
    refused: Option<(String, String)>,
    grace: Option<Instant>,
}

impl Round {
    fn new(id: Uuid, now: Instant) -> Self {
        Self {
            id,
            end: now + limits::ANSWER,
            again: now + limits::ASK_AGAIN,
            unknown_to: Vec::new(),
            refused: None,
            grace: None,
        }
    }

    /// The first worker that has the release ends the round; a no only starts the grace.
    fn hear(&mut self, answer: Answer, now: Instant) -> Option<Verdict> {
        if answer.question != self.id {
            return None;
        }
        match answer.reply {
            Reply::Show(view) => return Some(Verdict::Known(view)),
            Reply::Taken { what, .. } => {
                let worker = answer.worker;
                return Some(Verdict::Taken { worker, what });
            }
            Reply::NotTaken { why, .. } => {
                let worker = answer.worker;
                return Some(Verdict::NotTaken { worker, why });
            }
            Reply::UnknownRelease { .. } if !self.unknown_to.contains(&answer.worker) => {
                self.unknown_to.push(answer.worker);
            }
            Reply::UnknownRelease { .. }
            | Reply::Status(_)
            | Reply::History { .. }
            | Reply::Changed { .. }
            | Reply::NotChanged { .. }
            | Reply::Heard
            | Reply::Pong(_) => {}
            Reply::Refused { reason } => {
                // Another worker of its site may be the one that can: the question goes to it when it is asked again.
                self.refused = Some((answer.worker, reason));
                return None;
            }
        }
        self.grace.get_or_insert(now + limits::UNKNOWN_GRACE);
        None
    }

    fn next_due(&self) -> Instant {
        let end = self.grace.map_or(self.end, |grace| grace.min(self.end));
        end.min(self.again)
    }

    fn due(&mut self, now: Instant) -> Due {
        if now >= self.end || self.grace.is_some_and(|grace| now >= grace) {
            return Due::End(self.verdict());
        }
        if now >= self.again {
            self.again = now + limits::ASK_AGAIN;
            return Due::AskAgain;
        }
        Due::Nothing
    }

    /// A worker that could not read the question might have the release: its words say more than another's no.
    fn verdict(&mut self) -> Verdict {
        match self.refused.take() {
            Some((worker, reason)) => Verdict::Refused { worker, reason },
            None if self.unknown_to.is_empty() => Verdict::Silence,
            None => Verdict::Unknown {
                workers: std::mem::take(&mut self.unknown_to),
            },
        }
    }
}

/// What is to be done at a moment of a question that every worker answers.
#[derive(Debug, PartialEq)]
enum DueOfAll {
    Nothing,
    AskAgain,
    End(Vec<Answer>),
}

/// The answers to a question that every worker answers. Pure: time is an argument.
#[derive(Debug)]
struct RoundOfAll {
    id: Uuid,
    began: Instant,
    quiet: Duration,
    /// How many are known to be there; 0 where nobody knows yet.
    expected: usize,
    /// When no other worker is expected any more.
    until: Instant,
    again: Instant,
    /// Each worker that has heard it, with its answer.
    workers: BTreeMap<String, Option<Answer>>,
}

impl RoundOfAll {
    fn new(question: &Question, expected: usize, now: Instant) -> Self {
        let quiet = match question.ask {
            Ask::Status { .. } => limits::QUIET,
            _ => limits::QUIET_OF_ALL,
        };
        Self {
            id: question.id,
            began: now,
            quiet,
            expected,
            until: now + limits::ANSWER,
            again: now + limits::ASK_AGAIN,
            workers: BTreeMap::new(),
        }
    }

    fn hear(&mut self, answer: Answer, now: Instant) {
        if answer.question != self.id {
            return;
        }
        if !self.workers.contains_key(&answer.worker) {
            let as_long_again = now.duration_since(self.began).max(self.quiet);
            let until = match self.expected {
                0 => now + as_long_again,
                expected if self.workers.len() + 1 >= expected => now,
                _ => self.end(),
            };
            self.until = self.end().min(until);
        }
        let known = self.workers.entry(answer.worker.clone()).or_default();
        if answer.reply != Reply::Heard {
            known.get_or_insert(answer);
        }
    }

    fn end(&self) -> Instant {
        self.began + limits::ANSWER
    }

    fn next_due(&self) -> Instant {
        // Whoever has heard it is at work on it, and would do it twice.
        match self.workers.is_empty() {
            true => self.until.min(self.again),
            false if self.is_waited_for() => self.end(),
            false => self.until,
        }
    }

    fn is_waited_for(&self) -> bool {
        self.workers.values().any(Option::is_none)
    }

    fn due(&mut self, now: Instant) -> DueOfAll {
        if now >= self.end() || (now >= self.until && !self.is_waited_for()) {
            let id = self.id;
            let workers = std::mem::take(&mut self.workers).into_iter();
            let answers = workers.map(|(worker, answer)| answer.unwrap_or_else(|| unanswered(id, worker)));
            return DueOfAll::End(answers.collect());
        }
        if self.workers.is_empty() && now >= self.again {
            self.again = now + limits::ASK_AGAIN;
            return DueOfAll::AskAgain;
        }
        DueOfAll::Nothing
    }
}

fn unanswered(question: Uuid, worker: String) -> Answer {
    let seconds = limits::ANSWER.as_secs();
    let reason = format!("it has heard the question, and not answered within {seconds} s");
    Answer {
        version: Version1,
        question,
        worker,
        reply: Reply::Refused { reason },
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::testing;

    fn answer(question: Uuid, worker: &str, reply: Reply) -> Answer {
        Answer {
            version: Version1,
            question,
            worker: worker.to_owned(),
            reply,
        }
    }

    fn unknown(question: Uuid, worker: &str) -> Answer {
        let release = testing::release();
        answer(question, worker, Reply::UnknownRelease { release })
    }

    /// The one that can may be slow: it is waited for once it has heard the question, and nobody is asked twice.
    #[test]
    fn whoever_has_heard_it_is_waited_for() {
        let now = Instant::now();
        let question = question(Ask::Thaw { environment: None });
        let mut round = RoundOfAll::new(&question, 0, now);
        let after = |seconds| now + Duration::from_secs(seconds);
        let no = || Reply::NotChanged { why: "no".to_owned() };
        round.hear(answer(question.id, "far", no()), now);
        round.hear(answer(question.id, "near", Reply::Heard), now);
        round.hear(answer(Uuid::now_v7(), "stranger", no()), now);
        assert_eq!(round.due(after(1)), DueOfAll::Nothing);
        assert_eq!(round.due(after(3)), DueOfAll::Nothing, "not asked again");
        let yes = Reply::Changed {
            what: "yes".to_owned(),
        };
        round.hear(answer(question.id, "near", yes.clone()), after(3));
        let DueOfAll::End(answers) = round.due(after(3)) else {
            panic!("{round:?}")
        };
        let replies: Vec<Reply> = answers.into_iter().map(|answer| answer.reply).collect();
        assert_eq!(replies, [no(), yes]);
    }

    #[test]
    fn one_that_never_answers_is_named_and_one_that_never_heard_is_asked_again() {
        let now = Instant::now();
        let question = question(Ask::Ping);
        let mut round = RoundOfAll::new(&question, 0, now);
        assert_eq!(round.due(now + limits::ASK_AGAIN), DueOfAll::AskAgain);
        round.hear(answer(question.id, "slow", Reply::Heard), now + limits::ASK_AGAIN);
        let DueOfAll::End(answers) = round.due(now + limits::ANSWER) else {
            panic!("{round:?}")
        };
        assert_eq!(answers.len(), 1);
        assert!(
            matches!(&answers[0].reply, Reply::Refused { reason } if reason.contains("not answered within 5 s"))
        );
        let mut round = RoundOfAll::new(&question, 0, now);
        assert_eq!(round.due(now + limits::ANSWER), DueOfAll::End(Vec::new()));
    }

    /// A page that fewer answer than the one before would be taken for the last one.
    #[test]
    fn a_next_page_ends_with_the_last_of_those_who_answered_the_one_before() {
        let now = Instant::now();
        let question = question(Ask::Ping);
        let mut round = RoundOfAll::new(&question, 2, now);
        let reply = || Reply::NotChanged { why: "no".to_owned() };
        round.hear(answer(question.id, "near", Reply::Heard), now);
        round.hear(answer(question.id, "near", reply()), now);
        assert_eq!(round.due(now + limits::UNKNOWN_GRACE), DueOfAll::Nothing);
        round.hear(answer(question.id, "far", reply()), now);
        assert_eq!(round.next_due(), now);
        assert!(matches!(round.due(now), DueOfAll::End(answers) if answers.len() == 2));
    }

    #[test]
    fn the_first_worker_that_has_it_ends_the_round() {
        let (id, now) = (Uuid::now_v7(), Instant::now());
        let mut round = Round::new(id, now);
        assert_eq!(round.hear(unknown(id, "a"), now), None);
        let view = Box::new(testing::view());
        let verdict = round.hear(answer(id, "b", Reply::Show(view.clone())), now);
        assert_eq!(verdict, Some(Verdict::Known(view)));
    }

    #[test]
    fn a_no_counts_after_the_grace_and_each_worker_once() {
        let (id, now) = (Uuid::now_v7(), Instant::now());
        let mut round = Round::new(id, now);
        assert_eq!(round.hear(unknown(Uuid::now_v7(), "stranger"), now), None);
        assert_eq!(round.hear(unknown(id, "a"), now), None);
        assert_eq!(round.hear(unknown(id, "a"), now), None);
        assert_eq!(round.due(now + Duration::from_millis(999)), Due::Nothing);
        let workers = vec!["a".to_owned()];
        assert_eq!(
            round.due(now + limits::UNKNOWN_GRACE),
            Due::End(Verdict::Unknown { workers })
        );
    }

    #[test]
    fn silence_is_asked_again_and_ends() {
        let now = Instant::now();
        let mut round = Round::new(Uuid::now_v7(), now);
        let mut asked = 1;
        let verdict = loop {
            let at = round.next_due();
            match round.due(at) {
                Due::AskAgain => asked += 1,
                Due::Nothing => unreachable!("woken for nothing"),
                Due::End(verdict) => break (at - now, verdict),
            }
        };
        assert_eq!((asked, verdict), (3, (limits::ANSWER, Verdict::Silence)));
    }

    #[test]
    fn a_refusal_says_more_than_a_no() {
        let (id, now) = (Uuid::now_v7(), Instant::now());
        let mut round = Round::new(id, now);
        let reason = "version 1 is too new".to_owned();
        let refused = Reply::Refused {
            reason: reason.clone(),
        };
        assert_eq!(round.hear(answer(id, "old", refused), now), None);
        assert_eq!(round.hear(unknown(id, "a"), now), None);
        let worker = "old".to_owned();
        assert_eq!(
            round.due(now + limits::ANSWER),
            Due::End(Verdict::Refused { worker, reason })
        );
    }
}
