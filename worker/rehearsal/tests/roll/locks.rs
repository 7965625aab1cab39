//! Two releases that share a group: the second waits, and plans anew when it has all its locks.

use drawgate_rollout::{Step, limits};
use drawgate_schemas::{Event, Outcome};

use crate::driver::Sim;
use crate::forward;
use crate::world::{GROUP, Other, World, id};

/// A release beside another one, to be judged against the world without that other release.
fn beside_other(outlasts: usize) -> Sim {
    let mut sim = Sim::new(World::new(2, 1).with_other(outlasts));
    sim.before = World::new(2, 1).into();
    sim
}

fn waits(sim: &Sim) -> usize {
    let waits = |event: &&Event| matches!(event, Event::WaitsForLock { .. });
    sim.events.iter().filter(waits).count()
}

#[test]
fn trap_07_the_second_waits_for_the_first_and_plans_anew() {
    for outlasts in [0, 1, 2, 50] {
        let sim = beside_other(outlasts).finish();
        assert_eq!(sim.outcome(), Outcome::Succeeded, "{outlasts}");
        assert_eq!(sim.attempts(&Step::Inspect), 2, "{outlasts}");
        assert_eq!(sim.attempts(&Step::Lock), outlasts + 2);
        let plan = sim.release().plan.as_ref().unwrap();
        assert!(
            plan.groups[0].suspended_before.is_empty(),
            "planned beside the other"
        );
        assert_eq!(waits(&sim), outlasts.min(1), "said once");
        let started = |event: &&Event| matches!(event, Event::Started(_));
        assert_eq!(sim.events.iter().filter(started).count(), 1);
    }
}

/// The other release has ended when the lock is asked for: nothing was waited for, and yet the first snapshot
/// shows its changes.
#[test]
fn trap_07_a_plan_made_while_the_first_was_ending_is_not_kept() {
    let mut world = World::new(2, 1).with_other(0);
    world.groups.get_mut(GROUP).unwrap().tag = None;
    world.other = Some(Other {
        outlasts: 0,
        is_about_to_end: true,
    });
    let mut sim = Sim::new(world);
    sim.before = World::new(2, 1).into();
    let sim = sim.finish();
    assert_eq!(
        (sim.outcome(), sim.attempts(&Step::Inspect)),
        (Outcome::Succeeded, 2)
    );
    assert!(
        sim.release().plan.as_ref().unwrap().groups[0]
            .suspended_before
            .is_empty()
    );
}

#[test]
fn trap_07_without_another_the_fleet_is_looked_at_once() {
    let sim = Sim::new(World::new(2, 1)).finish();
    assert_eq!((sim.attempts(&Step::Inspect), sim.attempts(&Step::Lock)), (1, 1));
}

#[test]
fn trap_07_the_wait_ends_after_an_hour_and_nothing_was_touched() {
    let mut sim = beside_other(usize::MAX);
    sim.run().unwrap();
    assert_eq!(sim.outcome(), Outcome::Failed);
    let summary = &sim.ended().summary;
    assert!(summary.contains("locked by another release"), "{summary}");
    assert!(sim.world.hosts.values().all(|host| !host.disturbed));
    let waited_ms = limits::between_ms(drawgate_rehearsal::time::start(), sim.now);
    assert!(
        (limits::LOCK_PATIENCE_MS..limits::LOCK_PATIENCE_MS + 60_000).contains(&waited_ms),
        "{waited_ms}"
    );
}

/// The worker tells preflight's findings once everything is locked, and not before.
#[test]
fn trap_07_preflight_refuses_a_fleet_once_it_is_locked() {
    let mut world = World::new(2, 1);
    world.groups.get_mut(GROUP).unwrap().tag = Some("a-release-that-is-gone".to_owned());
    let mut sim = Sim::new(world);
    sim.run().unwrap();
    assert_eq!(sim.outcome(), Outcome::Failed);
    let summary = &sim.ended().summary;
    assert!(
        summary.contains("a-release-that-is-gone") && summary.contains("nothing was touched"),
        "{summary}"
    );
    assert!(!sim.world.locked.is_empty());
}

#[test]
fn trap_07_a_member_that_joins_is_locked_before_it_is_rolled() {
    let sim =
        Sim::new(World::new(2, 1).with_arrival(forward(1, drawgate_rollout::Phase::Drain), &id(7))).finish();
    assert_eq!(
        (sim.outcome(), sim.attempts(&Step::Lock)),
        (Outcome::Succeeded, 2)
    );
    assert!(sim.world.locked.contains("instance i-7"));
}

/// After a kill the worker does not know what it saw before it had its locks: it looks again, and at most
/// twice more.
#[test]
fn trap_07_killed_at_every_moment_of_the_wait() {
    let calm = beside_other(3).finish();
    for k in 1..calm.journal.len() {
        for whole in [false, true] {
            let mut sim = beside_other(3);
            sim.kill_at = Some(k);
            assert!(sim.run().is_err());
            let extent = if whole {
                crate::world::Extent::Whole
            } else {
                crate::world::Extent::None
            };
            let extents = vec![extent; sim.flights.len()];
            sim.die(&extents, 90_000);
            let sim = sim.finish();
            assert_eq!(sim.outcome(), Outcome::Succeeded, "killed after entry {k}");
            assert!(
                sim.attempts(&Step::Inspect) <= 4,
                "{}",
                sim.attempts(&Step::Inspect)
            );
            assert!(
                sim.release().plan.as_ref().unwrap().groups[0]
                    .suspended_before
                    .is_empty()
            );
        }
    }
}
