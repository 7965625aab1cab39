//! The fleet changes while it is rolled: instances leave, others join, and the worker itself is away.

use std::sync::Arc;

use drawgate_rehearsal::time::start;
use drawgate_rollout::{ObservedTarget, Phase, Step, conclude, limits};
use drawgate_schemas::{Control, Event, HostPhase, LeftoverKind, Outcome, SickAnswer};

use crate::driver::{Sim, by_ben};
use crate::world::{self, Extent, Fault, Which, World, id};
use crate::{PHASES, back, forward, leftovers, resume, stage};

/// Less than `max_roll`, after which the release could only roll back.
const LONG_MS: u64 = 50 * 60_000;

#[test]
fn a_host_that_is_gone_is_left_out_at_each_step() {
    let mut executions = 0;
    for n in 1..=4 {
        for step in [stage(n)]
            .into_iter()
            .chain(PHASES.map(|phase| forward(n, phase)))
        {
            let sim = Sim::new(World::new(4, 2).with(step.clone(), Fault::Gone, 1)).finish();
            assert_eq!(sim.outcome(), Outcome::Succeeded, "{step}");
            let receipt = sim.ended().receipt.as_ref().unwrap();
            let gone: Vec<&str> = receipt
                .hosts
                .iter()
                .filter(|host| host.gone)
                .map(|host| host.instance.as_str())
                .collect();
            assert_eq!(gone, [id(n)], "{step}");
            assert!(
                sim.ended().summary.starts_with("3 of 3 on main-42"),
                "{}",
                sim.ended().summary
            );
            let said = |event: &&Event| matches!(event, Event::Host(host) if host.phase == HostPhase::Gone);
            assert_eq!(sim.events.iter().filter(said).count(), 1);
            executions += 1;
        }
    }
    assert_eq!(executions, 4 * 9);
}

#[test]
fn a_host_gone_on_the_rollback_is_left_out_at_each_step() {
    let mut executions = 0;
    for n in 1..=4 {
        for phase in &PHASES[1..] {
            let world = World::new(4, 2)
                .with(Step::DetectJoined, Fault::Refused, usize::MAX)
                .with(back(n, *phase), Fault::Gone, 1);
            let sim = Sim::new(world).finish();
            assert_eq!(sim.outcome(), Outcome::RolledBack, "{n} {phase}");
            executions += 1;
        }
    }
    assert_eq!(executions, 4 * 7);
}

#[test]
fn a_host_that_is_gone_is_not_missed_by_the_floor() {
    for n in 1..=3 {
        let world = World::new(3, 1).with(forward(n, Phase::Register), Fault::Gone, 1);
        assert_eq!(Sim::new(world).finish().outcome(), Outcome::Succeeded);
    }
}

#[test]
fn what_is_said_of_a_host_that_is_gone_names_its_direction() {
    let world = World::new(2, 1)
        .with(Step::DetectJoined, Fault::Refused, usize::MAX)
        .with(back(1, Phase::Register), Fault::Gone, 1);
    let sim = Sim::new(world).finish();
    let gone = sim.events.iter().find_map(|event| match event {
        Event::Host(host) if host.phase == HostPhase::Gone => Some(host.clone()),
        _ => None,
    });
    assert_eq!(gone.unwrap().direction, drawgate_schemas::Direction::Back);
}

#[test]
fn a_fleet_that_is_gone_as_a_whole_needs_an_operator() {
    let mut world = World::new(2, 1);
    world.definition.roll.allow_outage = true;
    world.definition.roll.max_unavailable = 2.into();
    for n in 1..=2 {
        world = world.with(forward(n, Phase::Register), Fault::Gone, 1);
    }
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::NeedsOperator);
    assert_eq!(sim.ended().summary, "no instance of the fleet is left");
    assert!(sim.world.suspended().is_empty());
}

