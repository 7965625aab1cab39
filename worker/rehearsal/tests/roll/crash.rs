//! The worker may be killed at any moment, and these tests try every one: after each entry of the journal,
//! with each step then under way not begun, half done or done, in every combination. This covers all four
//! places around a step: before its intent (the entry before it is the last), after it (not begun), after the
//! effect (done, unheard), and after the outcome (the next prefix).

use drawgate_rollout::definition::OnFailure;
use drawgate_rollout::{Entry, Phase, Record, Step};
use drawgate_schemas::Outcome;

use crate::driver::Sim;
use crate::forward;
use crate::world::{Extent, Fault, World, id};

pub(crate) const AWAY_MS: u64 = 90_000;

/// The steps under way after these entries.
pub(crate) fn under_way(journal: &[Entry]) -> Vec<Step> {
    let mut open: Vec<Step> = Vec::new();
    for entry in journal {
        match &entry.record {
            Record::Intent { step } => open.push(step.clone()),
            Record::Outcome { step, .. } => open.retain(|other| other != step),
            Record::TakenOver => open.clear(),
            _ => {}
        }
    }
    open
}

/// The number of kills that a journal allows, counted from the journal alone as a check on `explore`.
fn kills(world: &World, journal: &[Entry]) -> usize {
    let prefixes = (1..journal.len()).map(|k| under_way(&journal[..k]));
    prefixes
        .map(|open| {
            open.iter()
                .map(|step| world.extents(step).len())
                .product::<usize>()
        })
        .sum()
}

pub(crate) fn killed_at(world: &World, k: usize) -> Sim {
    let mut sim = Sim::new(world.clone());
    sim.kill_at = Some(k);
    assert!(sim.run().is_err(), "was not killed after entry {k}");
    assert_eq!(sim.journal.len(), k);
    sim
}

/// Kills the worker at every moment of this roll, and asserts that each execution ends as the calm roll does.
/// Gives the number of executions.
pub(crate) fn explore(world: &World, outcome: Outcome) -> usize {
    explore_to(world, outcome, &[outcome])
}

/// The same for a roll in which the moment of the kill decides whether a host is touched before the rollback
/// begins.
pub(crate) fn explore_either(world: &World, outcome: Outcome) -> usize {
    explore_to(world, outcome, &[Outcome::Failed, Outcome::RolledBack])
}

fn explore_to(world: &World, outcome: Outcome, ends: &[Outcome]) -> usize {
    let calm = Sim::new(world.clone()).finish();
    assert_eq!(calm.outcome(), outcome, "{}", calm.ended().summary);
    let two_at_once = world.definition.roll.max_unavailable != 1.into();
    let mut executions = 0;
    for k in 1..calm.journal.len() {
        let open = under_way(&calm.journal[..k]);
        for extents in world.combinations(&open) {
            let mut sim = killed_at(world, k);
            let flying: Vec<Step> = sim.flights.iter().map(|(_, step)| step.clone()).collect();
            assert_eq!(flying, open);
            sim.die(&extents, AWAY_MS);
            let sim = sim.finish();
            // With two hosts at once the other one may have been touched before the failing step was tried
            // again.
            let as_expected = ends.contains(&sim.outcome())
                || (two_at_once && outcome == Outcome::Failed && sim.outcome() == Outcome::RolledBack);
            assert!(
                as_expected,
                "killed after entry {k}, {open:?} {extents:?}: {}",
                sim.outcome()
            );
            assert!(
                sim.world.hosts.values().all(|host| !host.tagged),
                "an instance is tagged still"
            );
            executions += 1;
        }
    }
    assert_eq!(executions, kills(world, &calm.journal));
    executions
}

/// Kills the worker twice, at every pair of moments; the steps under way are either not begun or done.
fn explore_twice(world: &World, outcome: Outcome) -> usize {
    let calm = Sim::new(world.clone()).finish();
    assert_eq!(calm.outcome(), outcome);
    let mut executions = 0;
    for first in 1..calm.journal.len() {
        for (extent_1, extent_2) in [
            (Extent::None, Extent::None),
            (Extent::None, Extent::Whole),
            (Extent::Whole, Extent::None),
            (Extent::Whole, Extent::Whole),
        ] {
            for later in 1.. {
                let mut sim = killed_at(world, first);
                let extents = vec![extent_1; sim.flights.len()];
                sim.die(&extents, AWAY_MS);
                sim.kill_at = Some(sim.journal.len() + later);
                if sim.run().is_ok() {
                    break;
                }
                let extents = vec![extent_2; sim.flights.len()];
                sim.die(&extents, AWAY_MS);
                if sim.release().ended.is_none() {
                    assert_eq!(
                        sim.finish().outcome(),
                        outcome,
                        "killed after entries {first} and {later}"
                    );
                    executions += 1;
                }
            }
        }
    }
    executions
}

