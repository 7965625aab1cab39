//! Hosts that do not answer over SSH when a release begins, and are left as they are.

use drawgate_rollout::{Phase, Share, Step, limits};
use drawgate_schemas::{Event, Note, NoteKind, Outcome};

use crate::crash::explore;
use crate::driver::Sim;
use crate::world::{Fault, TARGET_GROUP, World, id};
use crate::{forward, notes};

/// A fleet of four; these hosts are silent for so many looks, and so many may be.
fn silent(hosts: &[usize], looks: usize, most: Share) -> World {
    let world = hosts
        .iter()
        .fold(World::new(4, 1), |world, n| world.with_silent(&id(*n), looks));
    let mut world = world;
    world.definition.preflight.unreachable = most;
    world
}

fn rolled(sim: &Sim) -> Vec<&str> {
    let hosts = sim.release().hosts();
    hosts.map(|host| host.instance.as_str()).collect()
}

#[test]
fn by_default_a_host_that_does_not_answer_refuses() {
    let sim = Sim::new(silent(&[2], usize::MAX, Share::Count(0))).finish();
    assert_eq!(sim.outcome(), Outcome::Failed);
    assert!(
        sim.ended().summary.contains("i-2: no answer"),
        "{}",
        sim.ended().summary
    );
}

#[test]
fn a_host_within_the_bound_is_left_out_and_named() {
    for most in [Share::Count(1), Share::Percent(25)] {
        let sim = Sim::new(silent(&[2], usize::MAX, most)).finish();
        assert_eq!(sim.outcome(), Outcome::Succeeded);
        assert_eq!(rolled(&sim), ["i-1", "i-3", "i-4"]);
        assert!(!sim.world.hosts["i-2"].disturbed);
        let summary = &sim.ended().summary;
        assert!(
            summary.starts_with("3 of 4 on main-42, left out because out of reach: i-2,"),
            "{summary}"
        );
        let said =
            "i-2: LEFT OUT, because it does not answer: no answer; it stays registered, and runs what it ran";
        let warned = |event: &Event| matches!(event, Event::Started(started) if started.warnings == [said]);
        assert!(sim.events.iter().any(warned));
        let noted = |note: &Note| matches!(&note.what, NoteKind::Warning { text } if text == said);
        assert!(notes(&sim).iter().any(noted), "{:?}", notes(&sim));
    }
}

#[test]
fn above_the_bound_each_silent_host_is_named() {
    let sim = Sim::new(silent(&[2, 4], usize::MAX, Share::Count(1))).finish();
    assert_eq!(sim.outcome(), Outcome::Failed);
    for named in ["i-2: no answer", "i-4: no answer"] {
        assert!(sim.ended().summary.contains(named), "{}", sim.ended().summary);
    }
}

#[test]
fn a_fleet_of_which_nobody_answers_refuses() {
    let sim = Sim::new(silent(&[1, 2, 3, 4], usize::MAX, Share::Percent(100))).finish();
    assert_eq!(sim.outcome(), Outcome::Failed);
}

#[test]
fn nobody_waits_for_a_host_that_was_left_out() {
    let quick = Sim::new(World::new(3, 1)).finish();
    let sim = Sim::new(silent(&[4], usize::MAX, Share::Count(1))).finish();
    assert_eq!(sim.attempts(&Step::DetectJoined), 1);
    let longer_ms = limits::between_ms(quick.now, sim.now);
    assert!(longer_ms < limits::BOOT_PATIENCE_MS / 2, "{longer_ms} ms longer");
}

#[test]
fn a_host_that_answers_again_is_rolled_with_the_newcomers() {
    let sim = Sim::new(silent(&[2], 1, Share::Count(1))).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert_eq!(rolled(&sim), ["i-1", "i-3", "i-4", "i-2"]);
    let summary = &sim.ended().summary;
    assert!(summary.starts_with("4 of 4 on main-42, 1 joined"), "{summary}");
    let joined = |event: &Event| matches!(event, Event::Joined { rolled, .. } if *rolled == ["i-2"]);
    assert!(sim.events.iter().any(joined));
    assert!(notes(&sim).is_empty(), "{:?}", notes(&sim));
}

#[test]
fn a_published_version_leaves_no_operator_the_left_out() {
    let sim = Sim::new(silent(&[2], usize::MAX, Share::Count(1)).publishing(Some("main-41"))).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded, "{}", sim.ended().summary);
}

#[test]
fn a_rollback_does_not_touch_the_left_out() {
    let world = silent(&[2], usize::MAX, Share::Count(1)).with(
        forward(3, Phase::Verify),
        Fault::FailsVerification,
        usize::MAX,
    );
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::RolledBack);
    assert!(!sim.world.hosts["i-2"].disturbed);
}

#[test]
fn a_host_that_is_left_out_counts_as_sick_for_the_floor() {
    let sim = Sim::new(silent(&[2], usize::MAX, Share::Count(1))).finish();
    let plan = sim.release().plan.as_ref().unwrap();
    // Three can be relied on, of which one may be out.
    assert_eq!(plan.target_groups[TARGET_GROUP].floor, 2);
    // Two of the three are sick: the one that is healthy stays, whatever the left out one says.
    let mut world = silent(&[2], usize::MAX, Share::Count(1));
    world.definition.roll.sick_wait_ms = 0;
    let mut sim = Sim::new(world);
    while !sim.release().begun(&forward(1, Phase::Create)) {
        if let crate::driver::Next::Lands(index) = sim.go().unwrap() {
            sim.land(index).unwrap();
        }
    }
    sim.world.falls_ill("i-3");
    let mut kept = 0;
    while let Ok(next) = sim.go() {
        match next {
            crate::driver::Next::Ended => break,
            crate::driver::Next::Lands(index) => sim.land(index).unwrap(),
            _ => {}
        }
        let steps = &sim.release().steps;
        let deregister = steps.get(&forward(1, Phase::Deregister));
        kept = kept.max(deregister.map_or(0, |state| u32::from(state.obstacle.is_some())));
    }
    assert_eq!(
        kept, 1,
        "i-1 was taken out on the word of a host that does not answer"
    );
}

#[test]
fn killed_at_every_moment_beside_a_host_that_is_left_out() {
    let mut world = World::new(3, 1).with_silent(&id(2), usize::MAX);
    world.definition.preflight.unreachable = Share::Count(1);
    assert!(explore(&world, Outcome::Succeeded) > 100);
}
