//! Questions over RabbitMQ's direct reply-to, and their answers. A reply comes at most once: who hears nothing asks
//! again.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::control::{Control, ForgottenSequence};
use crate::event::StatusEvent;
use crate::gate::{AwaitedApproval, Blocker, Freeze};
use crate::image::Digest;
use crate::limits::{self, LONG_TEXT_CHARS};
use crate::name::{Environment, ReleaseId, Service, Site, Text};
use crate::outcome::Outcome;
use crate::rejection::{Rejection, RejectionCode};
use crate::request::{ReleaseRequest, Version1};

/// A question to every worker that hears it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Always 1.
    pub version: Version1,
    /// Comes back in the answer.
    pub id: Uuid,
    /// Nobody waits for the answer after this moment.
    pub expires_at: Timestamp,
    /// What is asked.
    pub ask: Ask,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// Everything about one release.
    Show {
        /// Which.
        release: ReleaseId,
        /// Only events after this one; 0 asks for all.
        #[serde(default)]
        after: u64,
        /// Whether the logs of failed containers are wanted too.
        #[serde(default)]
        logs: bool,
    },
    /// Every lane: what rolls, what waits, what ended last.
    Status {
        /// Only those of this environment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<Environment>,
        /// Only those of this service.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<Service>,
        /// Only lanes after this one, `<environment>/<service>` in the order of the answer: for the next page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// The releases of one lane, the newest first.
    History {
        /// Where to.
        environment: Environment,
        /// What.
        service: Service,
        /// So many of them; 100 at most.
        limit: u32,
    },
    /// A control command for one release. Asked again with the same id, it is given once.
    Control(ControlRequest),
    /// No release of an environment begins until then; those that roll go on to their end.
    Freeze {
        /// Which; every one where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<Environment>,
        /// When it ends by itself.
        until: Timestamp,
        /// Why, for the people whose releases wait.
        reason: Text<LONG_TEXT_CHARS>,
    },
    /// Ends a freeze before its time.
    Thaw {
        /// Of which environment; the one of all where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<Environment>,
    },
    /// Forgets the build numbers of one target, whose counter has started again: no release that has ended by then supersedes another one any
    /// more. Asked again with the same id, it is done once.
    ForgetSequence {
        /// Where to.
        environment: Environment,
        /// What.
        service: Service,
        /// Why, for the people who release it.
        reason: Text<LONG_TEXT_CHARS>,
    },
    /// Which workers are there, and whether each is ready.
    Ping,
}

impl Ask {
    /// Whether every worker answers it for itself: it says [`Reply::Heard`] first.
    pub fn is_for_all(&self) -> bool {
        match self {
            Self::Show { .. } | Self::Control(_) => false,
            Self::Status { .. }
            | Self::History { .. }
            | Self::Freeze { .. }
            | Self::Thaw { .. }
            | Self::ForgetSequence { .. }
            | Self::Ping => true,
        }
    }
}

/// A control command for one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlRequest {
    /// The release.
    pub release: ReleaseId,
    /// What is to be done to it.
    pub control: Control,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<LONG_TEXT_CHARS>>,
    /// The digest that is approved, as `show` told it; approvals only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// Always 1.
    pub version: Version1,
    /// The question's id.
    pub question: Uuid,
    /// Who answers.
    pub worker: String,
    /// The answer itself.
    pub reply: Reply,
}

/// The answer itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply {
    /// The release is in this worker's ledger.
    Show(Box<ReleaseView>),
    /// The lanes of this worker's ledger.
    Status(Box<StatusView>),
    /// The releases of a lane, the newest first; none where this worker's ledger has none.
    History {
        /// Each of them.
        releases: Vec<PastView>,
        /// Build numbers of the lane that were forgotten, the last of them first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        forgotten: Vec<ForgottenSequence>,
    },
    /// The control command was taken, now or when it was asked before.
    Taken {
        /// To which release.
        release: ReleaseId,
        /// What follows, for a person.
        what: String,
    },
    /// The control command was not taken, and nothing was changed.
    NotTaken {
        /// To which release.
        release: ReleaseId,
        /// Why not, and the way out.
        why: String,
    },
    /// What was asked for is done, in this worker's ledger.
    Changed {
        /// What follows, for a person.
        what: String,
    },
    /// It is not done, and nothing was changed in this worker's ledger.
    NotChanged {
        /// Why not, and the way out.
        why: String,
    },
    /// This worker is there.
    Pong(Pong),
    /// This worker has heard a question that every worker answers, and its answer follows.
    Heard,
    /// This worker does not know the release; another one may.
    UnknownRelease {
        /// The release that was asked for.
        release: ReleaseId,
    },
    /// The question could not be read or answered.
    Refused {
        /// Why, and what would be right.
        reason: String,
    },
}

