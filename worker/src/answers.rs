//! Answers questions: what the ledger knows of a release, and the result of a control command.

use std::collections::BTreeSet;
use std::sync::Arc;

use drawgate_config::{Operators, Route};
use drawgate_rollout::{Entry, Record, Release};
use drawgate_schemas::{
    Answer, Ask, Control, ControlCommand, ControlRequest, Environment, Event, ForgottenSequence, Freeze,
    HostLogs, PastView, Pong, Question, ReleaseId, ReleaseState, ReleaseView, Reply, Service, Site,
    StatusEvent, Text, Version1, limits,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::Causes;
use crate::bus::{DeliveryLimitTrial, QuestionHandler};
use crate::ledger::{Forget, Ledger, LedgerError};
use crate::roll::{Lanes, Taken};

/// An operator's reason, in the operator's words.
type Reason = Text<{ limits::LONG_TEXT_CHARS }>;

/// Answers questions from a ledger.
#[derive(Clone)]
pub struct Answers {
    ledger: Ledger,
    worker: String,
    lanes: Arc<Lanes>,
    operators: Operators,
    site: AtSite,
    delivery_limit: Arc<DeliveryLimitTrial>,
}

/// The worker's site, and the releases that it rolls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtSite {
    pub site: Site,
    /// Each service that the worker rolls, with its environments.
    pub routes: Vec<Route>,
}

/// The operator who asks, or why that user may not.
fn operator_of(operators: &Operators, from: Option<String>) -> Result<String, String> {
    let by = vouched_for(from)?;
    match operators {
        Operators::Nobody => Err(format!(
            "{by} may not: there is no [orders] in the worker's file, so that nobody may; write [orders] with from = [\"ops\"], \
             and [groups] with ops = [\"{by}\"]"
        )),
        Operators::These(users) if !users.contains(&by) => Err(format!(
            "{by} may not: [orders] in the worker's file says who may"
        )),
        Operators::These(_) => Ok(by),
    }
}

/// The user who asks, by the name that the broker vouches for.
fn vouched_for(from: Option<String>) -> Result<String, String> {
    from.ok_or_else(|| {
        "the message does not say who asks: it needs the property user_id, which the broker checks".to_owned()
    })
}

impl Answers {
    /// Answers from this ledger in this worker's name. Control commands go to these lanes.
    pub fn new(
        ledger: Ledger,
        worker: String,
        lanes: Arc<Lanes>,
        operators: Operators,
        site: AtSite,
        delivery_limit: Arc<DeliveryLimitTrial>,
    ) -> Self {
        Self {
            ledger,
            worker,
            lanes,
            operators,
            site,
            delivery_limit,
        }
    }

    /// The operator who gives a command, or why that user may not. Logs a refusal.
    fn operator(&self, from: Option<String>, command: &str) -> Result<String, String> {
        let asked = operator_of(&self.operators, from);
        if let Err(why) = &asked {
            log_refused(command, why);
        }
        asked
    }

    /// Gives the release's driver a control command, and replies that it was taken, or why not.
    async fn control(
        &self,
        id: Uuid,
        expires_at: Timestamp,
        asked: ControlRequest,
        from: Option<String>,
    ) -> Result<Reply, LedgerError> {
        let release = asked.release;
        let words = format!("{} {release}", asked.control);
        let not_taken = |why: String| Reply::NotTaken { release, why };
        if self.ledger.release_head(release).await?.is_none() {
            return Ok(Reply::UnknownRelease { release });
        }
        // The release itself judges who may approve or reject it.
        let asker = match asked.control.answers_approval() {
            true => vouched_for(from),
            false => self.operator(from, &words),
        };
        let by = match asker {
            Ok(by) => by,
            Err(why) => return Ok(not_taken(why)),
        };
        let command = ControlCommand {
            control: asked.control,
            by: by.clone(),
            reason: asked.reason,
            digest: asked.digest,
        };
        let id = id.to_string();
        Ok(
            match self.lanes.control(release, id.clone(), command, expires_at).await {
                Taken::Yes => self.taken(release, asked.control).await?,
                Taken::No(why) => {
                    log_refused(&words, &format!("{by}: {why}"));
                    not_taken(why)
                }
                Taken::NotDriven => match self.folded(release).await? {
                    // The command came again because its first answer was lost.
                    Some(ended) if ended.commands.contains(&id) => self.taken(release, asked.control).await?,
                    Some(Release {
                        ended: Some(ended), ..
                    }) => not_taken(format!("it has ended: {}", ended.outcome)),
                    _ => Reply::Refused {
                        reason: format!(
                            "{} does not drive it just now: another worker has its lane, or takes it over and is asked in a \
                         minute, or a person has to look: drawgate show {release}",
                            self.worker
                        ),
                    },
                },
            },
        )
    }

