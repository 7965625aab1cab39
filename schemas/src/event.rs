//! `StatusEvent` v1: what everybody may hear of a release.
//!
//! Unlike requests, events are read leniently: a consumer of version 1 passes over fields and kinds of event that a
//! newer worker adds (decision record 0004).

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::image::Digest;
use crate::limits::LONG_TEXT_CHARS;
use crate::name::{Environment, ReleaseId, Service, Text};
use crate::receipt::Receipt;
use crate::rejection::Rejection;
use crate::request::Version1;

/// One thing that happened to one release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusEvent {
    /// Always 1.
    pub version: Version1,
    /// The same when an event is sent twice.
    pub id: Uuid,
    /// The release. Absent in a `rejected` event about a message whose id could not be read, and in what is told of a target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseId>,
    /// Place among the release's events: 1, 2, 3, … without a gap. 0 in `rejected` events, which belong to a
    /// message and not to a release, and in what is told of a target.
    pub sequence: u64,
    /// When it happened, by the worker's clock.
    pub at: Timestamp,
    /// The release's environment, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The release's service, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// The worker that says so.
    pub worker: String,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The release is in the worker's ledger and will be handled.
    Accepted {
        /// What a person calls the version.
        version_name: String,
        /// The image as it was asked for.
        image: String,
        /// Releases of the same target before this one.
        ahead: u32,
        /// Who asked, as the sender said it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requested_by: Option<String>,
        /// The build's number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        build: Option<String>,
        /// Where a person finds the build.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        build_url: Option<String>,
    },
    /// A message was refused for good and lies in the dead-letter queue.
    Rejected {
        /// Why.
        #[serde(flatten)]
        rejection: Rejection,
        /// SHA-256 of the message's bytes, in hexadecimal.
        body_sha256: String,
    },
    /// The tag became a digest.
    Resolved {
        /// The digest that every host gets.
        digest: Digest,
    },
    /// The release's turn has come, its fleet was inspected and is fit to be rolled.
    Started(Box<Started>),
    /// Every host has the image.
    Staged {
        /// Hosts that have it.
        hosts: u32,
        /// The slowest pull.
        slowest_ms: u64,
    },
    /// Processes of an Auto Scaling group were suspended.
    Suspended(Suspension),
    /// Alarms were kept from acting.
    Silenced {
        /// The alarms whose actions were on, and are off or muted now.
        alarms: Vec<String>,
        /// When they act again by themselves, unless that is put off; absent where they do not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// What runs once before the first host, or after the last, came a step further.
    Hook(HookProgress),
    /// A host came a step further.
    Host(HostProgress),
    /// Every host is on the wanted version; before that is called good, the watched alarms are read for a while longer.
    Baking {
        /// The end of that while.
        until: Timestamp,
    },
    /// Nothing is done before so many people have agreed.
    AwaitsApproval(AwaitedApproval),
    /// An emergency: it passes every gate.
    Emergency {
        /// Who says so: the name that the broker vouches for.
        by: String,
        /// Why.
        reason: Text<LONG_TEXT_CHARS>,
    },
    /// Nothing is begun while these hold it; nothing holds it any more where there are none.
    Held {
        /// Each of them.
        holds: Vec<Hold>,
    },
    /// A person gave an order, and it was taken.
    Ordered(Ordered),
    /// Hosts turned unhealthy by themselves, and too few would be healthy if another one were taken out.
    HostSick(HostSick),
    /// Hosts that were sick are healthy again, or gone: the roll goes on.
    SickWaitOver,
    /// Something failed, or was cancelled: from here on the way leads back.
    TurnedBack {
        /// What failed.
        reason: String,
        /// The host it failed on, if it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance: Option<String>,
    },
    /// Members joined the fleet while it was rolled.
    Joined {
        /// Instances that are rolled too.
        rolled: Vec<String>,
        /// Instances that run the version already, and are not touched.
        adopted: Vec<String>,
        /// Instances on their way in that start the published version by themselves.
        by_themselves: Vec<String>,
    },
    /// The version is what instances start from now on that boot by themselves.
    Published {
        /// The name of the parameter that says so.
        parameter: String,
        /// What a person calls the version.
        version_name: String,
    },
    /// What instances start that boot by themselves is the version of before again.
    Unpublished {
        /// The name of the parameter that says so.
        parameter: String,
        /// What a person calls the version; `None` where none was published before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version_name: Option<String>,
    },
    /// Processes of an Auto Scaling group were resumed.
    Resumed(Suspension),
    /// Alarm actions were enabled again.
    Unsilenced {
        /// The alarms whose actions are on again.
        alarms: Vec<String>,
    },
    /// Worth a person's look; the release goes on.
    Warning {
        /// What was seen.
        text: String,
    },
    /// Another worker process took the release up where one had stopped.
    TakenUp {
        /// Steps that were under way then, and are looked at again.
        open_steps: u32,
    },
    /// The release's end. Nothing follows.
    Ended(Box<Ended>),
    /// A person had the worker forget the build numbers of a target: the next one may be of any. Told of no release.
    SequenceForgotten(ForgottenSequence),
    /// A kind of event that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// The last word of the routing key.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::Resolved { .. } => "resolved",
            Self::Started(_) => "started",
            Self::Staged { .. } => "staged",
            Self::Suspended(_) => "suspended",
            Self::Silenced { .. } => "silenced",
            Self::Hook(_) => "hook",
            Self::Host(_) => "host",
            Self::Baking { .. } => "baking",
            Self::AwaitsApproval(_) => "awaits_approval",
            Self::Emergency { .. } => "emergency",
            Self::Held { holds } if holds.is_empty() => "let_go",
            Self::Held { .. } => "held",
            Self::Ordered(ordered) => match ordered.order {
                Order::Pause => "paused",
                Order::Resume => "continued",
                Order::Cancel => "cancelling",
                Order::Approve => "approved",
                Order::Reject => "rejecting",
            },
            Self::HostSick(_) => "host_sick",
            Self::SickWaitOver => "sick_wait_over",
            Self::TurnedBack { .. } => "turned_back",
            Self::Joined { .. } => "joined",
            Self::Published { .. } => "published",
            Self::Unpublished { .. } => "unpublished",
            Self::Resumed(_) => "resumed",
            Self::Unsilenced { .. } => "unsilenced",
            Self::Warning { .. } => "warning",
            Self::TakenUp { .. } => "taken_up",
            Self::Ended(ended) => ended.outcome.as_str(),
            Self::SequenceForgotten(_) => "sequence_forgotten",
            Self::Unknown => "unknown",
        }
    }
}

