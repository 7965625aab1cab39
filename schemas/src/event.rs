//! `StatusEvent` v1: what everybody may hear of a release.
//!
//! Unlike requests, events are read leniently: a consumer of version 1 passes over fields and kinds of event that a
//! newer worker adds (decision record 0004).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::control::{ForgottenSequence, Order, Ordered};
use crate::gate::{AwaitedApproval, Hold};
use crate::hook::HookProgress;
use crate::host::{HostProgress, HostRef, HostSick};
use crate::image::Digest;
use crate::limits::LONG_TEXT_CHARS;
use crate::name::{Environment, ReleaseId, Service, Text};
use crate::outcome::Ended;
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