    /// Refuses a freeze of an environment without releases: such a freeze would block nothing, yet be relied
    /// on.
    fn unknown_environment(&self, environment: &Environment) -> Option<Reply> {
        let known = || self.site.routes.iter().flat_map(|route| &route.environments);
        if known().any(|pattern| pattern.matches(environment)) {
            return None;
        }
        let names: BTreeSet<String> = known().map(ToString::to_string).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        let why = format!("{} releases nothing to {environment:?}; to {names}", self.worker);
        Some(Reply::NotChanged { why })
    }

    async fn freeze(&self, freeze: Freeze) -> Result<Reply, LedgerError> {
        let now = Timestamp::now();
        if let Some(reply) = freeze
            .environment
            .as_ref()
            .and_then(|name| self.unknown_environment(name))
        {
            return Ok(reply);
        }
        let longest = now + SignedDuration::from_hours(24 * limits::FREEZE_DAYS);
        if freeze.until <= now || freeze.until > longest {
            let why = format!(
                "a freeze ends within {} days, and not before now",
                limits::FREEZE_DAYS
            );
            return Ok(Reply::NotChanged { why });
        }
        self.ledger.freeze(&freeze, now).await?;
        tracing::warn!(%freeze, "frozen");
        let what = format!("{freeze}; what rolls already goes on to its end");
        Ok(Reply::Changed { what })
    }

    async fn thaw(&self, environment: Option<&Environment>, by: &str) -> Result<Reply, LedgerError> {
        let what = environment.map_or("everything", Environment::as_str);
        let now = Timestamp::now();
        if !self.ledger.thaw(environment, now).await? {
            let freezes = self.ledger.freezes(now).await?;
            let others: Vec<String> = freezes.iter().map(ToString::to_string).collect();
            let others = if others.is_empty() {
                "nothing is".to_owned()
            } else {
                others.join("; ")
            };
            let why = format!("{what} is not frozen as such: {others}");
            return Ok(Reply::NotChanged { why });
        }
        tracing::warn!(what, by, "thawed");
        let what = format!("{what} is no longer frozen: what it blocked begins within seconds");
        Ok(Reply::Changed { what })
    }

    /// Forgets the numbers of a lane whose build counter has started again.
    async fn forget_sequence(
        &self,
        forget: Forget<'_>,
        reason: Reason,
        by: String,
    ) -> Result<Reply, LedgerError> {
        let (environment, service) = (forget.environment, forget.service);
        let serves = |route: &Route| {
            route.service == *service
                && route
                    .environments
                    .iter()
                    .any(|pattern| pattern.matches(environment))
        };
        if !self.site.routes.iter().any(serves) {
            let why = format!("{} does not release {service} to {environment}", self.worker);
            return Ok(Reply::NotChanged { why });
        }
        let at = Timestamp::now();
        let make = |highest| {
            let forgotten = ForgottenSequence {
                highest,
                by,
                reason,
                at,
            };
            let event = Event::SequenceForgotten(forgotten.clone());
            (forgotten, self.told_of(environment, service, at, event))
        };
        let forgot = match self.ledger.forget_sequence(&forget, make).await {
            Err(LedgerError::TooLate) => {
                let why = "it came too late: nobody took it in time".to_owned();
                return Ok(Reply::NotChanged { why });
            }
            forgot => forgot?,
        };
        let open = still_count(&forgot.open);
        let Some(forgotten) = forgot.forgotten else {
            let why = format!(
                "no release of {service} that has succeeded in {environment} has a number that counts{open}"
            );
            return Ok(Reply::NotChanged { why });
        };
        tracing::warn!(%environment, %service, %forgotten, "a lane's numbers were forgotten");
        let highest = forgotten.highest;
        let what = format!(
            "numbers of {service} in {environment} up to {highest} count no more: the next build may have any{open}"
        );
        Ok(Reply::Changed { what })
    }

    /// An event that belongs to a lane and to no release.
    fn told_of(
        &self,
        environment: &Environment,
        service: &Service,
        at: Timestamp,
        event: Event,
    ) -> StatusEvent {
        StatusEvent {
            id: Uuid::now_v7(),
            release: None,
            sequence: 0,
            at,
            environment: Some(environment.clone()),
            service: Some(service.clone()),
            worker: self.worker.clone(),
            about: None,
            event,
        }
    }

