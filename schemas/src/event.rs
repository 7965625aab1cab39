//! `StatusEvent` v1: what everybody may hear of a release.
//!
//! Unlike requests, events are read leniently: a consumer of version 1 passes over fields and kinds of event that a
//! newer worker adds (decision record 0004).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::control::{Control, ControlCommand, ForgottenSequence};
use crate::gate::{AwaitedApproval, Blocker};
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
    /// The release begins: it is the first of its queue, and preflight passed.
    Started(Box<Started>),
    /// Every host has the image.
    Staged {
        /// Hosts that have it.
        hosts: u32,
        /// The slowest pull.
        slowest_ms: u64,
    },
    /// Processes of an Auto Scaling group were suspended.
    #[serde(alias = "suspended")]
    ScalingSuspended(Suspension),
    /// Alarms were kept from acting.
    #[serde(alias = "silenced")]
    AlarmsSilenced {
        /// The alarms whose actions were on, and are off or muted now.
        alarms: Vec<String>,
        /// When they act again by themselves, unless that is put off; absent where they do not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// `[before]` or `[after]` came a step further.
    Hook(HookProgress),
    /// A host came a step further.
    Host(HostProgress),
    /// Every host runs the desired version; the watched alarms are read for a while longer before the release succeeds.
    Baking {
        /// The end of that while.
        until: Timestamp,
    },
    /// The release waits for the approval of so many people.
    AwaitsApproval(AwaitedApproval),
    /// An emergency: it passes every gate.
    Emergency {
        /// Who says so: the name that the broker vouches for.
        by: String,
        /// Why.
        reason: Text<LONG_TEXT_CHARS>,
    },
    /// Freezes or shut windows block the release from beginning; none does any more where there are none.
    #[serde(alias = "held")]
    Blocked {
        /// What blocks it.
        #[serde(alias = "holds")]
        blockers: Vec<Blocker>,
    },
    /// A person gave a control command, and it was taken.
    #[serde(alias = "ordered")]
    Control(ControlCommand),
    /// Hosts turned unhealthy by themselves, and too few would be healthy if another one were taken out.
    HostSick(HostSick),
    /// Hosts that were sick are healthy again, or gone: the roll goes on.
    SickWaitOver,
    /// Something failed, or a person cancelled the release: it is rolled back.
    #[serde(alias = "turned_back")]
    RollingBack {
        /// What failed.
        reason: String,
        /// The host it failed on, if it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance: Option<String>,
    },
    /// Instances joined the fleet while it was rolled.
    Joined {
        /// Instances that are rolled too.
        rolled: Vec<String>,
        /// Instances that run the version already, and are not touched.
        #[serde(alias = "adopted")]
        up_to_date: Vec<String>,
        /// Instances that still boot, and start the desired version by themselves.
        by_themselves: Vec<String>,
    },
    /// The desired version was published: instances that boot from now on start it.
    #[serde(alias = "published")]
    DesiredPublished {
        /// The name of the parameter that holds it.
        parameter: String,
        /// What a person calls the version.
        version_name: String,
    },
    /// The desired version is the one of before again.
    #[serde(alias = "unpublished")]
    DesiredRestored {
        /// The name of the parameter that holds it.
        parameter: String,
        /// What a person calls the version; `None` where none was published before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version_name: Option<String>,
    },
    /// Processes of an Auto Scaling group were resumed.
    #[serde(alias = "resumed")]
    ScalingResumed(Suspension),
    /// Alarm actions were enabled again.
    #[serde(alias = "unsilenced")]
    AlarmsUnsilenced {
        /// The alarms whose actions are on again.
        alarms: Vec<String>,
    },
    /// Worth a person's look; the release goes on.
    Warning {
        /// What was seen.
        text: String,
    },
    /// A worker process took the release over from one that had stopped.
    #[serde(alias = "taken_up")]
    TakenOver {
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
            Self::ScalingSuspended(_) => "scaling_suspended",
            Self::AlarmsSilenced { .. } => "alarms_silenced",
            Self::Hook(_) => "hook",
            Self::Host(_) => "host",
            Self::Baking { .. } => "baking",
            Self::AwaitsApproval(_) => "awaits_approval",
            Self::Emergency { .. } => "emergency",
            Self::Blocked { blockers } if blockers.is_empty() => "unblocked",
            Self::Blocked { .. } => "blocked",
            Self::Control(command) => match command.control {
                Control::Pause => "paused",
                Control::Resume => "resumed",
                Control::Cancel => "cancel_requested",
                Control::Approve => "approved",
                Control::Reject => "reject_requested",
            },
            Self::HostSick(_) => "host_sick",
            Self::SickWaitOver => "sick_wait_over",
            Self::RollingBack { .. } => "rolling_back",
            Self::Joined { .. } => "joined",
            Self::DesiredPublished { .. } => "desired_published",
            Self::DesiredRestored { .. } => "desired_restored",
            Self::ScalingResumed(_) => "scaling_resumed",
            Self::AlarmsUnsilenced { .. } => "alarms_unsilenced",
            Self::Warning { .. } => "warning",
            Self::TakenOver { .. } => "taken_over",
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
    /// What a person calls the desired version.
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
