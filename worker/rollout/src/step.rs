//! The steps of a roll, in the words of the field.

use std::fmt;

use drawgate_schemas::{Direction, HostPhase};
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

impl Phase {
    /// What the world is told of this phase; creating a container beside the old one is nobody's news.
    pub fn shown_as(self) -> Option<HostPhase> {
        match self {
            Self::Create | Self::Enable => None,
            Self::Deregister => Some(HostPhase::Deregistering),
            Self::Drain => Some(HostPhase::Draining),
            Self::Swap => Some(HostPhase::Swapping),
            Self::Verify => Some(HostPhase::Verifying),
            Self::Register => Some(HostPhase::Registering),
            Self::Settle => Some(HostPhase::Settling),
        }
    }
}

impl Step {
    /// The instance it is about, if it is about one.
    pub fn instance(&self) -> Option<&str> {
        match self {
            Self::Stage { instance }
            | Self::CreateBefore { instance }
            | Self::RunBefore { instance }
            | Self::Host { instance, .. }
            | Self::Retire { instance } => Some(instance),
            _ => None,
        }
    }

    /// Whether it puts things back. Such a step is given more patience, and its failure stops nothing else.
    pub fn restores(&self) -> bool {
        match self {
            Self::Host { direction, .. } => *direction == Direction::Back,
            Self::Unpublish
            | Self::Resume { .. }
            | Self::SuspendAgain { .. }
            | Self::Renew
            | Self::Unsilence
            | Self::Retire { .. }
            | Self::GiveLeaseBack
            | Self::Confirm => true,
            Self::Resolve
            | Self::Order
            | Self::Inspect
            | Self::Lock
            | Self::TakeLease
            | Self::Stage { .. }
            | Self::CreateBefore { .. }
            | Self::RunBefore { .. }
            | Self::Suspend { .. }
            | Self::Silence
            | Self::LetReplace { .. }
            | Self::AwaitHealthy
            | Self::Canary
            | Self::Reserve
            | Self::Publish
            | Self::Sweep
            | Self::Watch
            | Self::Bake
            | Self::After => false,
        }
    }

    /// Whether it changes nothing of the fleet that would have to be undone.
    pub fn reads(&self) -> bool {
        matches!(
            self,
            Self::Resolve
                | Self::Order
                | Self::Inspect
                | Self::Lock
                | Self::TakeLease
                | Self::GiveLeaseBack
                | Self::Stage { .. }
                | Self::AwaitHealthy
                | Self::Canary
                | Self::Sweep
                | Self::Watch
                | Self::Bake
                | Self::Confirm
        )
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create the container",
            Self::Deregister => "deregister",
            Self::Drain => "drain",
            Self::Swap => "swap",
            Self::Verify => "verify",
            Self::Enable => "set the restart policy",
            Self::Register => "register",
            Self::Settle => "become healthy",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve => f.write_str("resolve the tag"),
            Self::Order => f.write_str("an order"),
            Self::Inspect => f.write_str("inspect the fleet"),
            Self::Lock => f.write_str("lock what is shared"),
            Self::TakeLease => f.write_str("take the fleet's lease"),
            Self::Stage { instance } => write!(f, "{instance}: pull the image"),
            Self::CreateBefore { instance } => write!(f, "{instance}: create the container of [before]"),
            Self::RunBefore { .. } => f.write_str("[before]"),
            Self::Suspend { group } => write!(f, "{group}: suspend processes"),
            Self::Silence => f.write_str("silence alarms"),
            Self::Host {
                instance,
                direction: Direction::Forward,
                phase,
            } => write!(f, "{instance}: {phase}"),
            Self::Host {
                instance,
                direction: Direction::Back,
                phase,
            } => {
                write!(f, "{instance}: {phase} (way back)")
            }
            Self::LetReplace { group } => write!(f, "{group}: let sick hosts be replaced"),
            Self::AwaitHealthy => f.write_str("wait for sick hosts"),
            Self::SuspendAgain { group } => write!(f, "{group}: suspend processes again"),
            Self::Canary => f.write_str("watch the canary"),
            Self::Reserve => f.write_str("reserve the wanted version's parameter"),
            Self::Publish => f.write_str("publish the wanted version"),
            Self::Unpublish => f.write_str("restore the wanted version of before"),
            Self::Sweep => f.write_str("look for members that joined"),
            Self::Renew => f.write_str("keep alarms muted"),
            Self::Watch => f.write_str("watched alarms"),
            Self::Bake => f.write_str("bake"),
            Self::After => f.write_str("[after]"),
            Self::Resume { group } => write!(f, "{group}: resume processes"),
            Self::Unsilence => f.write_str("enable alarm actions"),
            Self::Retire { instance } => write!(f, "{instance}: remove what is not needed"),
            Self::GiveLeaseBack => f.write_str("give the fleet's lease back"),
            Self::Confirm => f.write_str("look at the result"),
        }
    }
}