    async fn pong(&self) -> Result<Reply, LedgerError> {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let not_ready = self.ledger.ready().await.err();
        Ok(Reply::Pong(Pong {
            site: self.site.site.clone(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            services: count(self.site.routes.len()),
            open: count(self.ledger.open_releases().await?.len()),
            not_ready: not_ready.map(|error| crate::error_chain(&error)),
            concerns: self.delivery_limit.find().await.concern().into_iter().collect(),
        }))
    }

    async fn taken(&self, release: ReleaseId, control: Control) -> Result<Reply, LedgerError> {
        let what = self.what_follows(release, control).await?;
        Ok(Reply::Taken { release, what })
    }

    async fn what_follows(&self, id: ReleaseId, control: Control) -> Result<String, LedgerError> {
        let release = self.folded(id).await?;
        if let Some(ended) = release.as_ref().and_then(|release| release.ended.as_ref()) {
            return Ok(format!("by now it has ended: {}", ended.outcome));
        }
        let until = release.as_ref().and_then(Release::paused_until);
        let awaited = release.as_ref().and_then(Release::awaited_approval);
        Ok(match (control, until) {
            (Control::Pause, Some(until)) => format!(
                "hosts that are out come back into service, then the roll waits; unless it is resumed, it is rolled back at {until:.0}"
            ),
            (Control::Pause | Control::Resume, _) => "the roll goes on".to_owned(),
            (Control::Approve, _) => match awaited {
                Some(awaited) => format!("{} of {} have approved it", awaited.given.len(), awaited.count),
                None => "it begins once it is the first of its queue".to_owned(),
            },
            (Control::Reject, _) => "it ends, and nothing was touched".to_owned(),
            (Control::Cancel, _) => "what was touched is rolled back".to_owned(),
        })
    }

    async fn folded(&self, id: ReleaseId) -> Result<Option<Release>, LedgerError> {
        Ok(Release::fold(&self.ledger.journal(id).await?).ok())
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

    async fn history(
        &self,
        environment: &Environment,
        service: &Service,
        limit: u32,
    ) -> Result<Reply, LedgerError> {
        let limit = limit.min(limits::RELEASES_PER_ANSWER);
        let mut releases = Vec::new();
        for id in self.ledger.newest(environment, service, limit).await? {
            let journal = self.ledger.journal(id).await?;
            // A journal that cannot be folded is left out here; `show` replies with the reason.
            let Ok(release) = Release::fold(&journal) else {
                continue;
            };
            releases.push(PastView {
                state: self.state(&release).await?,
                accepted_at: release.accepted_at,
                started_at: release.started_at,
                ended_at: release.ended.as_ref().and(journal.last()).map(|entry| entry.at),
                summary: release.ended.map(|ended| ended.summary),
                digest: release.digest,
                request: release.request,
            });
        }
        let forgotten = self
            .ledger
            .forgotten_sequences(environment, service, limit)
            .await?;
        Ok(Reply::History { releases, forgotten })
    }

    async fn state(&self, release: &Release) -> Result<ReleaseState, LedgerError> {
        Ok(match (&release.ended, release.started_at) {
            (Some(ended), _) => ReleaseState::Ended {
                outcome: ended.outcome,
            },
            (None, Some(_)) => ReleaseState::Running,
            (None, None) => ReleaseState::Waiting {
                ahead: self.ledger.ahead_of(release.request.id).await?,
                approval: release.awaited_approval(),
                blockers: release.blockers.clone(),
            },
        })
    }
}

impl QuestionHandler for Answers {
    /// An unavailable ledger is part of the reply.
    async fn answer(&self, question: Question, from: Option<String>) -> Answer {
        let reply = match question.ask {
            Ask::Show { release, after, logs } => self.show(release, after, logs).await,
            Ask::Status {
                environment,
                service,
                after,
            } => {
                let (environment, service) = (environment.as_ref(), service.as_ref());
                let status = crate::status::status(&self.ledger, environment, service, after.as_deref());
                status.await.map(|status| Reply::Status(Box::new(status)))
            }
            Ask::History {
                environment,
                service,
                limit,
            } => self.history(&environment, &service, limit).await,
            Ask::Control(asked) => self.control(question.id, question.expires_at, asked, from).await,
            Ask::Freeze {
                environment,
                until,
                reason,
            } => match self.operator(from, "freeze") {
                Err(why) => Ok(Reply::NotChanged { why }),
                Ok(by) => {
                    let since = Timestamp::now();
                    self.freeze(Freeze {
                        environment,
                        until,
                        reason,
                        by,
                        since,
                    })
                    .await
                }
            },
            Ask::Thaw { environment } => match self.operator(from, "thaw") {
                Err(why) => Ok(Reply::NotChanged { why }),
                Ok(by) => self.thaw(environment.as_ref(), &by).await,
            },
            Ask::ForgetSequence {
                environment,
                service,
                reason,
            } => match self.operator(from, "forget-sequence") {
                Err(why) => Ok(Reply::NotChanged { why }),
                Ok(by) => {
                    let forget = Forget {
                        id: question.id,
                        expires_at: question.expires_at,
                        environment: &environment,
                        service: &service,
                    };
                    self.forget_sequence(forget, reason, by).await
                }
            },
            Ask::Ping => self.pong().await,
        };
        let reply = reply.unwrap_or_else(|error| {
            tracing::error!(question = %question.id, error = %Causes(&error), "a question could not be answered");
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

/// A refusal is logged with the user, who may be trying commands out.
fn log_refused(command: &str, why: &str) {
    tracing::warn!(command, why, "a control command was refused");
}

/// What an operator must know of the open release with the highest number: its number keeps counting.
fn still_count(open: &[(ReleaseId, u64)]) -> String {
    let Some((release, number)) = open.first() else {
        return String::new();
    };
    format!(
        "; release {release} of build {number} has not ended, and counts as before: cancel it, or ask again once it has ended"
    )
}

/// The last lines of each host's container at its last failure.
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
