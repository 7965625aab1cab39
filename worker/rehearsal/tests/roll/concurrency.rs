//! How many hosts are out at once, which goes first, and for how long.

use drawgate_rollout::definition::Canary;
use drawgate_rollout::{Phase, Share, Step, limits};
use drawgate_schemas::{Event, NoteKind, Outcome};

use crate::crash::explore;
use crate::driver::Sim;
use crate::world::{Fault, GROUP, World, id};
use crate::{PHASES, back, forward, notes};
use drawgate_rehearsal::time::start;

/// Most hosts that were out at the same time, by the journal.
fn most_out(sim: &Sim) -> usize {
    let (mut out, mut most) = (0_usize, 0);
    for step in sim.world.performed.iter() {
        match step {
            Step::Host {
                phase: Phase::Deregister,
                ..
            } => out += 1,
            Step::Host {
                phase: Phase::AwaitHealthy,
                ..
            } => out -= 1,
            _ => {}
        }
        most = most.max(out);
    }
    most
}

#[test]
fn trap_13_fleets_of_many_sizes_keep_their_share() {
    let shares = [Share::Count(1), Share::Percent(25), Share::Percent(50)];
    for (hosts, expected) in [(1, [1, 1, 1]), (2, [1, 1, 1]), (3, [1, 1, 1]), (7, [1, 1, 3])] {
        for (share, most) in shares.into_iter().zip(expected) {
            let mut world = World::new(hosts, 1);
            world.definition.roll.max_unavailable = share;
            let sim = Sim::new(world).finish();
            assert_eq!(sim.outcome(), Outcome::Succeeded);
            assert_eq!(most_out(&sim), most, "{share} of {hosts}");
        }
    }
}

#[test]
fn trap_13_a_fleet_of_one_is_refused_without_allow_outage() {
    let mut world = World::new(1, 1);
    assert!(world.definition.roll.allow_outage);
    assert_eq!(Sim::new(world.clone()).finish().outcome(), Outcome::Succeeded);
    world.definition.roll.allow_outage = false;
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Failed);
    assert!(sim.ended().summary.contains("max_unavailable is 1 of 1 hosts"));
}

#[test]
fn trap_13_hosts_that_serve_nobody_go_before_the_canary() {
    let mut world = with_canary(3, 1);
    world.hosts.get_mut(&id(2)).unwrap().sick = true;
    world.hosts.get_mut(&id(2)).unwrap().healed_by_new = true;
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert_eq!(
        order(&sim),
        [
            forward(2, Phase::Swap),
            forward(1, Phase::Swap),
            Step::Canary,
            forward(3, Phase::Swap)
        ]
    );
}

fn order(sim: &Sim) -> Vec<Step> {
    let told = |step: &&Step| {
        matches!(
            step,
            Step::Canary
                | Step::Host {
                    phase: Phase::Swap,
                    ..
                }
        )
    };
    sim.world.performed.iter().filter(told).cloned().collect()
}

fn with_canary(hosts: usize, instances: u32) -> World {
    let mut world = World::new(hosts, 1);
    world.definition.roll.canary = Some(Canary {
        instances,
        bake_ms: 60_000,
    });
    world
}

#[test]
fn the_canary_is_watched_before_another_host_is_touched() {
    for instances in 1..=3 {
        let sim = Sim::new(with_canary(3, instances)).finish();
        assert_eq!(sim.outcome(), Outcome::Succeeded);
        let at = order(&sim).iter().position(|step| *step == Step::Canary);
        assert_eq!(at, Some(instances as usize));
    }
}

#[test]
fn when_the_canary_fails_nothing_else_is_touched() {
    let mut failing: Vec<Step> = PHASES.map(|phase| forward(1, phase)).to_vec();
    failing.push(Step::Canary);
    for step in failing {
        let mut world = with_canary(3, 1).with(step.clone(), Fault::Refused, usize::MAX);
        // The failure budget does not cover a canary: its failure rolls all back.
        world.definition.roll.failure_budget = 2;
        let sim = Sim::new(world).finish();
        let expected = if step == forward(1, Phase::Create) {
            Outcome::Failed
        } else {
            Outcome::RolledBack
        };
        assert_eq!(sim.outcome(), expected, "{step}");
        for n in 2..=3 {
            assert_eq!(sim.attempts(&forward(n, Phase::Create)), 0, "{step}");
        }
    }
}

