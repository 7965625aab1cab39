//! Whole rolls against a small model of a fleet, in virtual time.
//!
//! `world` is the fleet, `driver` the worker's loop, `oracle` the rules that hold in every roll. The files in
//! this folder are scenarios; `crash` tries every one of a family.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod alarms;
mod approval;
mod awaited;
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
mod left_out;
mod locks;
mod machine;
mod preflight;
mod recovery;
mod roll;
mod scale;
mod starting;
mod times;
mod watched;

use drawgate_rehearsal::{sim as driver, world};
use drawgate_rollout::{Phase, Step};
use drawgate_schemas::{Direction, LeftoverKind, Note};

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

/// The leftovers of a roll that has ended.
fn leftovers(sim: &driver::Sim) -> Vec<LeftoverKind> {
    let receipt = sim.ended().receipt.as_ref().unwrap();
    receipt
        .leftovers
        .iter()
        .map(|leftover| leftover.what.clone())
        .collect()
}

/// The commands that mend them, in their order.
fn mends(sim: &driver::Sim) -> Vec<String> {
    let receipt = sim.ended().receipt.as_ref().unwrap();
    let commands = receipt.leftovers.iter().flat_map(|leftover| &leftover.commands);
    commands.map(ToString::to_string).collect()
}

/// The notes of a roll that has ended.
fn notes(sim: &driver::Sim) -> Vec<Note> {
    sim.ended().receipt.as_ref().unwrap().notes.clone()
}

fn resume() -> Step {
    Step::Resume {
        group: world::GROUP.to_owned(),
    }
}

const PHASES: [Phase; 8] = Phase::ALL;

/// Every step of the way forward of a fleet of `n`, after the plan is made and before scaling is resumed.
fn forward_steps(n: usize) -> Vec<Step> {
    let stages = (1..=n).map(stage);
    let hosts = (1..=n).flat_map(|n| PHASES.map(|phase| forward(n, phase)));
    stages
        .chain([suspend(), Step::Silence])
        .chain(hosts)
        .chain([Step::DetectJoined])
        .collect()
}
