//! The kinds of event, each described once: its name, how much it matters, and whom it concerns.

use serde::Serialize;

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The release does what it is expected to do.
    Info,
    /// A person had a part in it, or will see that something takes longer.
    Notice,
    /// Something is not as it should be, and the release goes on.
    Warning,
    /// The release does not do what was asked for.
    Error,
}

/// Whom an event concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Concerns {
    /// Everybody who follows the release.
    Progress,
    /// A person who has to act, or has to know at once.
    Person,
    /// Everybody who waits for the end of the release.
    Outcome,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $severity:ident, $concerns:ident;)*) => {
        /// A kind of event: what the last word of its routing key and the `type` of its envelope say.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The last word of the routing key.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// How much events of this kind matter.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$kind => Severity::$severity,)* }
            }

            /// Whom events of this kind concern.
            pub const fn concerns(self) -> Concerns {
                match self { $(Self::$kind => Concerns::$concerns,)* }
            }
        }
    };
}

kinds! {
    /// The release is in the worker's ledger.
    Accepted = "accepted", Info, Progress;
    /// A message was refused, or a release ended before it began.
    Rejected = "rejected", Error, Outcome;
    /// The tag became a digest.
    Resolved = "resolved", Info, Progress;
    /// Somebody has to approve the release.
    AwaitsApproval = "awaits_approval", Notice, Person;
    /// The release passes every gate.
    Emergency = "emergency", Warning, Person;
    /// A freeze or a shut window blocks the release.
    Blocked = "blocked", Notice, Progress;
    /// Nothing blocks the release any more.
    Unblocked = "unblocked", Info, Progress;
    /// Another release has something that this one needs.
    WaitsForLock = "waits_for_lock", Info, Progress;
    /// The release begins.
    Started = "started", Info, Progress;
    /// Every host has the image.
    Staged = "staged", Info, Progress;
    /// A hook came a step further.
    Hook = "hook", Info, Progress;
    /// `[after]` failed, and the service's file has its failure only reported.
    AfterFailed = "after_failed", Warning, Person;
    /// Processes of a group were suspended.
    ScalingSuspended = "scaling_suspended", Info, Progress;
    /// Processes of a group were resumed.
    ScalingResumed = "scaling_resumed", Info, Progress;
    /// Alarms were kept from acting.
    AlarmsSilenced = "alarms_silenced", Info, Progress;
    /// Alarms act again.
    AlarmsUnsilenced = "alarms_unsilenced", Info, Progress;
    /// Alarms were in ALARM when they began to act again.
    AlarmsFiring = "alarms_firing", Warning, Person;
    /// Mute rules end by themselves, and could not be extended.
    MuteRulesNotExtended = "mute_rules_not_extended", Warning, Person;
    /// A host came a step further.
    Host = "host", Info, Progress;
    /// The first hosts were watched, and are healthy.
    CanaryPassed = "canary_passed", Info, Progress;
    /// Open connections end with the old container.
    ConnectionsCut = "connections_cut", Warning, Progress;
    /// A host failed, and is retried after the others.
    HostRetryLater = "host_retry_later", Warning, Progress;
    /// A host that failed serves as before.
    HostBack = "host_back", Info, Progress;
    /// An attempt of a step failed, and is made again.
    Setback = "setback", Warning, Progress;
    /// Hosts turned unhealthy by themselves.
    HostSick = "host_sick", Warning, Person;
    /// No host is sick any more.
    SickWaitOver = "sick_wait_over", Info, Progress;
    /// Instances joined the fleet.
    Joined = "joined", Info, Progress;
    /// The desired version was published.
    DesiredPublished = "desired_published", Info, Progress;
    /// The desired version is the earlier one again.
    DesiredRestored = "desired_restored", Info, Progress;
    /// The watched alarms are read for a while longer.
    Baking = "baking", Info, Progress;
    /// The tag points to another digest by now.
    TagMoved = "tag_moved", Warning, Person;
    /// A person paused the release.
    Paused = "paused", Notice, Progress;
    /// A person resumed the release.
    Resumed = "resumed", Notice, Progress;
    /// A person cancelled the release.
    CancelRequested = "cancel_requested", Notice, Progress;
    /// A person approved the release.
    Approved = "approved", Notice, Progress;
    /// A person refused to approve the release.
    RejectRequested = "reject_requested", Notice, Progress;
    /// The release is rolled back.
    RollingBack = "rolling_back", Error, Progress;
    /// A worker process took the release over.
    TakenOver = "taken_over", Notice, Progress;
    /// Something worth a look that drawgate 0.2.0 had no kind for.
    Warning = "warning", Warning, Progress;
    /// The end: every host runs the desired version.
    Succeeded = "succeeded", Info, Outcome;
    /// The end: everything is as before.
    RolledBack = "rolled_back", Error, Outcome;
    /// The end: a person cancelled it.
    Cancelled = "cancelled", Notice, Outcome;
    /// The end: a later build took its place.
    Superseded = "superseded", Info, Outcome;
    /// The end: it failed before a host was touched.
    Failed = "failed", Error, Outcome;
    /// The end: a person has to mend something.
    NeedsOperator = "needs_operator", Error, Person;
    /// The build numbers of a target were forgotten.
    SequenceForgotten = "sequence_forgotten", Notice, Progress;
    /// A kind that this version does not know.
    Unknown = "unknown", Info, Progress;
}
