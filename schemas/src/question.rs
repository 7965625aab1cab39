//! Questions over RabbitMQ's direct reply-to, and their answers. A reply comes at most once: a client that
//! hears nothing asks again.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::control::{Control, ForgottenSequence};
use crate::envelope::StatusEvent;
use crate::gate::{AwaitedApproval, Blocker, Freeze};
use crate::image::Digest;
use crate::limits::{self, LONG_TEXT_CHARS};
use crate::name::{Environment, ReleaseId, Service, Site, Text};
use crate::outcome::Outcome;
use crate::rejection::{Rejection, RejectionCode};
use crate::request::{ReleaseRequest, Version1};

/// A question to the workers of every site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The version of this format: always 1.
    pub version: Version1,
    /// The question's id, chosen by the sender. The answer repeats it.
    pub id: Uuid,
    /// When the sender stops waiting for an answer.
    pub expires_at: Timestamp,
    /// What is asked.
    pub ask: Ask,
}

/// The kind of a question, and its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// Asks for everything about one release.
    Show {
        /// The id of the release.
        release: ReleaseId,
        /// The number of the last event that the sender knows: only later events are wanted. 0 asks for all.
        #[serde(default)]
        after: u64,
        /// Whether the logs of failed containers are wanted too.
        #[serde(default)]
        logs: bool,
    },
    /// Asks for the lanes: which release rolls, which wait, and which ended last.
    Status {
        /// Only lanes of this environment; of every one where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<Environment>,
        /// Only lanes of this service; of every one where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<Service>,
        /// Only lanes after this one, named `<environment>/<service>`, in the order of the answer: asks for
        /// the next page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// Asks for the releases of one lane, the newest first.
    History {
        /// The environment of the target.
        environment: Environment,
        /// The service of the target.
        service: Service,
        /// Most releases to answer with; 100 at most.
        limit: u32,
    },
    /// Gives one release a control command. A command that is sent again with the same id takes effect once.
    Control(ControlRequest),
    /// Freezes an environment: no release of it begins until the given moment; releases that roll already go
    /// on to their end.
    Freeze {
        /// The environment to freeze; every environment where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<Environment>,
        /// When the freeze ends by itself.
        until: Timestamp,
        /// Why, for the people whose releases wait.
        reason: Text<LONG_TEXT_CHARS>,
    },
    /// Ends a freeze before its time.
    Thaw {
        /// The environment to unfreeze; the freeze of every environment where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<Environment>,
    },
    /// Forgets the build numbers of one target, whose counter has started again: no release that has ended by
    /// then supersedes another one any more. A command that is sent again with the same id takes effect once.
    ForgetSequence {
        /// The environment of the target.
        environment: Environment,
        /// The service of the target.
        service: Service,
        /// Why, for the people who release the service.
        reason: Text<LONG_TEXT_CHARS>,
    },
    /// Asks which workers are there, and whether each is ready to take releases.
    Ping,
}

impl Ask {
    /// Whether every worker answers the question for itself. Such a worker says [`Reply::Heard`] first.
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
    /// The id of the release.
    pub release: ReleaseId,
    /// What the worker shall do to the release.
    pub control: Control,
    /// Why, in the words of the person who gives the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<LONG_TEXT_CHARS>>,
    /// The digest that is approved, as the answer to `show` has it; only in approvals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// One worker's answer to a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// The version of this format: always 1.
    pub version: Version1,
    /// The id of the question.
    pub question: Uuid,
    /// The name of the worker that answers.
    pub worker: String,
    /// The answer itself.
    pub reply: Reply,
}

/// The answer itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply {
    /// The release, from this worker's ledger.
    Show(Box<ReleaseView>),
    /// The lanes of this worker's ledger.
    Status(Box<StatusView>),
    /// The releases of a lane, the newest first; empty where this worker's ledger has none.
    History {
        /// The releases of the lane.
        releases: Vec<PastView>,
        /// Records of build numbers of the lane that were forgotten, the latest first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        forgotten: Vec<ForgottenSequence>,
    },
    /// The control command took effect, now or when it was sent before.
    Taken {
        /// The id of the release that the command was for.
        release: ReleaseId,
        /// What follows from the command, for a person.
        what: String,
    },
    /// The control command had no effect, and nothing was changed.
    NotTaken {
        /// The id of the release that the command was for.
        release: ReleaseId,
        /// Why the command was refused, and what can be done.
        why: String,
    },
    /// The change that was asked for is made in this worker's ledger.
    Changed {
        /// What follows from the change, for a person.
        what: String,
    },
    /// The change that was asked for is not made, and this worker's ledger is as before.
    NotChanged {
        /// Why the change is not made, and what can be done.
        why: String,
    },
    /// This worker is there.
    Pong(Pong),
    /// This worker has heard a question that every worker answers. Its answer follows.
    Heard,
    /// This worker does not know the release; another worker may.
    UnknownRelease {
        /// The release that was asked for.
        release: ReleaseId,
    },
    /// The question could not be read or answered.
    Refused {
        /// Why the question was refused, and what would be right.
        reason: String,
    },
}

