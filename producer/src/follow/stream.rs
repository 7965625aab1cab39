//! Follows a release to its end, over lost connections.
//!
//! ```text
//!            ┌── events ──┐                    lost
//! listen ────┤            ├──> Follower ──> Narrator
//!    ^       └── answers ─┘                     │
//!    └────────── connect, subscribe, ask <──────┘
//! ```
//!
//! After each new connection the workers are asked for the events that were missed meanwhile (trap 24).

use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use drawgate_schemas::{Ask, Outcome, StatusEvent};
use futures_util::StreamExt;
use lapin::Consumer;
use tokio::time::{Instant, interval};

use super::reorder::{Follower, Step};
use crate::broker::{
    Address, AskError, Asker, Backoff, ConnectError, Link, SubscribeError, Target, Verdict,
    connect_patiently, publish, subscribe,
};
use crate::ending::{Causes, Ending};
use crate::exit::Exit;
use crate::limits;
use crate::narrator::Narrator;
use crate::request::Message;
use crate::system::SystemError;

/// Why a release was not followed to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    /// Asking for missed events failed.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The connection was lost and did not come back.
    #[error("the connection to the broker was lost, and did not come back; the release goes on")]
    Away {
        release: drawgate_schemas::ReleaseId,
        /// The error of the last attempt.
        #[source]
        source: Box<ReconnectError>,
    },
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for FollowError {
    fn exit(&self) -> Exit {
        match self {
            Self::Ask(error) => error.exit(),
            Self::Away { .. } => Exit::Broker,
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Ask(error) => error.hint(),
            Self::Away { release, .. } => Some(format!("drawgate watch {release} follows it again")),
            Self::System(error) => error.hint(),
        }
    }
}

/// Why one attempt to reconnect failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconnectError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Listening for events on the new connection failed.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
}

/// One release that is being followed.
pub(crate) struct Watching<'a> {
    pub(crate) address: &'a Address,
    /// The connection's name, which the broker's operator sees.
    pub(crate) name: String,
    pub(crate) target: Target,
    /// The events seen so far.
    pub(crate) follower: Follower,
    /// The narrator that tells the events.
    pub(crate) narrator: &'a mut Narrator,
    /// The message, where this program published it: its rejection counts, and it is published again if it
    /// was lost.
    pub(crate) message: Option<&'a Message>,
    /// The release's id.
    pub(crate) release: drawgate_schemas::ReleaseId,
}

/// How one connection ended.
enum Pass {
    Ended(Outcome),
    Lost,
}

/// A question that is under way.
type Asking<'a> = Pin<Box<dyn Future<Output = Result<Verdict, AskError>> + 'a>>;

/// The state of listening on the connection.
struct Here {
    /// Whether to ask as soon as no other question is under way.
    ask: bool,
    /// When to ask if no event has been heard until then.
    silence: Instant,
    /// Whether a message that no worker knows may be published again, once.
    may_publish: bool,
    told_waiting: bool,
}