/// A worker that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pong {
    /// Its site.
    pub site: Site,
    /// Its version.
    pub program: String,
    /// Services that it rolls.
    pub services: u32,
    /// Releases that have not ended.
    pub open: u32,
    /// What keeps it from taking releases in: a full disk, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(alias = "unfit")]
    pub not_ready: Option<String>,
    /// What its operator is to know although it takes releases in, each with what to do: a policy that the broker lacks, say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concerns: Vec<String>,
}

/// A release in a lane's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PastView {
    /// The message that asked for it.
    pub request: ReleaseRequest,
    /// The digest, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Where it stands.
    pub state: ReleaseState,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it began, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How it ended, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// The lanes of one worker's ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusView {
    /// Lanes with anything in them, in the order of their environments and services, at most 1,000.
    pub lanes: Vec<LaneView>,
    /// Whether there are more: ask again after the last.
    pub more: bool,
    /// What is frozen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<Freeze>,
}

/// One lane: the queue of one service's releases on one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaneView {
    /// Where to.
    pub environment: Environment,
    /// What.
    pub service: Service,
    /// The release that rolls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<RunningView>,
    /// The first of those that wait, at most 10.
    pub waiting: Vec<WaitingView>,
    /// How many wait.
    pub waiting_count: u32,
    /// The one that ended last; not one that was superseded, which did nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<EndedView>,
    /// What no release of it begins under.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<Freeze>,
}

/// A release that rolls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunningView {
    /// Which.
    pub release: ReleaseId,
    /// What a person calls its version.
    pub version: String,
    /// Since when.
    pub since: Timestamp,
    /// Hosts that run it and are healthy.
    pub good: u32,
    /// All its hosts; 0 until the fleet was inspected.
    pub hosts: u32,
    /// Whether it is rolling back.
    pub rolling_back: bool,
}

/// A release that waits in its queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingView {
    /// Which.
    pub release: ReleaseId,
    /// What a person calls its version.
    pub version: String,
    /// Since when.
    pub since: Timestamp,
    /// The approval that it waits for, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<AwaitedApproval>,
    /// What else it waits for before it may begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocker>,
}

/// A release that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndedView {
    /// Which.
    pub release: ReleaseId,
    /// What a person calls its version.
    pub version: String,
    /// How.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
}

/// One release as its worker's ledger has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseView {
    /// The message that asked for it.
    pub request: ReleaseRequest,
    /// The digest, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Where it stands.
    pub state: ReleaseState,
    /// Its events after the one that was asked for, oldest first, at most 500.
    pub events: Vec<StatusEvent>,
    /// Whether there are more: ask again after the last.
    pub more: bool,
    /// Logs of failed containers, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<HostLogs>,
}

/// Where a release stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ReleaseState {
    /// It waits in its queue.
    Waiting {
        /// Releases of the same target before it.
        ahead: u32,
        /// The approval that it waits for, if it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<AwaitedApproval>,
        /// What else it waits for before it may begin.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        blockers: Vec<Blocker>,
    },
    /// It rolls.
    Running,
    /// It has ended.
    Ended {
        /// How.
        outcome: Outcome,
    },
}

/// The last lines of a container that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostLogs {
    /// The EC2 instance's id.
    pub instance: String,
    /// At most 50 lines, oldest first.
    pub lines: Vec<String>,
}

impl Question {
    /// Reads a message body.
    ///
    /// # Errors
    /// A [`Rejection`] that says what is wrong.
    pub fn decode(body: &[u8]) -> Result<Self, Rejection> {
        if body.len() > limits::MESSAGE_BYTES {
            return Err(Rejection::new(
                RejectionCode::TooLarge,
                format!("{} bytes", body.len()),
            ));
        }
        serde_json::from_slice(body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Rejection::new(RejectionCode::Invalid, error.to_string()),
            _ => Rejection::new(RejectionCode::NotJson, error.to_string()),
        })
    }
}