/// What will be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Started {
    /// The hosts in the order of the roll.
    pub hosts: Vec<HostRef>,
    /// What runs there now, as a person calls it; `None` where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What a person calls the wanted version.
    pub to: String,
    /// The digest that every host gets; absent where the service's own programs do without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Hosts out at once, at most.
    pub max_unavailable: u32,
    /// Auto Scaling groups, by name.
    pub groups: Vec<String>,
    /// Target groups, by name.
    pub target_groups: Vec<String>,
    /// How long the roll will take, as far as can be said.
    pub expected_s: u64,
    /// What preflight saw and let pass.
    pub warnings: Vec<String>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostRef {
    /// The EC2 instance's id.
    pub instance: String,
    /// The address it is reached by.
    pub address: String,
}

/// Processes of one Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suspension {
    /// The group's name.
    pub group: String,
    /// The processes that were suspended, or resumed, by us.
    pub processes: Vec<String>,
    /// Processes that somebody else had suspended before: left alone.
    pub left_alone: Vec<String>,
}

/// Hosts that turned unhealthy by themselves, and what is done about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostSick {
    /// Which; none where the unhealthy targets are no hosts of this release.
    pub instances: Vec<String>,
    /// The target group's name.
    pub target_group: String,
    /// Healthy targets that it has.
    pub healthy: u32,
    /// Healthy targets that must be left when another host is taken out.
    pub floor: u32,
    /// What is done about them.
    pub answer: SickAnswer,
}

