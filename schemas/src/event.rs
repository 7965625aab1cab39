//! What happened to a release: a kind of event with the facts that belong to it. The envelope is `envelope.rs`, what a kind means
//! `kind.rs`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::control::{Control, ControlCommand, ForgottenSequence};
use crate::gate::{AwaitedApproval, Blocker};
use crate::hook::HookProgress;
use crate::host::{HostProgress, HostRef, HostSick};
use crate::image::Digest;
use crate::kind::Kind;
use crate::limits::LONG_TEXT_CHARS;
use crate::name::Text;
use crate::outcome::{Ended, Outcome};
use crate::rejection::Rejection;

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
    /// Another release has locked something that this one needs.
    WaitsForLock {
        /// The thing, and the release that has it.
        reason: String,
    },
    /// The canary's bake time is over, and the first hosts are healthy: the other hosts follow.
    CanaryPassed,
    /// Connections that outlast the deregistration delay end with the old container.
    ConnectionsCut {
        /// The EC2 instance's id.
        instance: String,
        /// The target group's name.
        target_group: String,
        /// How many connections are open on the host.
        connections: u64,
    },
    /// A host failed. The failure budget allows it: this host alone is rolled back, and retried after the others.
    HostRetryLater {
        /// The EC2 instance's id.
        instance: String,
        /// The step that failed, and the failure.
        reason: String,
        /// Hosts that have failed so far, this one included.
        failed: u32,
        /// Hosts that may fail: `failure_budget` in the service's file.
        budget: u32,
    },
    /// A host that failed serves as before, and is retried after the others.
    HostBack {
        /// The EC2 instance's id.
        instance: String,
    },
    /// The first attempt of a step failed, and the step is tried again. Later attempts are not told.
    Setback {
        /// The step, in words.
        step: String,
        /// The failure.
        reason: String,
    },
    /// Mute rules end by themselves, and AWS refused to extend them.
    MuteRulesNotExtended {
        /// What AWS said.
        reason: String,
    },
    /// Alarms were in ALARM when they began to act again: they do now what they were kept from.
    AlarmsFiring {
        /// Names of the alarms.
        alarms: Vec<String>,
    },
    /// `[after]` failed for good. The service's file has that only reported, so the release goes on.
    AfterFailed {
        /// The failure.
        reason: String,
    },
    /// The tag was moved while the release ran. Every host got the digest that the tag stood for at first.
    TagMoved {
        /// The image as it was asked for.
        image: String,
        /// The digest that every host got.
        digest: Digest,
        /// The digest that the tag points to now.
        now: Digest,
    },
    /// Something that drawgate 0.2.0 and earlier told in words. This version has a kind for each such thing.
    Warning {
        /// The words.
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
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Accepted { .. } => Kind::Accepted,
            Self::Rejected { .. } => Kind::Rejected,
            Self::Resolved { .. } => Kind::Resolved,
            Self::Started(_) => Kind::Started,
            Self::Staged { .. } => Kind::Staged,
            Self::ScalingSuspended(_) => Kind::ScalingSuspended,
            Self::AlarmsSilenced { .. } => Kind::AlarmsSilenced,
            Self::Hook(_) => Kind::Hook,
            Self::Host(_) => Kind::Host,
            Self::Baking { .. } => Kind::Baking,
            Self::AwaitsApproval(_) => Kind::AwaitsApproval,
            Self::Emergency { .. } => Kind::Emergency,
            Self::Blocked { blockers } if blockers.is_empty() => Kind::Unblocked,
            Self::Blocked { .. } => Kind::Blocked,
            Self::Control(command) => match command.control {
                Control::Pause => Kind::Paused,
                Control::Resume => Kind::Resumed,
                Control::Cancel => Kind::CancelRequested,
                Control::Approve => Kind::Approved,
                Control::Reject => Kind::RejectRequested,
            },
            Self::HostSick(_) => Kind::HostSick,
            Self::SickWaitOver => Kind::SickWaitOver,
            Self::RollingBack { .. } => Kind::RollingBack,
            Self::Joined { .. } => Kind::Joined,
            Self::DesiredPublished { .. } => Kind::DesiredPublished,
            Self::DesiredRestored { .. } => Kind::DesiredRestored,
            Self::ScalingResumed(_) => Kind::ScalingResumed,
            Self::AlarmsUnsilenced { .. } => Kind::AlarmsUnsilenced,
            Self::WaitsForLock { .. } => Kind::WaitsForLock,
            Self::CanaryPassed => Kind::CanaryPassed,
            Self::ConnectionsCut { .. } => Kind::ConnectionsCut,
            Self::HostRetryLater { .. } => Kind::HostRetryLater,
            Self::HostBack { .. } => Kind::HostBack,
            Self::Setback { .. } => Kind::Setback,
            Self::MuteRulesNotExtended { .. } => Kind::MuteRulesNotExtended,
            Self::AlarmsFiring { .. } => Kind::AlarmsFiring,
            Self::AfterFailed { .. } => Kind::AfterFailed,
            Self::TagMoved { .. } => Kind::TagMoved,
            Self::Warning { .. } => Kind::Warning,
            Self::TakenOver { .. } => Kind::TakenOver,
            Self::Ended(ended) => match ended.outcome {
                Outcome::Succeeded => Kind::Succeeded,
                Outcome::RolledBack => Kind::RolledBack,
                Outcome::Cancelled => Kind::Cancelled,
                Outcome::Rejected => Kind::Rejected,
                Outcome::Superseded => Kind::Superseded,
                Outcome::Failed => Kind::Failed,
                Outcome::NeedsOperator => Kind::NeedsOperator,
            },
            Self::SequenceForgotten(_) => Kind::SequenceForgotten,
            Self::Unknown => Kind::Unknown,
        }
    }

    /// The words for an event that needs no more than a line, the same in a terminal and in a rehearsal; `None` where its
    /// reader makes more of it.
    pub fn in_a_line(&self) -> Option<String> {
        Some(match self {
            Self::WaitsForLock { reason } => reason.clone(),
            Self::CanaryPassed => "the canary is healthy: the other hosts follow".to_owned(),
            Self::ConnectionsCut {
                instance,
                target_group,
                connections,
            } => format!(
                "{instance}: {connections} connections through {target_group} outlast the deregistration delay, and end \
                 with the old container"
            ),
            Self::HostRetryLater {
                instance,
                reason,
                failed,
                budget,
            } => format!(
                "{instance}: {reason}; this host alone is rolled back ({failed} of {budget} in the failure budget)"
            ),
            Self::HostBack { instance } => {
                format!("{instance} serves as before, and is retried after the others")
            }
            Self::Setback { step, reason } => format!("{step}: {reason}"),
            Self::MuteRulesNotExtended { reason } => {
                format!("mute rules end by themselves, and could not be extended: {reason}")
            }
            Self::AlarmsFiring { alarms } => {
                format!("in ALARM still, and acting on it now: {}", alarms.join(", "))
            }
            Self::AfterFailed { reason } => format!(
                "[after] FAILED: {reason}; the service's file says on_failure = \"report\", so the release goes on"
            ),
            Self::TagMoved { image, digest, now } => {
                format!("{image} moved meanwhile and is {now} now; every host got {digest}")
            }
            Self::SickWaitOver => "no host is sick any more: the roll goes on".to_owned(),
            Self::Warning { text } => text.clone(),
            _ => return None,
        })
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
