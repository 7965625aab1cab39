//! The journal: what a release's history is made of.

use std::collections::BTreeSet;
use std::sync::Arc;

use drawgate_schemas::{Blocker, ControlCommand, Digest, Ended, ReleaseRequest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::step::Step;
use crate::definition::Approval;
use crate::failure::{Failure, FloorKept, Obstacle};
use crate::fleet::{HostPlan, Observation, Plan};
use crate::preflight::Awaited;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// 1, 2, 3, … without a gap.
    pub n: u64,
    /// When it was written, by the worker's clock. Waits are reckoned from it; the order is `n`'s alone.
    pub at: Timestamp,
    /// What is recorded.
    pub record: Record,
}

/// What is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The worker has accepted the request, and handles it.
    Accepted {
        request: Box<ReleaseRequest>,
        /// Open releases of the same target that went before it at that moment.
        ahead: u32,
        /// The user who published it, as the broker vouches, where the message names one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        publisher: Option<String>,
        /// The approval that it needs, as the worker's files said then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<Box<Approval>>,
    },
    /// The release begins: it is the first of its queue, and nothing blocks it any more.
    Started,
    /// An operator's control command.
    #[serde(alias = "ordered")]
    Control {
        /// The command's id: a command that is sent again with the same id is taken once.
        id: String,
        /// What was commanded, and by whom.
        #[serde(alias = "ordered")]
        command: ControlCommand,
    },
    /// What blocks the release from beginning; an empty list says that nothing blocks it any more.
    #[serde(alias = "held")]
    Blocked {
        /// Freezes, and windows that are shut.
        #[serde(alias = "holds")]
        blockers: Vec<Blocker>,
    },
    /// A worker process took the release over from one that stopped: the outcomes of open intents are
    /// unknown.
    #[serde(alias = "taken_up")]
    TakenOver,
    /// The step is about to be performed. Written before the effect.
    Intent { step: Step },
    /// What came of it.
    Outcome {
        step: Step,
        /// What came of it.
        outcome: StepOutcome,
    },
    /// A host failed during the roll forward, and the failure budget allows it: this host alone goes back
    /// into service, to be retried after the others.
    #[serde(alias = "set_aside")]
    RetryLater { cause: Cause },
    /// A host that is to be retried serves again as before. Its second try begins anew.
    TryAgain {
        /// The EC2 instance's id.
        instance: String,
    },
    /// Hosts that turned unhealthy by themselves and are still to be rolled keep another one in service: they
    /// are rolled next.
    RolledNext {
        /// The sick hosts that are rolled next.
        instances: BTreeSet<String>,
        /// What kept the other host in service.
        kept: FloorKept,
    },
    /// The roll waits for hosts that turned unhealthy by themselves.
    SickWaitBegun {
        /// The host that would be taken out next.
        instance: String,
        /// What keeps it in service.
        kept: FloorKept,
        /// Past this moment the release is rolled back.
        until: Timestamp,
    },
    /// The sick hosts are healthy again, or gone, and every process is suspended as before the wait.
    SickWaitOver,
    /// The release is rolled back from here on.
    #[serde(alias = "turned_back")]
    RollingBack { cause: Cause },
    /// The end. Nothing follows.
    Ended {
        /// Outcome and receipt.
        ended: Box<Ended>,
    },
}

/// What came of one performance of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum StepOutcome {
    /// Performed, and confirmed.
    Done {
        /// What was learnt.
        evidence: Evidence,
    },
    /// Found done, and left alone.
    AlreadyDone {
        /// What was learnt.
        evidence: Evidence,
    },
    /// A definite no: another try would bring the same.
    Refused {
        /// What was refused.
        failure: Failure,
    },
    /// Not done, for certain; a later try may succeed.
    Transient {
        /// What stood in the way.
        failure: Failure,
    },
    /// It may have happened or not: the next attempt looks before anything else.
    Unknown {
        /// What is not known.
        failure: Failure,
    },
}

impl StepOutcome {
    /// Performed and confirmed, with nothing more to say.
    pub fn done() -> Self {
        Self::Done {
            evidence: Evidence::Nothing,
        }
    }

    /// Found done, with nothing more to say.
    pub fn already() -> Self {
        Self::AlreadyDone {
            evidence: Evidence::Nothing,
        }
    }

    /// What was learnt, if the step is done.
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Done { evidence } | Self::AlreadyDone { evidence } => Some(evidence),
            _ => None,
        }
    }

    /// What went wrong, if the step is not done.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Refused { failure } | Self::Transient { failure } | Self::Unknown { failure } => {
                Some(failure)
            }
            _ => None,
        }
    }
}