#[test]
fn a_member_that_joins_is_rolled_too() {
    let arrivals = [
        stage(1),
        forward(1, Phase::Drain),
        forward(2, Phase::AwaitHealthy),
        Step::DetectJoined,
    ];
    for at in arrivals {
        let sim = Sim::new(World::new(2, 1).with_arrival(at.clone(), &id(7))).finish();
        assert_eq!(sim.outcome(), Outcome::Succeeded, "{at}");
        assert_eq!(
            (sim.release().detections, sim.attempts(&Step::DetectJoined)),
            (1, 2)
        );
        assert_eq!(
            sim.ended().summary,
            "3 of 3 on main-42, 1 joined, scaling and alarms as before"
        );
        let told = |event: &Event| matches!(event, Event::Joined { rolled, .. } if *rolled == [id(7)]);
        assert!(sim.events.iter().any(told));
    }
}

#[test]
fn a_member_that_joins_and_fails_takes_all_back() {
    for phase in PHASES {
        let world = World::new(2, 1)
            .with_arrival(forward(1, Phase::Drain), &id(7))
            .with(forward(7, phase), Fault::Refused, usize::MAX);
        let sim = Sim::new(world).finish();
        assert_eq!(sim.outcome(), Outcome::RolledBack, "{phase}");
    }
}

#[test]
fn members_that_join_in_turn_are_rolled_until_the_bound() {
    // A new instance joins whenever the last one becomes healthy; the bound on detections ends it.
    let mut world = World::new(2, 1).with_arrival(Step::DetectJoined, &id(10));
    for n in 10..40 {
        world = world.with_arrival(forward(n, Phase::AwaitHealthy), &id(n + 1));
    }
    let sim = Sim::new(world).finish();
    assert_eq!(sim.release().detections, limits::DETECTIONS);
    assert_eq!(sim.attempts(&Step::DetectJoined), limits::DETECTIONS as usize);
    assert_eq!(sim.outcome(), Outcome::RolledBack);
    assert!(
        sim.ended().summary.contains("members keep joining"),
        "{}",
        sim.ended().summary
    );
}

#[test]
fn just_as_many_newcomers_as_the_bound_allows_are_rolled() {
    let mut world = World::new(2, 1).with_arrival(Step::DetectJoined, &id(10));
    for n in 10..10 + limits::DETECTIONS as usize - 2 {
        world = world.with_arrival(forward(n, Phase::AwaitHealthy), &id(n + 1));
    }
    let sim = Sim::new(world).finish();
    assert_eq!(
        (sim.outcome(), sim.release().detections),
        (Outcome::Succeeded, limits::DETECTIONS - 1)
    );
}

#[test]
fn trap_34_a_sick_host_is_rolled_before_those_that_serve() {
    // i-3 falls ill by itself while i-1 is out, so i-2 is not taken out as well. The new version does not
    // cure i-3, and all hosts roll back.
    let mut sim = Sim::new(World::new(3, 1));
    while sim.attempts(&forward(1, Phase::Drain)) == 0 {
        sim.kill_at = Some(sim.journal.len() + 1);
        assert!(sim.run().is_err());
    }
    sim.kill_at = None;
    sim.world.falls_ill("i-3");
    let sim = sim.finish();
    let told = sim.events.iter().find_map(|event| match event {
        Event::HostSick(sick) => Some((sick.instances.clone(), sick.answer)),
        _ => None,
    });
    assert_eq!(told, Some((vec![id(3)], SickAnswer::RolledNext)));
    let cause = sim.release().rolling_back.as_ref().unwrap();
    assert_eq!(cause.step, forward(3, Phase::AwaitHealthy));
    assert!(!sim.world.performed.contains(&forward(2, Phase::Drain)));
    assert_eq!(sim.world.hosts["i-1"].named, Some(Which::Old));
}

/// Rolls four hosts until i-2 drains; then i-1, which is through, falls ill.
fn ill_after_its_turn() -> Sim {
    let mut sim = Sim::new(World::new(4, 1));
    while sim.attempts(&forward(2, Phase::Drain)) == 0 {
        sim.kill_at = Some(sim.journal.len() + 1);
        assert!(sim.run().is_err());
    }
    sim.kill_at = None;
    sim.world.falls_ill("i-1");
    sim
}

