//! `[before]` and `[after]`: each runs once per release, whenever the worker is killed, and the effect of
//! their failure.

use drawgate_rollout::definition::OnFailure;
use drawgate_rollout::{Phase, Step};
use drawgate_schemas::{Event, Hook, HookState, LeftoverKind, Outcome};

use crate::driver::Sim;
use crate::world::{Extent, Fault, OneOff, World, id};
use crate::{forward, leftovers, suspend};

const ALWAYS: usize = usize::MAX;

fn run_before() -> Step {
    Step::RunBefore { instance: id(1) }
}

fn create_before() -> Step {
    Step::CreateBefore { instance: id(1) }
}

fn hooks_of(sim: &Sim) -> Vec<(Hook, HookState, u32)> {
    let told = sim.events.iter().filter_map(|event| match event {
        Event::Hook(progress) => Some((progress.hook, progress.state, progress.attempt)),
        _ => None,
    });
    told.collect()
}

#[test]
fn before_runs_once_between_staging_and_suspending() {
    let sim = Sim::new(World::new(3, 2).with_before(false)).finish();
    assert_eq!((sim.outcome(), sim.world.before_runs), (Outcome::Succeeded, 1));
    let at = |step: &Step| {
        sim.world
            .performed
            .iter()
            .position(|other| other == step)
            .unwrap()
    };
    assert!(at(&crate::stage(3)) < at(&create_before()) && at(&run_before()) < at(&suspend()));
    assert_eq!(
        hooks_of(&sim),
        [
            (Hook::Before, HookState::Begun, 1),
            (Hook::Before, HookState::Passed, 1)
        ]
    );
    let receipt = sim.ended().receipt.clone().unwrap();
    assert!(receipt.hooks[0].passed && receipt.hooks[0].run == ["bin/migrate"]);
    assert_eq!(
        sim.world.one_off, None,
        "the one-off container is removed at the end"
    );
}

#[test]
fn before_that_fails_has_rolled_nothing() {
    for reversible in [true, false] {
        let mut world = World::new(2, 1).with_before(reversible);
        world.before_code = 1;
        let sim = Sim::new(world).finish();
        assert_eq!((sim.outcome(), sim.world.before_runs), (Outcome::Failed, 1));
        let summary = &sim.ended().summary;
        assert_eq!(
            summary,
            "[before]: [before] ended with exit code 1; no host was touched, scaling and alarms as before"
        );
        assert!(!sim.world.performed.contains(&suspend()));
    }
}

#[test]
fn before_whose_container_vanished_is_not_run_again() {
    let mut sim = Sim::new(World::new(2, 1).with_before(true));
    while sim.attempts(&run_before()) == 0 {
        sim.kill_at = Some(sim.journal.len() + 1);
        assert!(sim.run().is_err());
    }
    sim.die(&[Extent::Half], 1_000);
    assert_eq!(sim.world.one_off, Some(OneOff::Running));
    sim.world.one_off = None;
    let sim = sim.finish();
    assert_eq!((sim.outcome(), sim.world.before_runs), (Outcome::Failed, 1));
    assert!(sim.ended().summary.contains("is gone"), "{}", sim.ended().summary);
}

#[test]
fn every_host_serves_after_any_failed_step_without_rollback() {
    let mut executions = 0;
    for step in crate::forward_steps(3) {
        let world = World::new(3, 1)
            .with_before(false)
            .with(step.clone(), Fault::Refused, ALWAYS);
        let sim = Sim::new(world).finish();
        let before_it = matches!(step, Step::Stage { .. });
        let expected = if before_it {
            Outcome::Failed
        } else {
            Outcome::NeedsOperator
        };
        assert_eq!(sim.outcome(), expected, "{step}: {}", sim.ended().summary);
        executions += 1;
    }
    assert_eq!(executions, 30);
}

#[test]
fn a_roll_without_a_rollback_stops_where_it_is_and_says_so() {
    let world = World::new(3, 1)
        .with_before(false)
        .with(forward(2, Phase::Verify), Fault::Refused, ALWAYS);
    let sim = Sim::new(world).finish();
    let expected = LeftoverKind::OneWay {
        command: "bin/migrate".to_owned(),
        version: "main-42".to_owned(),
        on_new: vec![id(1)],
        version_before: "main-41".to_owned(),
        on_old: vec![id(2), id(3)],
    };
    assert_eq!(leftovers(&sim), std::slice::from_ref(&expected));
    assert_eq!(sim.ended().summary, format!("i-2: verify: fault; {expected}"));
    assert!(sim.world.suspended().is_empty() && sim.world.alarms.values().all(|on| *on));
    let plan = sim.release().plan.as_ref().unwrap();
    assert!(
        plan.warnings[0].contains("no automatic rollback"),
        "{:?}",
        plan.warnings
    );
}