impl Watching<'_> {
    /// Follows the release to its end. `ask` says whether to ask first, because events may have been missed
    /// already.
    pub(crate) async fn follow(
        &mut self,
        mut link: Link,
        mut events: Consumer,
        ask: bool,
    ) -> Result<Outcome, FollowError> {
        let first = if self.message.is_some() {
            limits::FIRST_SILENCE
        } else {
            limits::SILENCE
        };
        let mut here = Here {
            ask,
            silence: Instant::now() + first,
            may_publish: false,
            told_waiting: false,
        };
        loop {
            match self.listen(&link, &mut events, &mut here).await? {
                Pass::Ended(outcome) => {
                    link.close().await;
                    return Ok(outcome);
                }
                Pass::Lost => self
                    .narrator
                    .note("the connection to the broker is lost; the release goes on"),
            }
            (link, events) = self.reconnect().await?;
            self.narrator
                .note("connected again; asking for what went by meanwhile");
            here.ask = true;
            here.may_publish = self.message.is_some();
            here.silence = Instant::now() + limits::FIRST_SILENCE;
        }
    }

    /// Listens on one connection, until it is lost or the release has ended.
    async fn listen(
        &mut self,
        link: &Link,
        events: &mut Consumer,
        here: &mut Here,
    ) -> Result<Pass, FollowError> {
        let asker = match Asker::open(link).await {
            Ok(asker) => asker,
            Err(error) if error.is_loss() => return Ok(Pass::Lost),
            Err(error) => return Err(error.into()),
        };
        let mut asking: Option<Asking<'_>> = None;
        let mut tick = interval(Duration::from_secs(1));
        loop {
            if here.ask && asking.is_none() {
                here.ask = false;
                asking = Some(Box::pin(asker.ask(self.question())));
            }
            let step = tokio::select! {
                delivery = events.next() => {
                    let Some(Ok(delivery)) = delivery else { return Ok(Pass::Lost) };
                    here.silence = Instant::now() + limits::SILENCE;
                    // An event that cannot be read leaves a gap, and gaps are asked for.
                    match serde_json::from_slice::<StatusEvent>(&delivery.data) {
                        Ok(event) => self.follower.hear(event),
                        Err(_) => Step::default(),
                    }
                }
                answer = answered(&mut asking) => {
                    asking = None;
                    match answer {
                        Err(error) if error.is_loss() => return Ok(Pass::Lost),
                        answer => self.take_answer(answer, link, here).await,
                    }
                }
                _ = tick.tick() => {
                    self.narrator.tick();
                    here.ask |= Instant::now() >= here.silence;
                    Step::default()
                }
            };
            here.ask |= step.ask;
            if here.ask {
                here.silence = Instant::now() + limits::SILENCE;
            }
            if let Some(outcome) = self.tell(step)? {
                return Ok(Pass::Ended(outcome));
            }
        }
    }

    fn question(&self) -> Ask {
        Ask::Show {
            release: self.release,
            after: self.follower.last(),
            logs: false,
        }
    }

    async fn take_answer(&mut self, answer: Result<Verdict, AskError>, link: &Link, here: &mut Here) -> Step {
        let waiting = match answer {
            Ok(Verdict::Known(view)) => return self.follower.catch_up(*view),
            Ok(Verdict::Unknown { .. }) if here.may_publish => {
                here.may_publish = false;
                return self.publish_again(link).await;
            }
            Ok(Verdict::Unknown { .. }) => "no worker has taken the message yet: it waits in the queue",
            _ => "no worker answers: the message waits in the queue until one does",
        };
        if self.follower.last() == 0 && !here.told_waiting {
            here.told_waiting = true;
            self.narrator.note(waiting);
        }
        let mut step = self.follower.no_answer();
        if std::mem::take(&mut step.ask) {
            here.silence = Instant::now() + limits::FIRST_SILENCE;
        }
        step
    }

    /// Publishes again after a lost connection, where no worker knows the release. The message still lies in
    /// the queue, or the broker lost it, or it was refused while this program was away. The same bytes under
    /// the same id resolve all three cases, and are accepted once.
    async fn publish_again(&mut self, link: &Link) -> Step {
        if let Some(message) = self.message.filter(|_| self.follower.last() == 0) {
            match publish(link, &message.request, &message.body).await {
                Ok(()) => self
                    .narrator
                    .note("no worker knows it: published again under the same id"),
                Err(error) => self
                    .narrator
                    .note(&format!("published again, in vain: {}", Causes(&error))),
            }
        }
        Step::default()
    }

    fn tell(&mut self, step: Step) -> Result<Option<Outcome>, SystemError> {
        tell(self.narrator, &step)?;
        Ok(step.ended)
    }

    /// Makes a new connection with a new queue. Every error is waited out within the bound, because a
    /// starting broker refuses credentials and virtual hosts too.
    async fn reconnect(&mut self) -> Result<(Link, Consumer), FollowError> {
        let deadline = Instant::now() + limits::OUTAGE_LIMIT;
        let mut backoff = Backoff::new();
        let mut told = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let (address, narrator) = (self.address, &mut *self.narrator);
            let tell = |error: &ConnectError| {
                if !std::mem::replace(&mut told, true) {
                    narrator.note(&format!("{}; trying again", Causes(error)));
                }
            };
            let link = connect_patiently(address, &self.name, left, true, tell)
                .await
                .map_err(|error| self.away(error.into()))?;
            match subscribe(&link, &self.target, self.message.is_some()).await {
                Ok(events) => return Ok((link, events)),
                Err(error) => self.pause_or_give_up(error, deadline, backoff.next()).await?,
            }
        }
    }

    async fn pause_or_give_up(
        &self,
        error: SubscribeError,
        deadline: Instant,
        pause: Duration,
    ) -> Result<(), FollowError> {
        if Instant::now() + pause >= deadline {
            return Err(self.away(error.into()));
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn away(&self, source: ReconnectError) -> FollowError {
        FollowError::Away {
            release: self.release,
            source: Box::new(source),
        }
    }
}

/// Waits for the answer of the question that is under way; for ever where there is none.
async fn answered(asking: &mut Option<Asking<'_>>) -> Result<Verdict, AskError> {
    match asking {
        Some(asking) => asking.await,
        None => pending().await,
    }
}

/// Tells the events of a step, and the end if it brought one.
pub(crate) fn tell(narrator: &mut Narrator, step: &Step) -> Result<(), SystemError> {
    if step.passed_over > 0 {
        let n = step.passed_over;
        narrator.note(&format!(
            "{n} events were missed, and no worker could tell them again"
        ));
    }
    for event in &step.show {
        narrator.event(event)?;
    }
    let told = step.show.last().is_some_and(|event| {
        use drawgate_schemas::Event::{Ended, Rejected};
        matches!(event.event, Ended(_) | Rejected { .. })
    });
    match step.ended {
        Some(outcome) if !told => narrator.bare_end(outcome),
        _ => Ok(()),
    }
}
