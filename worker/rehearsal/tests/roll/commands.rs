//! Services that swap with a program of their own, on each host or on the bastion.

use drawgate_rollout::{ON_BASTION, Phase, Step};
use drawgate_schemas::{Direction, Event, HostPhase, Outcome};

use crate::crash::explore;
use crate::driver::Sim;
use crate::forward;
use crate::world::{Fault, World};

fn beside(direction: Direction, phase: Phase) -> Step {
    Step::Host {
        instance: ON_BASTION.to_owned(),
        direction,
        phase,
    }
}

#[test]
fn a_script_needs_no_image_and_no_container() {
    let sim = Sim::new(World::new(3, 1).commanded()).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    let containers = |step: &&Step| {
        matches!(
            step,
            Step::Stage { .. }
                | Step::CleanUp { .. }
                | Step::Host {
                    phase: Phase::Create | Phase::SetRestartPolicy,
                    ..
                }
        )
    };
    assert_eq!(sim.world.performed.iter().find(containers), None);
    assert_eq!(
        sim.ended().summary,
        "3 of 3 on main-42, 0 joined, scaling and alarms as before"
    );
}

#[test]
fn a_script_killed_at_every_moment() {
    let executions = [(1, 1), (2, 1), (3, 2)]
        .map(|(hosts, out)| explore(&World::new(hosts, out).commanded(), Outcome::Succeeded));
    assert_eq!(executions, [61, 81, 157]);
}

#[test]
fn a_script_killed_at_every_moment_of_the_rollback() {
    let executions = [Phase::Drain, Phase::Swap, Phase::Verify, Phase::AwaitHealthy].map(|phase| {
        let world = World::new(2, 1)
            .commanded()
            .with(forward(2, phase), Fault::Refused, usize::MAX);
        explore(&world, Outcome::RolledBack)
    });
    assert_eq!(executions, [92, 110, 113, 119]);
}

/// A program whose answer is lost may have done its work, or half of it.
#[test]
fn a_script_whose_end_is_not_known_is_run_again() {
    for fault in [Fault::UnknownDone, Fault::UnknownHalf, Fault::UnknownNotDone] {
        let world = World::new(2, 1)
            .commanded()
            .with(forward(1, Phase::Swap), fault, 2);
        let sim = Sim::new(world).finish();
        assert_eq!(sim.outcome(), Outcome::Succeeded, "{fault:?}");
        assert_eq!(sim.attempts(&forward(1, Phase::Swap)), 3, "{fault:?}");
    }
}

/// A program that was refused half-way left the host on neither version; the host still rolls back.
#[test]
fn a_script_that_fails_half_way_goes_back() {
    let world = World::new(3, 1)
        .commanded()
        .with(forward(2, Phase::Swap), Fault::RefusedHalf, 1);
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::RolledBack);
    assert!(!sim.world.performed.contains(&forward(3, Phase::Deregister)));
}

#[test]
fn on_the_bastion_there_is_a_swap_and_its_check() {
    let sim = Sim::new(World::on_bastion()).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert_eq!(sim.ended().summary, "deployed main-42, alarms as before");
    let of_hosts = sim
        .world
        .performed
        .iter()
        .filter(|step| matches!(step, Step::Host { .. }));
    assert_eq!(
        of_hosts.cloned().collect::<Vec<_>>(),
        [Phase::Swap, Phase::Verify].map(|phase| beside(Direction::Forward, phase))
    );
    assert!(sim.world.locked.is_empty(), "{:?}", sim.world.locked);
    let done =
        |event: &Event| matches!(event, Event::Host(host) if host.phase == HostPhase::Done && host.done == 1);
    assert!(sim.events.iter().any(done));
}

#[test]
fn on_the_bastion_killed_at_every_moment() {
    let fails =
        |phase| World::on_bastion().with(beside(Direction::Forward, phase), Fault::Refused, usize::MAX);
    let executions = [
        explore(&World::on_bastion(), Outcome::Succeeded),
        explore(&fails(Phase::Swap), Outcome::RolledBack),
        explore(&fails(Phase::Verify), Outcome::RolledBack),
    ];
    assert_eq!(executions, [29, 34, 37]);
}