/// What a step that is done has learnt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "evidence", rename_all = "snake_case")]
pub enum Evidence {
    Nothing,
    /// The digest behind the tag.
    Resolved {
        digest: Digest,
    },
    /// The plan, in journals that were written before releases took locks.
    Planned {
        #[serde(with = "shared")]
        plan: Arc<Plan>,
    },
    /// Preflight passed: the fleet can be rolled as it was seen. That is certain once everything in the plan
    /// is locked.
    #[serde(alias = "fit")]
    PreflightPassed {
        #[serde(with = "shared")]
        plan: Arc<Plan>,
    },
    /// Preflight refused the fleet as it was seen. That is certain once everything in it is locked: another
    /// release may just be rolling it.
    #[serde(alias = "unfit")]
    PreflightRefused {
        /// What is to be locked.
        touches: BTreeSet<String>,
        /// Why it cannot be rolled.
        failure: Box<Failure>,
        /// What passes by itself, where nothing else is against the release.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        awaited: Option<Box<Awaited>>,
    },
    /// Everything that the release touches is locked for it.
    Locked {
        /// Whether what was seen is still true: no other release had any of it when it was looked at, or
        /// since.
        fresh: bool,
    },
    /// The permissions were tried.
    Tried {
        /// What a call could not prove either, a line each.
        unproved: Vec<String>,
    },
    /// Another worker, with another ledger, has the fleet's lease.
    LeasedToAnother {
        /// Which worker, since when, and the way out.
        failure: Failure,
    },
    /// The containers were swapped.
    Swapped {
        /// Time from the command that stopped the old container until the new one had started; `None` where
        /// nothing ran before.
        without_container_ms: Option<u64>,
    },
    /// The host is drained, but connections that the load balancer does not end are still open: the swap will
    /// cut them.
    Outlasted {
        /// The target group's name.
        target_group: String,
        /// How many are open on the host.
        connections: u64,
    },
    /// A program of the service's file ran to a good end.
    Ran {
        /// Where it ran: an instance, or the worker.
        on: String,
        /// The program's last lines.
        output: Vec<String>,
    },
    /// The instance is no longer a member of the fleet.
    Gone {
        /// How that was seen.
        why: String,
    },
    /// Members of the fleet that were not among the hosts.
    Joined {
        /// Hosts that are to be rolled.
        hosts: Vec<HostPlan>,
        /// Hosts that run the desired version already, and are not touched.
        #[serde(default, skip_serializing_if = "Vec::is_empty", alias = "adopted")]
        up_to_date: Vec<HostPlan>,
    },
    /// No other instance joined that the roll has to wait for.
    #[serde(alias = "swept")]
    NoneJoined {
        /// Instances that boot, and start the desired version by themselves.
        by_themselves: Vec<String>,
    },
    /// The desired version is published.
    Published {
        /// Since when, by AWS's clock where AWS tells.
        at: Timestamp,
    },
    /// Mute rules suppress the alarms' actions.
    Muted {
        /// When the rules end, unless they are renewed.
        until: Timestamp,
    },
    /// This release silences no alarm any more.
    Unsilenced {
        /// Alarms that other releases silence still: the last of those enables them.
        held_by_others: Vec<String>,
    },
    /// The mute rules are gone.
    Unmuted {
        /// Alarms that were still in ALARM: they do now what the rules kept them from.
        firing: Vec<String>,
    },
    /// The step was stopped before its own end, because nothing needed it any more.
    Stopped,
    /// What is there at the end.
    Observed {
        observation: Box<Observation>,
    },
}

/// Why a release is rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The step that failed.
    pub step: Step,
    /// What went wrong.
    pub failure: Failure,
    /// How often it was tried.
    pub attempts: u32,
}

impl Cause {
    /// The host that failed: that of the step, or the one that speaks against the version.
    pub fn instance(&self) -> Option<&str> {
        match self.failure.obstacle.as_deref() {
            Some(Obstacle::AgainstVersion { instance }) => Some(instance),
            _ => self.step.instance(),
        }
    }

    /// Whether a host whose turn was over speaks against the version.
    pub fn is_of_watched_host(&self) -> bool {
        matches!(
            self.failure.obstacle.as_deref(),
            Some(Obstacle::AgainstVersion { .. })
        )
    }
}

/// A value that a release and its steps share: serialized as the value alone.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(shared: &Arc<T>, to: S) -> Result<S::Ok, S::Error> {
        shared.as_ref().serialize(to)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(from).map(Arc::new)
    }
}
