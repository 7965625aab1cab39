//! The search with one interleaving; `make explore` is the same with two.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod aws;
mod lane;

use drawgate_rehearsal::explore::{Interleaving, Violation, explore, fleets, replay, swarm};
use drawgate_rehearsal::{Mutant, World};

/// One interleaving, at any moment of a roll of any of the fleets. The numbers change when the possible
/// executions change.
#[test]
fn whatever_comes_between_nothing_is_left_half_way() {
    let (mut executions, mut states) = (0, 0);
    for (name, world) in fleets() {
        let found = explore(&world, 1, None);
        if let Some(violation) = found.violation {
            panic!("{name}: {} after {:?}", violation.what, violation.between);
        }
        executions += found.ends.total();
        states += found.states;
    }
    assert_eq!((executions, states), (16_725, 143_023));
}

/// A search that finds no violation in a roll with a planted mistake would find none in any roll.
#[test]
fn every_mistake_made_on_purpose_is_found() {
    let fleets = fleets();
    let mut missed = Vec::new();
    for mutant in Mutant::OF_A_ROLL {
        let finds = |(_, world): &(String, World)| {
            // The model itself may panic on a state that the mistake has made.
            let found = std::panic::catch_unwind(|| explore(world, 1, Some(mutant)));
            found.is_err() || found.is_ok_and(|found| found.violation.is_some())
        };
        if !fleets.iter().any(finds) {
            missed.push(mutant);
        }
    }
    assert_eq!(missed, []);
}

/// A violation that the search found can be replayed, entry by entry.
#[test]
fn a_violation_is_replayed_as_it_was_found() {
    let world = World::new(2, 1).by_people();
    let found = explore(&world, 1, Some(Mutant::ResumesEverything))
        .violation
        .unwrap();
    let (sim, result) = replay(&world, &found.between, Some(Mutant::ResumesEverything));
    assert_eq!(result, Err(found.what));
    assert!(sim.journal.len() > 20 && sim.release().ended.is_some());
    let (_, sound) = replay(&world, &found.between, None);
    assert_eq!(sound, Ok(()));
}

/// Larger fleets with many interleavings. `DRAWGATE_SWARM_SEED` repeats a run; `make explore` makes
/// thousands.
#[test]
fn by_chance_nothing_is_left_half_way_either() {
    let asked = std::env::var("DRAWGATE_SWARM_SEED").ok();
    let asked: Option<u64> = asked.and_then(|seed| seed.parse().ok());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let seed = asked.unwrap_or(now);
    for seed in seed..seed + 300 {
        if let Err(violation) = swarm::run(&swarm::fleet(seed), seed, None) {
            let Violation { what, between } = *violation;
            panic!("DRAWGATE_SWARM_SEED={seed}: {what} after {between:?}");
        }
    }
}

/// A mistake that shows by itself needs no interleaving; a mistake that shows in a pause needs the pause.
#[test]
fn what_does_not_matter_is_left_out_of_what_chance_finds() {
    let found = |mutant| {
        (1..200)
            .find_map(|seed| swarm::run(&swarm::fleet(seed), seed, Some(mutant)).err())
            .unwrap()
    };
    assert_eq!(found(Mutant::ResumesEverything).between, []);
    let paused = found(Mutant::WorksWhilePaused).between;
    let pause = matches!(
        paused.as_slice(),
        [(_, Interleaving::Paused | Interleaving::PausedForEver)]
    );
    assert!(pause, "{paused:?}");
}
