//! The steps of a roll, in the words of the field.

use drawgate_schemas::Direction;
use serde::{Deserialize, Serialize};

/// One effect. Each is performed as look, act, confirm: doing it twice is harmless.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Ask the registry which digest the tag stands for.
    Resolve,
    /// A person's order, or a pause that was too long. It is the cause of a turn, and is never performed.
    Order,
    /// Look at the fleet and make the plan. Reads only.
    Inspect,
    /// Lock every group, target group and instance of the plan for this release; while another release has one of
    /// them, wait.
    Lock,
    /// Take the fleet's lease, which lies outside the ledger: another worker may not know this ledger at all. Taken again
    /// by whoever takes the release up.
    TakeLease,
    /// Pull the image on one host.
    Stage {
        /// The EC2 instance's id.
        instance: String,
    },
    /// Create the one-off container of `[before]` on one host, without starting it. A step of its own: what was only
    /// created has not run, whatever happened to the worker.
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
    /// Write the wanted version's parameter with the value it has, or with one that wants nothing where there was none:
    /// whether it may be written at all is known before a host is touched.
    Reserve,
    /// One phase of one host.
    Host {
        /// The EC2 instance's id.
        instance: String,
        /// Toward the wanted version, or back.
        direction: Direction,
        /// Which phase.
        phase: Phase,
    },
    /// Let Auto Scaling replace sick hosts of a group for a while: HealthCheck, then mark the hosts healthy that are so and that we
    /// had out, then ReplaceUnhealthy.
    LetReplace {
        /// The group's name.
        group: String,
    },
    /// Wait until the host whose turn it is may be taken out. Reads only.
    AwaitHealthy,
    /// Suspend again what was resumed to let sick hosts be replaced.
    SuspendAgain {
        /// The group's name.
        group: String,
    },
    /// Watch the first hosts for their bake time: healthy and running all along. Reads only.
    Canary,
    /// Publish the wanted version: instances that boot from now on start it.
    Publish,
    /// Look whether every member of the fleet is among the hosts that were rolled; others join.
    Sweep,
    /// Run `[after]`, once.
    After,
    /// Give the wanted version's parameter its value of before, or delete it.
    Unpublish,
    /// Put off the end of the mute rules. Goes on beside other steps, both ways.
    Renew,
    /// Read the watched alarms again and again; one that goes into ALARM ends it. Goes on beside other steps. Reads only.
    Watch,
    /// Wait until the bake is over, then read the watched alarms once more. Reads only.
    Bake,
    /// Resume the processes that were suspended by us, in the order that terminates nobody; untag.
    Resume {
        /// The group's name.
        group: String,
    },
    /// Enable the alarm actions that were disabled by us; untag.
    Unsilence,
    /// Remove what one host does not need any more.
    Retire {
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
    /// Create the new container beside the old one.
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
    Enable,
    /// Look whether the instance is still a member, then register every target as it was.
    Register,
    /// Wait until every target is healthy, and stays so; untag the instance.
    Settle,
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