#[test]
fn what_before_did_can_be_undone_where_the_file_says_so() {
    let world = World::new(3, 1)
        .with_before(true)
        .with(forward(2, Phase::Verify), Fault::Refused, ALWAYS);
    assert_eq!(Sim::new(world).finish().outcome(), Outcome::RolledBack);
}

#[test]
fn after_passes_at_its_second_attempt() {
    let world = World::new(2, 1)
        .with_after(OnFailure::RollBack)
        .with(Step::RunAfter, Fault::Transient, 1);
    let sim = Sim::new(world).finish();
    assert_eq!(
        (sim.outcome(), sim.attempts(&Step::RunAfter)),
        (Outcome::Succeeded, 2)
    );
    let told = [
        (HookState::Begun, 1),
        (HookState::Failed, 1),
        (HookState::Passed, 2),
    ];
    assert_eq!(
        hooks_of(&sim),
        told.map(|(state, attempt)| (Hook::After, state, attempt))
    );
    let performed = &sim.world.performed;
    let at = |step: &Step| performed.iter().position(|other| other == step).unwrap();
    assert!(at(&Step::DetectJoined) < at(&Step::RunAfter) && at(&Step::RunAfter) < at(&crate::resume()));
}

#[test]
fn after_that_fails_takes_all_back() {
    let world =
        World::new(2, 1)
            .with_after(OnFailure::RollBack)
            .with(Step::RunAfter, Fault::Transient, ALWAYS);
    let sim = Sim::new(world).finish();
    assert_eq!(
        (sim.outcome(), sim.attempts(&Step::RunAfter)),
        (Outcome::RolledBack, 3)
    );
}

#[test]
fn after_that_fails_rolls_nothing_back_past_a_one_way_before() {
    let world = World::new(2, 1)
        .with_before(false)
        .with_after(OnFailure::RollBack)
        .with(Step::RunAfter, Fault::Transient, ALWAYS);
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::NeedsOperator);
    assert!(
        sim.ended()
            .summary
            .contains("on main-42: i-1, i-2; on main-41: no host"),
        "{}",
        sim.ended().summary
    );
}

#[test]
fn after_whose_failure_is_only_reported_is_reported_loudly() {
    let world = World::new(2, 1)
        .with_after(OnFailure::Report)
        .with(Step::RunAfter, Fault::Transient, ALWAYS);
    let sim = Sim::new(world).finish();
    assert_eq!(
        (sim.outcome(), sim.attempts(&Step::RunAfter)),
        (Outcome::Succeeded, 3)
    );
    assert!(
        sim.ended().summary.ends_with("; [after] FAILED: fault"),
        "{}",
        sim.ended().summary
    );
    let warned = |event: &&Event| matches!(event, Event::AfterFailed { .. });
    assert_eq!(sim.events.iter().filter(warned).count(), 1);
}

#[test]
fn without_rollback_new_ones_start_what_all_run_or_ran_before() {
    let world = || World::new(2, 1).with_before(false).publishing(Some("before"));
    let after = world()
        .with_after(OnFailure::RollBack)
        .with(Step::RunAfter, Fault::Transient, ALWAYS);
    let sim = Sim::new(after).finish();
    assert_eq!(sim.outcome(), Outcome::NeedsOperator);
    assert_ne!(
        sim.world.parameter.as_deref(),
        Some("before"),
        "all run the new version"
    );
    let second = world().with(forward(2, Phase::Verify), Fault::Refused, ALWAYS);
    let sim = Sim::new(second).finish();
    assert_eq!(sim.outcome(), Outcome::NeedsOperator);
    assert_eq!(sim.world.parameter.as_deref(), Some("before"));
    let mut fails = world();
    fails.before_code = 1;
    let sim = Sim::new(fails).finish();
    assert_eq!(
        (sim.outcome(), sim.world.parameter.as_deref()),
        (Outcome::Failed, Some("before"))
    );
}
