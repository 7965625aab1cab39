//! The round of a question that one worker answers: the worker that has the release.

use drawgate_schemas::{Answer, ReleaseView, Reply};
use tokio::time::Instant;
use uuid::Uuid;

use crate::limits;

/// The verdict of the workers about a question.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// A worker has the release.
    Known(Box<ReleaseView>),
    /// A worker took the control command.
    Taken {
        /// The worker that took it.
        worker: String,
        what: String,
    },
    /// A worker did not take the control command, and nothing was changed.
    NotTaken {
        /// The worker that refused it.
        worker: String,
        why: String,
    },
    /// These workers answered, and none of them has the release.
    Unknown { workers: Vec<String> },
    /// This worker could not answer, and no other did better.
    Refused { worker: String, reason: String },
    /// No worker answered in time.
    Silence,
}

/// What is due at a moment.
#[derive(Debug, PartialEq)]
pub(super) enum Due {
    Nothing,
    AskAgain,
    End(Verdict),
}

/// The answers to one question. Pure: the time is an argument.
#[derive(Debug)]
pub(super) struct Round {
    id: Uuid,
    end: Instant,
    again: Instant,
    unknown_to: Vec<String>,
    refused: Option<(String, String)>,
    grace: Option<Instant>,
}

impl Round {
    pub(super) fn new(id: Uuid, now: Instant) -> Self {
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
    pub(super) fn hear(&mut self, answer: Answer, now: Instant) -> Option<Verdict> {
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
                // Another worker of the same site may be able to answer: the question reaches that worker
                // when it is asked again.
                self.refused = Some((answer.worker, reason));
                return None;
            }
        }
        self.grace.get_or_insert(now + limits::UNKNOWN_GRACE);
        None
    }

    pub(super) fn next_due(&self) -> Instant {
        let end = self.grace.map_or(self.end, |grace| grace.min(self.end));
        end.min(self.again)
    }

    pub(super) fn due(&mut self, now: Instant) -> Due {
        if now >= self.end || self.grace.is_some_and(|grace| now >= grace) {
            return Due::End(self.verdict());
        }
        if now >= self.again {
            self.again = now + limits::ASK_AGAIN;
            return Due::AskAgain;
        }
        Due::Nothing
    }

    /// Decides at the end of the round. A worker that could not read the question might have the release, so
    /// its words say more than another worker's no.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use drawgate_schemas::Version1;

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
