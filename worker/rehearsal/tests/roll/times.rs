//! Time as a load balancer takes it: health checks, registering, draining, and what `max_roll` counts.

use drawgate_rollout::{Plan, Record, limits, plan};
use drawgate_schemas::{Control, Outcome};

use crate::driver::{Sim, by_ben};
use crate::stage;
use crate::world::{World, digest, request};

const MINUTE_MS: u64 = 60_000;

fn planned(world: &World) -> Plan {
    plan(
        &request(),
        Some(&digest('d')),
        &world.definition,
        &world.snapshot(),
    )
    .unwrap()
}

/// How long the roll took from its first touch on.
fn took_ms(sim: &Sim) -> u64 {
    limits::between_ms(sim.release().rolls_since.unwrap(), sim.now)
}

#[test]
fn trap_09_pulls_do_not_count_toward_max_roll() {
    let mut world = World::new(12, 1);
    let sim = Sim::new(world.clone()).finish();
    let (rolls_ms, since) = (took_ms(&sim), sim.release().rolls_since.unwrap());
    let before_ms = limits::between_ms(sim.release().started_at.unwrap(), since);
    assert!(before_ms > MINUTE_MS, "the pulls took {before_ms} ms");
    world.definition.roll.max_roll_ms = rolls_ms + 1_000;
    assert_eq!(Sim::new(world.clone()).finish().outcome(), Outcome::Succeeded);
    // A roll that is too slow is still rolled back.
    world.definition.roll.max_roll_ms = planned(&world).expected_ms();
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::RolledBack);
    assert!(
        sim.ended().summary.contains("max_roll was over"),
        "{}",
        sim.ended().summary
    );
}

#[test]
fn trap_09_a_pause_before_the_roll_makes_it_no_longer() {
    let mut world = World::new(6, 1);
    // The roll needs more than the plan's time, and less than that and the pause.
    world.definition.roll.max_roll_ms = planned(&world).expected_ms();
    let journal = Sim::new(world.clone()).finish().journal;
    let pulls = |record: &Record| matches!(record, Record::Intent { step } if *step == stage(2));
    let at = journal.iter().position(|entry| pulls(&entry.record)).unwrap();
    let mut sim = Sim::new(world);
    sim.commands = vec![(at + 1, by_ben(Control::Pause))];
    sim.rests_ms = Some(2 * MINUTE_MS);
    let sim = sim.finish();
    assert!(sim.not_taken.is_empty(), "{:?}", sim.not_taken);
    assert!(
        sim.release().paused_ms >= 2 * MINUTE_MS,
        "{}",
        sim.release().paused_ms
    );
    assert_eq!(sim.outcome(), Outcome::RolledBack, "{}", sim.ended().summary);
}