/// A worker that is there, and whether it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pong {
    /// The site that the worker belongs to.
    pub site: Site,
    /// The version of the worker's program.
    pub program: String,
    /// Services that the worker rolls.
    pub services: u32,
    /// Releases in the worker's ledger that have not ended.
    pub open: u32,
    /// What keeps the worker from taking in releases: a full disk, say; absent where it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(alias = "unfit")]
    pub not_ready: Option<String>,
    /// What the worker's operator should know although the worker takes in releases, each with what to do: a
    /// policy that the broker lacks, say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concerns: Vec<String>,
}

/// A release in a lane's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PastView {
    /// The request that asked for the release.
    pub request: ReleaseRequest,
    /// The release's digest, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Where the release stands.
    pub state: ReleaseState,
    /// When the worker accepted the release, by its clock.
    pub accepted_at: Timestamp,
    /// When the release began; absent where it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the release ended; absent where it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How the release ended, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// The lanes of one worker's ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusView {
    /// Lanes of releases, in the order of environment and service, at most 1,000.
    pub lanes: Vec<LaneView>,
    /// Whether there are more lanes: ask again with `after` set to the last one.
    pub more: bool,
    /// The freezes that are in force, of all environments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<Freeze>,
}

/// One lane: the queue of one service's releases on one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaneView {
    /// The environment of the target.
    pub environment: Environment,
    /// The service of the target.
    pub service: Service,
    /// The release that rolls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<RunningView>,
    /// The first of the waiting releases, at most 10.
    pub waiting: Vec<WaitingView>,
    /// How many releases wait.
    pub waiting_count: u32,
    /// The release that ended last. A superseded one does not count, because it did nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<EndedView>,
    /// The freezes that keep the lane's releases from beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<Freeze>,
}

/// A release that rolls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunningView {
    /// The id of the release.
    pub release: ReleaseId,
    /// What a person calls its version.
    pub version: String,
    /// When it began, by the worker's clock.
    pub since: Timestamp,
    /// Hosts that are done on the desired version and healthy.
    pub good: u32,
    /// Hosts of the release; 0 until the fleet has been inspected.
    pub hosts: u32,
    /// Whether the release is being rolled back.
    pub rolling_back: bool,
    /// What the release waits for before it touches anything: a line for each host on its way in or out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaits: Vec<String>,
    /// EC2 instance ids of hosts that did not answer, and are left as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// A release that waits in its queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingView {
    /// The id of the release.
    pub release: ReleaseId,
    /// What a person calls its version.
    pub version: String,
    /// When it was accepted, by the worker's clock.
    pub since: Timestamp,
    /// The approval that the release still needs; absent where it needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<AwaitedApproval>,
    /// What else the release waits for before it may begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocker>,
}

/// A release that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndedView {
    /// The id of the release.
    pub release: ReleaseId,
    /// What a person calls its version.
    pub version: String,
    /// How the release ended.
    pub outcome: Outcome,
    /// When the release ended, by the worker's clock.
    pub at: Timestamp,
}

/// One release as its worker's ledger has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseView {
    /// The request that asked for the release.
    pub request: ReleaseRequest,
    /// The release's digest, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Where the release stands.
    pub state: ReleaseState,
    /// Events of the release after the number in the question, oldest first, at most 500.
    pub events: Vec<StatusEvent>,
    /// Whether there are more events: ask again with the number of the last one.
    pub more: bool,
    /// Logs of failed containers, where the question asked for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<HostLogs>,
}

/// Where a release stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ReleaseState {
    /// The release waits in its queue.
    Waiting {
        /// Open releases of the same target that go before it.
        ahead: u32,
        /// The approval that the release still needs; absent where it needs none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<AwaitedApproval>,
        /// What else the release waits for before it may begin.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        blockers: Vec<Blocker>,
    },
    /// The release has begun and has not ended.
    Running,
    /// The release has ended.
    Ended {
        /// How the release ended.
        outcome: Outcome,
    },
}

/// The last log lines of a container that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostLogs {
    /// The EC2 instance's id.
    pub instance: String,
    /// The log's last lines, oldest first, at most 50.
    pub lines: Vec<String>,
}

impl Question {
    /// Reads a question from a message body.
    ///
    /// # Errors
    /// A [`Rejection`] that says what is wrong with the body.
    pub fn decode(body: &[u8]) -> Result<Self, Rejection> {
        if body.len() > limits::MESSAGE_BYTES {
            return Err(Rejection::new(
                RejectionCode::TooLarge,
                format!("{} bytes", body.len()),
            ));
        }
        serde_json::from_slice(body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => {
                let hint = renamed(body).map_or(String::new(), |hint| format!("; {hint}"));
                Rejection::new(RejectionCode::Invalid, format!("{error}{hint}"))
            }
            _ => Rejection::new(RejectionCode::NotJson, error.to_string()),
        })
    }
}

/// What a question that drawgate 0.2.0 and earlier could ask is called now.
fn renamed(body: &[u8]) -> Option<&'static str> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    (body.get("ask")?.get("type")? == "order").then_some(
        "since 0.3.0 it is {\"type\": \"control\", \"control\": …}, and was {\"type\": \"order\", \"order\": …}: take the drawgate of the \
         worker's version",
    )
}