/// What is done about sick hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SickAnswer {
    /// They are rolled before the others: taking them out costs nothing.
    RolledNext,
    /// Nothing is taken out until they are healthy or replaced.
    Waits {
        /// Past this moment the release is rolled back.
        until: Timestamp,
    },
    /// They were waited for in vain: the release is rolled back.
    RolledBack,
}

impl fmt::Display for HostSick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target_group,
            healthy,
            floor,
            ..
        } = self;
        match self.instances.len() {
            0 => write!(
                f,
                "targets of {target_group} that are not of this release are not healthy"
            )?,
            1 => write!(
                f,
                "{} is not healthy in {target_group}",
                self.instances.join(", ")
            )?,
            _ => write!(
                f,
                "{} are not healthy in {target_group}",
                self.instances.join(", ")
            )?,
        }
        write!(f, ", where {healthy} are healthy and {floor} must be left: ")?;
        match self.answer {
            SickAnswer::RolledNext => f.write_str("rolled next"),
            SickAnswer::Waits { until } => write!(f, "waiting until {until:.0}"),
            SickAnswer::RolledBack => f.write_str("rolled back"),
        }
    }
}

/// An approval that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AwaitedApproval {
    /// Groups of the worker's file whose people may give it.
    pub from: Vec<String>,
    /// How many of them have to.
    pub count: u32,
    /// Who has.
    pub given: Vec<String>,
    /// Who may not: whoever published it, by the name that the broker vouches for.
    pub publisher: String,
    /// Without it, the release is rejected then.
    pub until: Timestamp,
}

/// What keeps a release from beginning, until a moment that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Hold {
    /// Its environment is frozen.
    Frozen(Freeze),
    /// It is not a time at which the service's file lets releases begin.
    Closed {
        /// When such a time begins.
        opens_at: Timestamp,
        /// The windows and their time zone, as the file has them.
        windows: String,
    },
}

impl Hold {
    /// When it ends by itself.
    pub fn until(&self) -> Timestamp {
        match self {
            Self::Frozen(freeze) => freeze.until,
            Self::Closed { opens_at, .. } => *opens_at,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frozen(freeze) => freeze.fmt(f),
            Self::Closed { opens_at, windows } => {
                write!(f, "waits for {opens_at:.0}: releases begin {windows}")
            }
        }
    }
}

/// No release begins meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Freeze {
    /// In which environment; in every one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Why, in the words of whoever froze it.
    pub reason: Text<LONG_TEXT_CHARS>,
    /// Who froze it: the name that the broker vouches for.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
}

impl Freeze {
    /// Whether it is of this environment.
    pub fn covers(&self, environment: &Environment) -> bool {
        self.environment
            .as_ref()
            .is_none_or(|frozen| frozen == environment)
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self
            .environment
            .as_ref()
            .map_or("everything", Environment::as_str);
        let Self {
            until, reason, by, ..
        } = self;
        write!(f, "{what} is frozen until {until:.0} by {by}: {reason}")
    }
}

/// The build numbers of a target that count no more: its counter has started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForgottenSequence {
    /// The highest of them.
    pub highest: u64,
    /// Who had it forgotten: the name that the broker vouches for.
    pub by: String,
    /// Why, in that person's words.
    pub reason: Text<LONG_TEXT_CHARS>,
    /// When.
    pub at: Timestamp,
}

impl fmt::Display for ForgottenSequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            highest, by, reason, ..
        } = self;
        write!(
            f,
            "build numbers up to {highest} were forgotten by {by}: {reason}"
        )
    }
}

/// An order that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ordered {
    /// Which.
    pub order: Order,
    /// Who gave it: the name that the broker vouches for.
    pub by: String,
    /// Why, in that person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<LONG_TEXT_CHARS>>,
    /// What it is meant for, in an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

