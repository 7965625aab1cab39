//! `StatusEvent` v1: one step of a release, for everybody who listens.
//!
//! Unlike requests, events are read leniently: a consumer of version 1 ignores fields and kinds of event that
//! a newer worker adds (decision record 0004).

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

/// One thing that happened to one release, or to a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusEvent {
    /// The version of this format: always 1.
    pub version: Version1,
    /// The event's id; the same when an event is sent twice.
    pub id: Uuid,
    /// The release's id. Absent in a `rejected` event about a message whose id could not be read, and in
    /// events that are about a target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseId>,
    /// The event's number among the events of its release: 1, 2, 3, … without a gap. 0 in `rejected` events,
    /// which belong to a message and not to a release, and in events that are about a target.
    pub sequence: u64,
    /// When it happened, by the worker's clock.
    pub at: Timestamp,
    /// The environment of the target; absent where it could not be read from the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The service of the target; absent where it could not be read from the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// The name of the worker that sent the event.
    pub worker: String,
    /// The event itself: its kind and the facts that belong to it.
    pub event: Event,
}

/// The kind of an event, and the facts that belong to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The release is in the worker's ledger, and the worker will handle it.
    Accepted {
        /// What a person calls the version.
        version_name: String,
        /// The image reference as the request has it.
        image: String,
        /// Open releases of the same target that go before this one.
        ahead: u32,
        /// The person who asked for the release, as the sender says it. It proves nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requested_by: Option<String>,
        /// The build's number, as its CI writes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        build: Option<String>,
        /// Address at which a person finds the build.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        build_url: Option<String>,
    },
    /// A message was refused for good, and now lies in the dead-letter queue.
    Rejected {
        /// The reason for the refusal: a code for programs and a sentence for people.
        #[serde(flatten)]
        rejection: Rejection,
        /// SHA-256 of the message's bytes, in hexadecimal.
        body_sha256: String,
    },
    /// The image's tag was resolved to a digest.
    Resolved {
        /// The digest that every host gets.
        digest: Digest,
    },
    /// The release begins: it is the first of its queue, and preflight passed.
    Started(Box<Started>),
    /// Every host has pulled the image.
    Staged {
        /// Hosts that have pulled the image.
        hosts: u32,
        /// Milliseconds that the slowest pull took.
        slowest_ms: u64,
    },
    /// Processes of an Auto Scaling group were suspended.
    #[serde(alias = "suspended")]
    ScalingSuspended(Suspension),
    /// Actions of alarms were silenced: switched off or muted.
    #[serde(alias = "silenced")]
    AlarmsSilenced {
        /// Names of the alarms whose actions were on, and are off or muted now.
        alarms: Vec<String>,
        /// When the alarms act again by themselves, unless the worker extends the mute; absent where they do
        /// not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// `[before]` or `[after]` made progress.
    Hook(HookProgress),
    /// A host made progress.
    Host(HostProgress),
    /// Every host runs the desired version. The worker watches the alarms for a while longer before the
    /// release succeeds.
    Baking {
        /// When the bake ends.
        until: Timestamp,
    },
    /// The release waits for approvals.
    AwaitsApproval(AwaitedApproval),
    /// An emergency was declared: the release passes every gate.
    Emergency {
        /// The person who declared the emergency, by the user name that the broker vouches for.
        by: String,
        /// The reason, in the words of the person who gave it.
        reason: Text<LONG_TEXT_CHARS>,
    },
    /// Freezes or shut windows block the release from beginning. An empty list means that nothing blocks it
    /// any more.
    #[serde(alias = "held")]
    Blocked {
        /// What blocks the release now.
        #[serde(alias = "holds")]
        blockers: Vec<Blocker>,
    },
    /// A person gave a control command, and the worker took it.
    #[serde(alias = "ordered")]
    Control(ControlCommand),
    /// Hosts turned unhealthy by themselves, and too few would stay healthy if another host were taken out.
    HostSick(HostSick),
    /// The sick hosts are healthy again, or gone: the roll goes on.
    SickWaitOver,
    /// Something failed, or a person cancelled the release: it is being rolled back.
    #[serde(alias = "turned_back")]
    RollingBack {
        /// The step that failed, and the failure.
        reason: String,
        /// EC2 instance id of the host that the step failed on, where it was a step of a host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance: Option<String>,
    },
    /// Instances joined the fleet while the release rolled it.
    Joined {
        /// EC2 instance ids of those that the release rolls as well.
        rolled: Vec<String>,
        /// EC2 instance ids of those that run the desired version already, and are not touched.
        #[serde(alias = "adopted")]
        up_to_date: Vec<String>,
        /// EC2 instance ids of those that still boot, and will start the desired version by themselves.
        by_themselves: Vec<String>,
    },
    /// The desired version was published: instances that boot from now on start it.
    #[serde(alias = "published")]
    DesiredPublished {
        /// Name of the SSM parameter that holds the desired version.
        parameter: String,
        /// What a person calls the version.
        version_name: String,
    },
    /// The earlier desired version was put back.
    #[serde(alias = "unpublished")]
    DesiredRestored {
        /// Name of the SSM parameter that holds the desired version.
        parameter: String,
        /// What a person calls the earlier version; absent where none was published before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version_name: Option<String>,
    },
    /// Processes of an Auto Scaling group were resumed.
    #[serde(alias = "resumed")]
    ScalingResumed(Suspension),
    /// Alarms act again: their actions are switched on, or no longer muted.
    #[serde(alias = "unsilenced")]
    AlarmsUnsilenced {
        /// Names of the alarms whose actions are on again.
        alarms: Vec<String>,
    },
    /// A person should look at something; the release goes on.
    Warning {
        /// What was seen.
        text: String,
    },
    /// A worker process took the release over from one that had stopped.
    #[serde(alias = "taken_up")]
    TakenOver {
        /// Steps that were under way at the takeover. The worker looks again at what became of them.
        open_steps: u32,
    },
    /// The release has ended: no further event follows.
    Ended(Box<Ended>),
    /// A person had the worker forget the build numbers of a target, so that its next build may have any
    /// number. This event is about a target and has no release.
    SequenceForgotten(ForgottenSequence),
    /// A kind of event that this version of the contract does not know.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// The event's kind as the last word of the routing key.
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

/// The plan of a release, when it begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Started {
    /// The hosts in the order of the roll.
    pub hosts: Vec<HostRef>,
    /// The version that ran before, as a person calls it, or several with commas between them; absent where
    /// nothing ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What a person calls the desired version.
    pub to: String,
    /// The digest that every host gets; absent where the service's own programs do without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Most hosts that are out at once.
    pub max_unavailable: u32,
    /// Names of the fleet's Auto Scaling groups.
    pub groups: Vec<String>,
    /// Names of the fleet's target groups.
    pub target_groups: Vec<String>,
    /// Estimated duration of the roll, in seconds.
    pub expected_s: u64,
    /// What preflight noticed and let pass, for a person.
    pub warnings: Vec<String>,
}

/// Suspended or resumed processes of one Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suspension {
    /// The group's name.
    pub group: String,
    /// Names of the processes that this release suspended or resumed.
    pub processes: Vec<String>,
    /// Names of the processes that somebody else had suspended before; this release leaves them alone.
    pub left_alone: Vec<String>,
}