/// Goes on until the release waits for the sick host.
fn waiting() -> Sim {
    let mut sim = ill_after_its_turn();
    while sim.attempts(&Step::AwaitFloor) == 0 {
        sim.kill_at = Some(sim.journal.len() + 1);
        assert!(sim.run().is_err());
    }
    sim.kill_at = None;
    sim
}

#[test]
fn trap_34_a_sick_host_that_is_through_is_waited_for() {
    let mut sim = waiting();
    let suspended = sim.world.suspended();
    assert!(!suspended.contains("HealthCheck") && !suspended.contains("ReplaceUnhealthy"));
    assert!(suspended.contains("AZRebalance"));
    sim.world.gets_well("i-1", false);
    let sim = sim.finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert!(sim.events.contains(&Event::SickWaitOver));
    let performed = &sim.world.performed;
    let place = |step: &Step| performed.iter().position(|other| other == step);
    let again = Step::SuspendAgain {
        group: world::GROUP.to_owned(),
    };
    assert!(place(&again) < place(&forward(3, Phase::Drain)));
}

#[test]
fn trap_34_past_sick_wait_all_is_rolled_back_naming_the_sick() {
    let sim = waiting().finish();
    let cause = sim.release().rolling_back.as_ref().unwrap();
    assert_eq!(cause.step, Step::AwaitFloor);
    assert!(
        cause.failure.what.starts_with("i-1 is not healthy: web has 3"),
        "{cause:?}"
    );
    let named = |event: &Event| {
        matches!(
            event,
            Event::RollingBack {
                instance: Some(_),
                ..
            }
        )
    };
    assert!(!sim.events.iter().any(named));
    let rolled_back =
        |event: &Event| matches!(event, Event::HostSick(sick) if sick.answer == SickAnswer::RolledBack);
    assert!(sim.events.iter().any(rolled_back));
    // i-1 is still sick on the earlier version: the receipt names this, and nothing else.
    let left = leftovers(&sim);
    assert!(
        matches!(&left[..], [LeftoverKind::Target { id, found, .. }] if id == "i-1" && found == "unhealthy"),
        "{left:?}"
    );
}

#[test]
fn trap_34_without_a_wait_it_is_rolled_back_at_once() {
    let mut sim = ill_after_its_turn();
    if let Some(plan) = &mut sim.machine.release_mut().plan {
        Arc::make_mut(plan).definition.roll.sick_wait_ms = 0;
    }
    sim.run().unwrap();
    sim.check_end().unwrap();
    assert_eq!(sim.attempts(&Step::AwaitFloor), 0);
    assert_eq!(
        sim.release().rolling_back.as_ref().unwrap().step,
        Step::AwaitFloor
    );
}

#[test]
fn trap_34_a_worker_killed_in_the_wait_waits_anew() {
    let mut sim = waiting();
    let extents = vec![Extent::None; sim.flights.len()];
    sim.die(&extents, LONG_MS);
    while sim.release().steps[&Step::AwaitFloor].attempts < 2 {
        sim.kill_at = Some(sim.journal.len() + 1);
        assert!(sim.run().is_err());
    }
    sim.kill_at = None;
    sim.world.gets_well("i-1", false);
    assert_eq!(sim.finish().outcome(), Outcome::Succeeded);
}

#[test]
fn trap_34_a_pause_and_a_cancel_are_taken_in_the_wait() {
    let mut sim = waiting();
    sim.rests_ms = Some(60_000);
    sim.commands = vec![(sim.journal.len(), by_ben(Control::Pause))];
    sim.world.gets_well("i-1", false);
    assert_eq!(sim.finish().outcome(), Outcome::Succeeded);
    let mut sim = waiting();
    sim.commands = vec![(sim.journal.len(), by_ben(Control::Cancel))];
    sim.run().unwrap();
    sim.check_end().unwrap();
    assert!(sim.release().cancelled.is_some());
    assert_eq!(sim.world.hosts["i-2"].named, Some(Which::Old));
}

