//! Whole rolls against a small model of a fleet, in virtual time.
//!
//! `world` is the fleet, `driver` the worker's loop, `oracle` what must hold in every one of them. The files in here are
//! scenarios; `crash` goes through every one of a family.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod alarms;
mod approval;
mod commands;
mod concurrency;
mod control;
mod copies;
mod crash;
mod faults;
mod fleet;
mod gates;
mod hooks;
mod joined;
mod journal;
mod lease;
mod locks;
mod machine;
mod preflight;
mod recovery;
mod roll;
mod starting;

use drawgate_rehearsal::{sim as driver, world};
use drawgate_rollout::{Phase, Step};
use drawgate_schemas::Direction;

fn forward(n: usize, phase: Phase) -> Step {
    Step::Host {
        instance: world::id(n),
        direction: Direction::Forward,
        phase,
    }
}

fn back(n: usize, phase: Phase) -> Step {
    Step::Host {
        instance: world::id(n),
        direction: Direction::Back,
        phase,
    }
}

fn stage(n: usize) -> Step {
    Step::Stage {
        instance: world::id(n),
    }
}

fn suspend() -> Step {
    Step::Suspend {
        group: world::GROUP.to_owned(),
    }
}

fn resume() -> Step {
    Step::Resume {
        group: world::GROUP.to_owned(),
    }
}

const PHASES: [Phase; 8] = [
    Phase::Create,
    Phase::Deregister,
    Phase::Drain,
    Phase::Swap,
    Phase::Verify,
    Phase::SetRestartPolicy,
    Phase::Register,
    Phase::AwaitHealthy,
];

/// Every step of the forward way of a fleet of `n`, after the plan is made and before scaling is resumed.
fn forward_steps(n: usize) -> Vec<Step> {
    let stages = (1..=n).map(stage);
    let hosts = (1..=n).flat_map(|n| PHASES.map(|phase| forward(n, phase)));
    stages
        .chain([suspend(), Step::Silence])
        .chain(hosts)
        .chain([Step::DetectJoined])
        .collect()
}