#[test]
fn killed_at_every_moment_with_a_canary() {
    let forward_way = explore(&with_canary(3, 1), Outcome::Succeeded);
    let back_way = explore(
        &with_canary(3, 2).with(Step::Canary, Fault::Refused, usize::MAX),
        Outcome::RolledBack,
    );
    assert!(forward_way > 130 && back_way > 130, "{forward_way} {back_way}");
}

/// The oracle checks that hosts are out in one zone only.
#[test]
fn one_zone_at_a_time() {
    let mut world = World::new(6, 2);
    world.definition.roll.zone_by_zone = true;
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert_eq!(most_out(&sim), 2);
    let swaps = [1, 3, 5, 2, 4, 6].map(|n| forward(n, Phase::Swap));
    assert_eq!(order(&sim), swaps);
}

#[test]
fn one_zone_at_a_time_on_the_rollback() {
    let mut world = World::new(6, 2).with(Step::DetectJoined, Fault::Refused, usize::MAX);
    world.definition.roll.zone_by_zone = true;
    assert_eq!(Sim::new(world).finish().outcome(), Outcome::RolledBack);
}

/// Two of four hosts may be out, in two zones that must each keep one: the oracle looks at each zone.
#[test]
fn trap_13_each_zone_keeps_its_floor_when_cross_zone_is_off() {
    let mut world = World::new(4, 2);
    world.fleet_mut().target_groups[0].zonal = true;
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    let plan = sim.release().plan.as_ref().unwrap();
    let floors = &plan.target_groups[crate::world::TARGET_GROUP].zone_floors;
    assert_eq!(floors.values().copied().collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn trap_13_a_zone_of_one_target_refuses_when_cross_zone_is_off() {
    let mut world = World::new(3, 1);
    world.fleet_mut().target_groups[0].zonal = true;
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Failed);
    let summary = &sim.ended().summary;
    assert!(summary.contains("one healthy target in eu-west-1b"), "{summary}");
}

fn with_budget(failures: u32) -> World {
    let mut world = World::new(3, 1);
    world.definition.roll.failure_budget = failures;
    world
}

#[test]
fn a_failure_within_the_budget_is_mended_and_tried_once_more() {
    for phase in PHASES {
        let sim = Sim::new(with_budget(1).with(forward(1, phase), Fault::Refused, 1)).finish();
        assert_eq!(sim.outcome(), Outcome::Succeeded, "{phase}");
        assert_eq!(sim.attempts(&forward(1, phase)), 2, "{phase}");
        let swaps = order(&sim);
        assert_eq!(swaps.last(), Some(&forward(1, Phase::Swap)), "{phase}");
        let told = |event: &&Event| {
            matches!(
                event,
                Event::HostRetryLater {
                    failed: 1,
                    budget: 1,
                    ..
                }
            )
        };
        assert_eq!(sim.events.iter().filter(told).count(), 1, "{phase}");
    }
}

#[test]
fn a_failure_beyond_the_budget_takes_all_back() {
    let twice = with_budget(2).with(forward(1, Phase::Verify), Fault::Refused, 2);
    assert_eq!(Sim::new(twice).finish().outcome(), Outcome::RolledBack);
    let two_hosts = with_budget(1)
        .with(forward(1, Phase::Verify), Fault::Refused, 1)
        .with(forward(2, Phase::Verify), Fault::Refused, 1);
    let sim = Sim::new(two_hosts).finish();
    assert_eq!(sim.outcome(), Outcome::RolledBack);
    assert_eq!(sim.attempts(&forward(3, Phase::Create)), 0);
}

#[test]
fn a_host_that_cannot_be_mended_alone_takes_all_back() {
    let world = with_budget(1)
        .with(forward(2, Phase::Verify), Fault::Refused, 1)
        .with(
            back(2, Phase::Swap),
            Fault::Refused,
            limits::RESTORE_REFUSALS as usize,
        );
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::NeedsOperator);
    assert_eq!(sim.attempts(&forward(3, Phase::Create)), 0);
}