#[test]
fn trap_34_a_wait_lost_with_its_ledger_is_led_back() {
    let sim = waiting();
    let marks = sim.world.marks(sim.release().request.id);
    assert!(marks.still_suspended);
    let let_run = &marks.let_run[world::GROUP];
    assert_eq!(let_run.len(), 2, "{marks:?}");
    let plan = sim.release().plan.clone().unwrap();
    let journal = marks.journal(&sim.release().request, &plan, sim.now);
    let taken_over = Sim::taken_over(sim.before.clone(), sim.world.clone(), journal, sim.now).unwrap();
    let sim = taken_over.finish();
    assert_eq!(sim.world.groups, sim.before.groups);
    assert_eq!(sim.world.hosts["i-2"].named, Some(Which::Old));
}

#[test]
fn a_worker_that_was_away_for_long_goes_on_wherever_it_was() {
    let journal = Sim::new(World::new(2, 1)).finish().journal;
    for k in 1..journal.len() {
        for extent in [Extent::None, Extent::Whole] {
            let mut sim = Sim::new(World::new(2, 1));
            sim.kill_at = Some(k);
            assert!(sim.run().is_err());
            let extents = vec![extent; sim.flights.len()];
            sim.die(&extents, LONG_MS);
            assert_eq!(
                sim.finish().outcome(),
                Outcome::Succeeded,
                "killed after entry {k}"
            );
        }
    }
}

#[test]
fn patience_begins_anew_with_the_worker_that_takes_over() {
    // The step fails four more times after most of an hour away: unless patience begins anew, the first of
    // these failures would be the last.
    let step = forward(1, Phase::SetRestartPolicy);
    let mut sim = Sim::new(World::new(2, 1).with(step.clone(), Fault::Transient, 8));
    while sim.attempts(&step) < 4 {
        sim.kill_at = Some(sim.journal.len() + 1);
        assert!(sim.run().is_err());
    }
    let extents = vec![Extent::None; sim.flights.len()];
    sim.die(&extents, LONG_MS);
    assert_eq!(sim.finish().outcome(), Outcome::Succeeded);
}

#[test]
fn a_restored_fleet_is_looked_at_again_after_a_takeover() {
    // Resuming fails until the worker gives up and has looked at the leftovers. The next worker can resume,
    // so the old observation is no longer true.
    let patient_tries = 200;
    let mut sim = Sim::new(World::new(2, 1).with(resume(), Fault::Transient, patient_tries));
    while sim.attempts(&Step::Confirm) == 0 || !sim.flights.is_empty() {
        sim.kill_at = Some(sim.journal.len() + 1);
        assert!(sim.run().is_err());
    }
    sim.world.faults.clear();
    sim.die(&[], 1_000);
    assert_eq!(sim.finish().outcome(), Outcome::Succeeded);
}

#[test]
fn a_target_group_that_goes_in_mid_roll_leaves_nothing_behind() {
    let seen_as = |world: World, state: &str| {
        let mut sim = Sim::new(world).finish();
        let release = sim.machine.release_mut();
        let hosts = release.observation.as_mut().unwrap().hosts.values_mut();
        for target in hosts.flat_map(|host| &mut host.targets) {
            state.clone_into(&mut target.state);
        }
        conclude(release, start()).outcome
    };
    let forward_only = || World::new(2, 1);
    let rolled_back = || World::new(2, 1).with(forward(2, Phase::Verify), Fault::Refused, 9);
    assert_eq!(seen_as(forward_only(), "absent"), Outcome::NeedsOperator);
    for (world, outcome) in [
        (forward_only(), Outcome::Succeeded),
        (rolled_back(), Outcome::RolledBack),
    ] {
        for state in [ObservedTarget::GROUP_DELETED, ObservedTarget::UNUSED] {
            assert_eq!(seen_as(world.clone(), state), outcome);
        }
    }
}
