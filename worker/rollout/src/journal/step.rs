//! The steps of a roll, in the words of the field.

use drawgate_schemas::Direction;
use serde::{Deserialize, Serialize};

/// One effect. Each is performed as look, act, confirm: doing it twice is harmless.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Ask the registry which digest the tag stands for.
    Resolve,
    /// A control command, or a pause beyond `max_pause`. It is only the cause of a rollback, and is never
    /// performed.
    #[serde(alias = "order")]
    Control,
    /// Look at the fleet and make the plan. Reads only.
    Inspect,
    /// Lock every group, target group and instance of the plan for this release; wait while another release
    /// has one of them.
    Lock,
    /// Take the fleet's lease, which lies outside the ledger because another worker may not know this ledger
    /// at all. Each worker that takes the release over takes the lease again.
    TakeLease,
    /// Prove by calls that change nothing what IAM could not say of the release's permissions.
    ProvePermissions,
    /// Pull the image on one host.
    Stage {
        /// The EC2 instance's id.
        instance: String,
    },
    /// Create the one-off container of `[before]` on one host, without starting it. This is a step of its
    /// own, because a container that was only created has not run, whatever happened to the worker.
    CreateBefore {
        /// The EC2 instance's id.
        instance: String,
    },
    /// Start that container unless it has run already, and wait for its end.
    RunBefore {
        /// The EC2 instance's id.
        instance: String,
    },
    /// Tag one Auto Scaling group with the processes to be suspended, then suspend them.
    Suspend {
        /// The group's name.
        group: String,
    },
    /// Tag the alarms whose actions are on, then disable the actions.
    Silence,
    /// Write the desired version's parameter with the value it has, or with a placeholder where there was
    /// none, so that it is known before a host is touched whether the worker may write the parameter at all.
    #[serde(alias = "reserve")]
    ReserveDesired,
    /// One phase of one host.
    Host {
        /// The EC2 instance's id.
        instance: String,
        /// Toward the desired version, or back.
        direction: Direction,
        phase: Phase,
    },
    /// Let Auto Scaling replace sick hosts of a group for a while: resume HealthCheck, then mark the hosts
    /// healthy that are healthy and that we had out, then resume ReplaceUnhealthy.
    LetReplace {
        /// The group's name.
        group: String,
    },
    /// Wait until the next host may be taken out without falling below the floor. Reads only.
    #[serde(alias = "await_healthy")]
    AwaitFloor,
    /// Suspend again what was resumed to let sick hosts be replaced.
    SuspendAgain {
        /// The group's name.
        group: String,
    },
    /// Watch the first hosts for their bake time: healthy and running all along. Reads only.
    Canary,
    /// Publish the desired version: instances that boot from now on start it.
    #[serde(alias = "publish")]
    PublishDesired,
    /// Look for members of the fleet that are not among the hosts of this release: they have joined.
    #[serde(alias = "sweep")]
    DetectJoined,
    /// Run `[after]`, once.
    #[serde(alias = "after")]
    RunAfter,
    /// Give the desired version's parameter its earlier value, or delete it.
    #[serde(alias = "unpublish")]
    RestoreDesired,
    /// Extend the mute rules when they are about to end. Goes on alongside other steps, forward and back.
    Renew,
    /// Read the watched alarms again and again; an alarm that goes into ALARM ends the step. Goes on
    /// alongside other steps. Reads only.
    Watch,
    /// Look at the hosts whose turn is over again and again; one that speaks against the version ends the step.
    /// Goes on alongside other steps, from the first such host to the end of the bake. Reads only.
    WatchHosts,
    /// Wait until the bake is over, then read the watched alarms and look at the watched hosts once more. Reads
    /// only.
    Bake,
    /// Resume the processes that we suspended, in the order that terminates no instance; untag the group.
    Resume {
        /// The group's name.
        group: String,
    },
    /// Enable the alarm actions that we disabled; untag the alarms.
    Unsilence,
    /// Remove what one host no longer needs.
    #[serde(alias = "retire")]
    CleanUp {
        /// The EC2 instance's id.
        instance: String,
    },
    /// Give the fleet's lease back.
    GiveLeaseBack,
    /// Look at everything that was touched, for the receipt. Reads only.
    Confirm,
}

/// The phases of one host, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Create the new container, without starting it.
    Create,
    /// Tag the instance with its targets, then deregister it everywhere.
    Deregister,
    /// Wait until no target group has it, not even draining.
    Drain,
    /// Stop the one container, start the other.
    Swap,
    /// Check the container, once.
    Verify,
    /// Give the container the restart policy it is to keep.
    #[serde(alias = "enable")]
    SetRestartPolicy,
    /// Look whether the instance is still a member, then register every target as it was.
    Register,
    /// Wait until every target is healthy, and stays so; untag the instance.
    #[serde(alias = "settle")]
    AwaitHealthy,
}

impl Phase {
    /// Every phase, in the order in which a host goes through them.
    pub const ALL: [Self; 8] = [
        Self::Create,
        Self::Deregister,
        Self::Drain,
        Self::Swap,
        Self::Verify,
        Self::SetRestartPolicy,
        Self::Register,
        Self::AwaitHealthy,
    ];
}

impl Step {
    /// A phase of a host as a step.
    pub fn on_host(instance: &str, direction: Direction, phase: Phase) -> Self {
        Self::Host {
            instance: instance.to_owned(),
            direction,
            phase,
        }
    }
}
