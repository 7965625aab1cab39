//! Answers to questions: what the ledger has of a release.

use drawgate_rollout::{Entry, Record, Release};
use drawgate_schemas::{
    Answer, Ask, HostLogs, Question, ReleaseId, ReleaseState, ReleaseView, Reply, Version1, limits,
};

use crate::bus::QuestionHandler;
use crate::ledger::{Ledger, LedgerError};

/// Answers questions from a ledger.
#[derive(Clone)]
pub struct Answers {
    ledger: Ledger,
    worker: String,
}

impl Answers {
    /// Answers from this ledger, in this worker's name.
    pub fn new(ledger: Ledger, worker: String) -> Self {
        Self { ledger, worker }
    }

    async fn show(&self, id: ReleaseId, after: u64, logs: bool) -> Result<Reply, LedgerError> {
        if self.ledger.release_head(id).await?.is_none() {
            return Ok(Reply::UnknownRelease { release: id });
        }
        let journal = self.ledger.journal(id).await?;
        let release = match Release::fold(&journal) {
            Ok(release) => release,
            Err(error) => {
                return Ok(Reply::Refused {
                    reason: format!("the journal cannot be followed: {error}"),
                });
            }
        };
        let most = u32::try_from(limits::EVENTS_PER_ANSWER).unwrap_or(u32::MAX);
        let (events, more) = self.ledger.events(id, after, most).await?;
        Ok(Reply::Show(Box::new(ReleaseView {
            state: self.state(&release).await?,
            request: release.request,
            digest: release.digest,
            events,
            more,
            logs: if logs { host_logs(&journal) } else { Vec::new() },
        })))
    }

    async fn state(&self, release: &Release) -> Result<ReleaseState, LedgerError> {
        Ok(match (&release.ended, release.started_at) {
            (Some(ended), _) => ReleaseState::Ended {
                outcome: ended.outcome,
            },
            (None, Some(_)) => ReleaseState::Running,
            (None, None) => ReleaseState::Waiting {
                ahead: self.ledger.ahead_of(release.request.id).await?,
            },
        })
    }
}

impl QuestionHandler for Answers {
    /// A ledger that is away is said, not hidden.
    async fn answer(&self, question: Question) -> Answer {
        let Ask::Show { release, after, logs } = question.ask;
        let reply = self.show(release, after, logs).await.unwrap_or_else(|error| {
            tracing::error!(%release, %error, "a question could not be answered");
            Reply::Refused {
                reason: format!("the ledger of {} could not be read: {error}", self.worker),
            }
        });
        Answer {
            version: Version1,
            question: question.id,
            worker: self.worker.clone(),
            reply,
        }
    }
}

/// The last lines of each container that failed, of its last failure.
fn host_logs(journal: &[Entry]) -> Vec<HostLogs> {
    let mut logs: Vec<HostLogs> = Vec::new();
    for entry in journal {
        let Record::Outcome { step, outcome } = &entry.record else {
            continue;
        };
        let lines = outcome
            .failure()
            .map(|failure| failure.logs.clone())
            .unwrap_or_default();
        if let Some(instance) = step.instance().filter(|_| !lines.is_empty()) {
            logs.retain(|other| other.instance != instance);
            logs.push(HostLogs {
                instance: instance.to_owned(),
                lines,
            });
        }
    }
    logs
}
