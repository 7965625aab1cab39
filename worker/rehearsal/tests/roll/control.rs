//! Control commands: cancel, pause and resume at every moment, and commands that come too late.

use drawgate_rollout::{Phase, Step};
use drawgate_schemas::{Control, Event, Outcome};

use crate::driver::{Sim, by_ben};
use crate::world::{Extent, Fault, World};
use crate::{back, forward, stage};

const MINUTE_MS: u64 = 60_000;

fn fleets() -> [World; 6] {
    [
        World::new(1, 1),
        World::new(2, 1),
        World::new(3, 1),
        World::new(3, 2),
        World::new(2, 1).watched(30_000),
        World::new(2, 1).commanded(),
    ]
}

/// The roll with these control commands, each given once the journal has so many entries.
fn command(world: &World, commands: &[(usize, Control)]) -> Sim {
    let mut sim = Sim::new(world.clone());
    sim.commands = commands
        .iter()
        .map(|(at, control)| (*at, by_ben(*control)))
        .collect();
    sim
}

fn entries(world: &World) -> usize {
    Sim::new(world.clone()).finish().journal.len()
}

#[test]
fn cancelled_at_every_moment_all_is_as_before() {
    let (mut taken, mut late) = (0, 0);
    for world in fleets() {
        for at in 1..entries(&world) {
            let sim = command(&world, &[(at, Control::Cancel)]).finish();
            if sim.not_taken.is_empty() {
                assert_eq!(
                    sim.outcome(),
                    Outcome::Cancelled,
                    "at {at}: {}",
                    sim.ended().summary
                );
                assert!(
                    sim.ended().summary.starts_with("cancelled by ben; "),
                    "{}",
                    sim.ended().summary
                );
                taken += 1;
            } else {
                assert_eq!(sim.outcome(), Outcome::Succeeded, "at {at}");
                assert!(
                    sim.not_taken[0].contains("every host is through"),
                    "{:?}",
                    sim.not_taken
                );
                late += 1;
            }
        }
    }
    assert_eq!((taken, late), (310, 58));
}

#[test]
fn cancelled_at_every_moment_and_the_worker_killed_then() {
    let mut executions = 0;
    for world in fleets() {
        for at in 1..entries(&world) {
            for extent in [Extent::None, Extent::Whole] {
                let mut sim = command(&world, &[(at, Control::Cancel)]);
                sim.kill_at = Some(at + 1);
                if sim.run().is_ok() || !sim.not_taken.is_empty() || sim.release().cancelled.is_none() {
                    continue;
                }
                let extents = vec![extent; sim.flights.len()];
                sim.die(&extents, 5_000);
                assert_eq!(sim.finish().outcome(), Outcome::Cancelled, "at {at} {extent:?}");
                executions += 1;
            }
        }
    }
    assert_eq!(executions, 596);
}

#[test]
fn paused_at_every_moment_and_told_to_go_on() {
    let (mut taken, mut late) = (0, 0);
    for world in fleets() {
        for at in 1..entries(&world) {
            let mut sim = command(&world, &[(at, Control::Pause)]);
            sim.rests_ms = Some(50 * MINUTE_MS);
            let sim = sim.finish();
            assert_eq!(
                sim.outcome(),
                Outcome::Succeeded,
                "at {at}: {}",
                sim.ended().summary
            );
            if sim.not_taken.is_empty() {
                let said = |control| {
                    let is = move |event: &&Event| matches!(event, Event::Control(given) if given.control == control);
                    sim.events.iter().filter(is).count()
                };
                assert_eq!((said(Control::Pause), said(Control::Resume)), (1, 1), "at {at}");
                taken += 1;
            } else {
                late += 1;
            }
        }
    }
    assert_eq!((taken, late), (310, 58));
}