/// Places where a rollback begins that differ from one another: before any host is touched, before and after
/// the last host is swapped, and after the whole fleet is rolled.
fn turning_points(hosts: usize) -> [(Step, Outcome); 5] {
    [
        (forward(1, Phase::Create), Outcome::Failed),
        (forward(hosts, Phase::Drain), Outcome::RolledBack),
        (forward(hosts, Phase::Swap), Outcome::RolledBack),
        (forward(hosts, Phase::AwaitHealthy), Outcome::RolledBack),
        (Step::DetectJoined, Outcome::RolledBack),
    ]
}

fn fleets() -> [(usize, u32); 5] {
    [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2)]
}

#[test]
fn killed_at_every_moment_of_the_way_forward() {
    let executions = fleets().map(|(hosts, out)| explore(&World::new(hosts, out), Outcome::Succeeded));
    assert_eq!(executions, [78, 126, 189, 164, 237]);
}

#[test]
fn killed_at_every_moment_of_the_rollback() {
    let executions = fleets().map(|(hosts, out)| {
        let ways = turning_points(hosts);
        ways.map(|(step, outcome)| {
            explore(
                &World::new(hosts, out).with(step, Fault::Refused, usize::MAX),
                outcome,
            )
        })
        .iter()
        .sum::<usize>()
    });
    assert_eq!(executions, [407, 697, 1075, 947, 1490]);
}

#[test]
fn killed_at_every_moment_of_a_rollback_from_each_step_of_two() {
    let mut executions = 0;
    for step in crate::forward_steps(2) {
        let world = World::new(2, 1).with(step, Fault::Refused, usize::MAX);
        let outcome = Sim::new(world.clone()).finish().outcome();
        executions += explore(&world, outcome);
    }
    assert_eq!(executions, 2230);
}

#[test]
fn killed_at_every_moment_while_a_member_joins() {
    let world = World::new(2, 1).with_arrival(forward(1, Phase::Drain), &id(7));
    assert_eq!(explore(&world, Outcome::Succeeded), 167);
}

#[test]
fn killed_at_every_moment_while_an_operator_will_be_needed() {
    let world = World::new(2, 1).with(Step::Unsilence, Fault::Refused, usize::MAX);
    assert_eq!(explore(&world, Outcome::NeedsOperator), 156);
}

#[test]
fn killed_twice_at_every_pair_of_moments() {
    let forward_way = explore_twice(&World::new(1, 1), Outcome::Succeeded);
    let back = World::new(2, 1).with(forward(2, Phase::Verify), Fault::Refused, usize::MAX);
    let back_way = explore_twice(&back, Outcome::RolledBack);
    assert_eq!((forward_way, back_way), (3252, 13196));
}

#[test]
fn killed_at_every_moment_with_hooks_before_runs_once() {
    let hooks = |reversible| {
        World::new(2, 1)
            .with_before(reversible)
            .with_after(OnFailure::RollBack)
    };
    let mut failing = hooks(false);
    failing.before_code = 1;
    let executions = [
        explore(&hooks(true), Outcome::Succeeded),
        explore(&hooks(false), Outcome::Succeeded),
        explore(&failing, Outcome::Failed),
        explore(
            &hooks(true).with(Step::RunAfter, Fault::Refused, usize::MAX),
            Outcome::RolledBack,
        ),
    ];
    assert_eq!(executions, [136, 136, 34, 183]);
}

#[test]
fn killed_at_every_moment_where_no_rollback_is() {
    let ways = turning_points(2).map(|(step, _)| {
        let world = World::new(2, 1)
            .with_before(false)
            .with(step, Fault::Refused, usize::MAX);
        explore(&world, Outcome::NeedsOperator)
    });
    assert_eq!(ways, [66, 121, 142, 154, 134]);
}
