//! The round of a question that every worker answers.

use std::collections::BTreeMap;
use std::time::Duration;

use drawgate_schemas::{Answer, Ask, Question, Reply, Version1};
use tokio::time::Instant;
use uuid::Uuid;

use crate::limits;

/// What is due at a moment, for a question that every worker answers.
#[derive(Debug, PartialEq)]
pub(super) enum DueOfAll {
    Nothing,
    AskAgain,
    End(Vec<Answer>),
}

/// The answers to a question that every worker answers. Pure: the time is an argument.
#[derive(Debug)]
pub(super) struct RoundOfAll {
    id: Uuid,
    began: Instant,
    quiet: Duration,
    /// Workers that are known to be there; 0 where the number is not known yet.
    expected: usize,
    /// When no further worker is expected any more.
    until: Instant,
    again: Instant,
    /// Every worker that has heard the question, with its answer.
    workers: BTreeMap<String, Option<Answer>>,
}

impl RoundOfAll {
    pub(super) fn new(question: &Question, expected: usize, now: Instant) -> Self {
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

    pub(super) fn hear(&mut self, answer: Answer, now: Instant) {
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

    pub(super) fn next_due(&self) -> Instant {
        // A worker that has heard the question is at work on it, and would do the work twice.
        match self.workers.is_empty() {
            true => self.until.min(self.again),
            false if self.is_waited_for() => self.end(),
            false => self.until,
        }
    }

    fn is_waited_for(&self) -> bool {
        self.workers.values().any(Option::is_none)
    }

    pub(super) fn due(&mut self, now: Instant) -> DueOfAll {
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
    use crate::broker::ask::question;

    fn answer(question: Uuid, worker: &str, reply: Reply) -> Answer {
        Answer {
            version: Version1,
            question,
            worker: worker.to_owned(),
            reply,
        }
    }

    /// A worker that can do it may be slow: it is waited for once it has heard the question, and nobody is
    /// asked twice.
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
    fn whoever_never_answers_is_named_and_the_unheard_asked_again() {
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

    /// A page with fewer answers than the page before would be taken for the last page.
    #[test]
    fn a_next_page_ends_once_all_of_the_page_before_have_answered() {
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
}