#[test]
fn paused_at_every_moment_and_the_worker_killed_then() {
    let mut executions = 0;
    for world in fleets() {
        for at in 1..entries(&world) {
            for extent in [Extent::None, Extent::Whole] {
                let mut sim = command(&world, &[(at, Control::Pause)]);
                sim.rests_ms = Some(MINUTE_MS);
                sim.kill_at = Some(at + 1);
                if sim.run().is_ok() || sim.release().paused.is_none() {
                    continue;
                }
                let extents = vec![extent; sim.flights.len()];
                sim.die(&extents, 5_000);
                assert_eq!(sim.finish().outcome(), Outcome::Succeeded, "at {at} {extent:?}");
                executions += 1;
            }
        }
    }
    assert_eq!(executions, 596);
}

#[test]
fn trap_09_paused_for_ever_leads_back_at_every_moment() {
    let mut executions = 0;
    for world in fleets() {
        for at in 1..entries(&world) {
            let sim = command(&world, &[(at, Control::Pause)]).finish();
            if !sim.not_taken.is_empty() {
                continue;
            }
            let ended = sim.ended();
            assert!(
                matches!(ended.outcome, Outcome::RolledBack | Outcome::Failed),
                "at {at}: {}",
                ended.summary
            );
            assert!(
                ended.summary.contains("paused by ben and not resumed"),
                "{}",
                ended.summary
            );
            assert!(sim.world.suspended().is_empty());
            executions += 1;
        }
    }
    assert_eq!(executions, 310);
}

#[test]
fn cancelled_while_it_is_paused() {
    for world in fleets() {
        for at in 1..entries(&world) {
            let sim = command(&world, &[(at, Control::Pause), (at + 1, Control::Cancel)]).finish();
            if sim.not_taken.is_empty() {
                assert_eq!(sim.outcome(), Outcome::Cancelled, "at {at}");
            }
        }
    }
}

#[test]
fn nothing_stops_a_rollback() {
    let world = World::new(2, 1).with(forward(2, Phase::Verify), Fault::Refused, usize::MAX);
    let calm = Sim::new(world.clone()).finish();
    let turned = calm
        .journal
        .iter()
        .position(|entry| matches!(entry.record, drawgate_rollout::Record::RollingBack { .. }));
    for at in turned.unwrap() + 1..calm.journal.len() {
        for control in [Control::Pause, Control::Cancel, Control::Resume] {
            let sim = command(&world, &[(at, control)]).finish();
            assert_eq!(sim.outcome(), Outcome::RolledBack);
            assert!(
                sim.not_taken[0].contains("rolling back already"),
                "{:?}",
                sim.not_taken
            );
        }
    }
}

#[test]
fn an_order_that_says_what_is_so_already_is_not_taken() {
    let mut sim = command(
        &World::new(2, 1),
        &[(20, Control::Resume), (20, Control::Pause), (21, Control::Pause)],
    );
    sim.rests_ms = Some(MINUTE_MS);
    let sim = sim.finish();
    assert_eq!(
        sim.not_taken,
        ["it is not paused", "it was paused by ben already"]
    );
    assert_eq!(sim.outcome(), Outcome::Succeeded);
}

/// A host that fails while the roll comes to rest causes a rollback, as at any other time.
#[test]
fn a_host_that_fails_while_it_is_paused_takes_all_back() {
    let step = forward(1, Phase::AwaitHealthy);
    let world = World::new(3, 1).with(step.clone(), Fault::Refused, usize::MAX);
    let calm = Sim::new(world.clone()).finish();
    let begun = calm.journal.iter().position(
        |entry| matches!(&entry.record, drawgate_rollout::Record::Intent { step: begun } if *begun == step),
    );
    let sim = command(&world, &[(begun.unwrap(), Control::Pause)]).finish();
    assert_eq!(sim.outcome(), Outcome::RolledBack);
    assert!(sim.world.performed.contains(&back(1, Phase::AwaitHealthy)));
}

/// A step that failed for a moment before the pause is tried again after it, with full patience.
#[test]
fn a_pause_takes_nobodys_patience() {
    let world = World::new(2, 1).with(stage(1), Fault::Transient, 3);
    let mut sim = command(&world, &[(10, Control::Pause)]);
    sim.rests_ms = Some(59 * MINUTE_MS);
    let sim = sim.finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded, "{}", sim.ended().summary);
    assert_eq!(sim.attempts(&stage(1)), 4);
    assert_eq!(sim.attempts(&Step::DetectJoined), 1);
}