#[test]
fn killed_at_every_moment_while_a_failure_is_mended() {
    let mended = with_budget(1).with(forward(2, Phase::Verify), Fault::Refused, 1);
    let executions = explore(&mended, Outcome::Succeeded);
    assert!(executions > 150, "{executions}");
}

#[test]
fn trap_09_past_max_roll_the_way_leads_back() {
    let whole = Sim::new(World::new(6, 1)).finish();
    let release = whole.release();
    let resume = Step::Resume {
        group: GROUP.to_owned(),
    };
    let hosts_end = release.steps[&resume].begun_at;
    // The plan fits into `max_roll`, and the roll takes longer than the plan.
    let takes_ms = limits::between_ms(release.rolls_since.unwrap(), hosts_end);
    let planned_ms = release.plan.as_ref().unwrap().expected_ms();
    let too_short: Vec<u64> = (planned_ms..takes_ms - 3_000).step_by(1_500).collect();
    assert!(
        too_short.len() > 8,
        "planned {planned_ms} ms, takes {takes_ms} ms"
    );
    for max_roll_ms in too_short {
        let mut world = World::new(6, 1);
        world.definition.roll.max_roll_ms = max_roll_ms;
        let sim = Sim::new(world).finish();
        assert_eq!(sim.outcome(), Outcome::RolledBack);
        let summary = &sim.ended().summary;
        assert!(summary.contains("max_roll was over"), "{summary}");
        let turned = sim
            .events
            .iter()
            .any(|event| matches!(event, Event::RollingBack { .. }));
        assert!(turned);
    }
}

#[test]
fn trap_09_a_roll_that_cannot_fit_is_refused() {
    let mut world = World::new(6, 1);
    world.definition.roll.max_roll_ms = 60_000;
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Failed);
    assert!(sim.ended().summary.contains("longer than roll.max_roll"));
}

fn scheduled(after_ms: u64) -> drawgate_rollout::ScheduledAction {
    drawgate_rollout::ScheduledAction {
        name: "evening".to_owned(),
        at: limits::after(start(), after_ms),
        min: Some(2),
        max: None,
        desired: Some(4),
    }
}

#[test]
fn trap_06_a_scheduled_action_in_the_suspension_refuses() {
    let mut world = World::new(3, 1);
    world.fleet_mut().groups[0].scheduled = vec![scheduled(60_000)];
    let sim = Sim::new(world.clone()).finish();
    assert_eq!(sim.outcome(), Outcome::Failed);
    assert!(sim.ended().summary.contains("scheduled action evening is due"));
    // Neither an action of tomorrow counts, nor an action of a group whose scheduled actions a person has
    // suspended.
    world.fleet_mut().groups[0].scheduled = vec![scheduled(24 * 3_600_000)];
    assert_eq!(Sim::new(world.clone()).finish().outcome(), Outcome::Succeeded);
    world.fleet_mut().groups[0].scheduled = vec![scheduled(60_000)];
    world.suspend_by_hand("ScheduledActions");
    assert_eq!(Sim::new(world).finish().outcome(), Outcome::Succeeded);
}

#[test]
fn trap_06_the_receipt_names_the_scheduled_actions_missed() {
    let mut world = World::new(3, 1);
    world.definition.roll.allow_missed_actions = true;
    // One action is due within the suspension, the other after it and still within preflight's margin.
    world.fleet_mut().groups[0].scheduled = vec![scheduled(60_000), scheduled(300_000)];
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    let mut missed = notes(&sim);
    missed.retain(|note| matches!(note.what, NoteKind::ScheduledActionMissed { .. }));
    assert_eq!(missed.len(), 1, "{:#?}", notes(&sim));
    let command = format!(
        "aws autoscaling update-auto-scaling-group --auto-scaling-group-name {GROUP} --min-size 2 --desired-capacity 4"
    );
    assert_eq!(
        missed[0].command.as_ref().map(|command| &command.run),
        Some(&command)
    );
}