impl Ordered {
    /// What was done, by whom, and why: "cancelled by ben: wrong branch".
    pub fn told(&self) -> String {
        let reason = self.reason.as_ref();
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        format!("{} by {}{reason}", self.order.past(), self.by)
    }
}

/// What a person may order of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Hosts that are out come back into service; then nothing is done until it is told to go on, for `max_pause` at most.
    Pause,
    /// Go on.
    Resume,
    /// End it: what was touched goes back, as after a failure.
    Cancel,
    /// Agree that this very image is released.
    Approve,
    /// Disagree: it ends before anything is touched.
    Reject,
}

impl Order {
    /// What was done to a release by it, for a line that goes on with who did it.
    pub fn past(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "told to go on",
            Self::Cancel => "cancelled",
            Self::Approve => "approved",
            Self::Reject => "rejected",
        }
    }

    /// Whether it is an answer to the question for an approval, and not a commander's word.
    pub fn answers_approval(self) -> bool {
        matches!(self, Self::Approve | Self::Reject)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Approve => "approve",
            Self::Reject => "reject",
        })
    }
}

/// How far a hook is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HookProgress {
    /// Which.
    pub hook: Hook,
    /// How far.
    pub state: HookState,
    /// The instance that it runs on; absent where that is not known, or where it is the worker itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// Which attempt this is.
    pub attempt: u32,
    /// Attempts at most.
    pub attempts: u32,
    /// From its first attempt until now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What runs once per release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// `[before]`: before the first host.
    Before,
    /// `[after]`: after the last host.
    After,
}

/// How far a hook is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookState {
    /// It runs.
    Begun,
    /// It had a good end.
    Passed,
    /// This attempt failed.
    Failed,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "[before]",
            Self::After => "[after]",
        })
    }
}

/// How far one host is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostProgress {
    /// The EC2 instance's id.
    pub instance: String,
    /// Toward the wanted version, or back.
    pub direction: Direction,
    /// What has begun, or has been reached.
    pub phase: HostPhase,
    /// Hosts that are done in this direction.
    pub done: u32,
    /// Hosts in all.
    pub total: u32,
    /// How long this phase should take, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_s: Option<u64>,
    /// What else is worth saying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Which way a host goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Toward the wanted version.
    Forward,
    /// To what ran before.
    Back,
}

/// What a host is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostPhase {
    /// Leaving its target groups.
    Deregistering,
    /// Waiting until its target groups are done with it.
    Draining,
    /// The container is being swapped.
    Swapping,
    /// The container is being checked.
    Verifying,
    /// Going back into its target groups.
    Registering,
    /// Waiting until it is healthy, and stays so.
    Settling,
    /// Healthy in every target group, on the version it was to have.
    Done,
    /// A step failed.
    Failed,
    /// The instance is no longer a member of the fleet.
    Gone,
}

/// The end of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// One line for a person.
    pub summary: String,
    /// What to do now, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What was before and is after; absent where nothing was inspected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// Every release ends in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Ord, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every host runs the wanted version; scaling, alarms and targets are as before.
    Succeeded,
    /// Something failed; every touched host runs what it ran before; scaling, alarms and targets are as before.
    RolledBack,
    /// A person ended it; restored as after a failure.
    Cancelled,
    /// It was refused before anything was looked at.
    Rejected,
    /// A newer release of the same target took its place before it began.
    Superseded,
    /// It failed before any host was touched.
    Failed,
    /// It could not be brought to a good end: a person must look. The receipt says what is left, and what to run.
    NeedsOperator,
}

impl Outcome {
    /// As it stands in routing keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::RolledBack => "rolled_back",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::NeedsOperator => "needs_operator",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RolledBack => "rolled back",
            Self::NeedsOperator => "needs an operator",
            other => other.as_str(),
        })
    }
}
