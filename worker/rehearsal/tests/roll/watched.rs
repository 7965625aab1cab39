//! Hosts that are watched after their turn, until the end of the bake.

use drawgate_rehearsal::World;
use drawgate_rehearsal::sim::Sim;
use drawgate_rehearsal::world::{Extent, Fault, Which};
use drawgate_rollout::{Phase, Step, StepStatus};
use drawgate_schemas::{Event, Outcome};

use crate::{back, forward};

/// No worker drives the release for this time.
const AWAY_MS: u64 = 90_000;

/// Rolls four hosts, watched, until this step has begun.
fn until(step: &Step) -> Sim {
    let mut sim = Sim::new(World::new(4, 1).watching_hosts(60_000));
    go_on_until(step, &mut sim);
    sim
}

fn go_on_until(step: &Step, sim: &mut Sim) {
    while sim.attempts(step) == 0 {
        sim.kill_at = Some(sim.journal.len() + 1);
        assert!(sim.run().is_err());
    }
    sim.kill_at = None;
}

/// Asserts that the release was rolled back because of that host, and that every host serves as before.
fn is_rolled_back_by(sim: &Sim, instance: &str, words: &str) {
    assert!(
        matches!(sim.outcome(), Outcome::RolledBack | Outcome::NeedsOperator),
        "{:?}",
        sim.ended()
    );
    let cause = sim.release().rolling_back.as_ref().unwrap();
    assert_eq!(cause.instance(), Some(instance), "{cause:?}");
    assert!(cause.failure.what.starts_with(words), "{cause:?}");
    let told = |event: &Event| {
        matches!(event, Event::RollingBack { reason, instance: Some(named) }
            if named == instance && reason.starts_with(words))
    };
    assert!(sim.events.iter().any(told));
    let summary = &sim.ended().summary;
    assert!(summary.contains(&format!("{instance}: {words}")), "{summary}");
    assert!(
        sim.world
            .hosts
            .values()
            .all(|host| host.named == Some(Which::Old))
    );
}

#[test]
fn trap_34_a_rolled_host_that_hangs_ends_the_roll() {
    let mut sim = until(&forward(2, Phase::Drain));
    sim.world.falls_ill("i-1");
    let sim = sim.finish();
    is_rolled_back_by(&sim, "i-1", "fails its check in web");
    assert_eq!(sim.attempts(&Step::AwaitFloor), 0, "nobody waited for it");
    assert!(!sim.world.performed.contains(&forward(3, Phase::Drain)));
}

/// The floor keeps the second host, registered again, in service: the first one must not wait for it.
#[test]
fn trap_34_who_fails_goes_back_before_one_that_serves() {
    let mut sim = Sim::new(World::new(2, 1).watching_hosts(60_000));
    go_on_until(&forward(2, Phase::Register), &mut sim);
    sim.world.falls_ill("i-1");
    go_on_until(&back(1, Phase::Swap), &mut sim);
    sim.world.gets_well("i-1", false);
    let sim = sim.finish();
    is_rolled_back_by(&sim, "i-1", "fails its check in web");
    assert_eq!(sim.outcome(), Outcome::RolledBack, "{:?}", sim.ended());
}

/// The first host gets well only when the floor has kept the second one for as long as it is asked.
#[test]
fn trap_34_a_host_kept_until_the_last_moment_goes_back_too() {
    let mut sim = Sim::new(World::new(2, 1).watching_hosts(60_000));
    go_on_until(&forward(2, Phase::Register), &mut sim);
    sim.world.falls_ill("i-1");
    go_on_until(&back(1, Phase::AwaitHealthy), &mut sim);
    let given_up = |sim: &Sim| {
        let status = sim.release().step_status(&back(2, Phase::Deregister), sim.now);
        matches!(status, StepStatus::Failed(_))
    };
    while !given_up(&sim) {
        sim.kill_at = Some(sim.journal.len() + 1);
        assert!(sim.run().is_err());
    }
    sim.kill_at = None;
    sim.world.gets_well("i-1", false);
    let sim = sim.finish();
    is_rolled_back_by(&sim, "i-1", "fails its check in web");
    assert_eq!(sim.outcome(), Outcome::RolledBack, "{:?}", sim.ended());
}

#[test]
fn trap_34_a_container_that_restarts_later_ends_the_roll() {
    let mut sim = until(&forward(3, Phase::Drain));
    sim.world.restarts("i-2");
    is_rolled_back_by(&sim.finish(), "i-2", "the container has restarted once");
    let mut sim = until(&Step::Bake);
    sim.world.restarts("i-4");
    is_rolled_back_by(&sim.finish(), "i-4", "the container has restarted once");
}

/// Its last look is taken without a bake too.
#[test]
fn trap_34_a_restart_at_the_end_needs_no_bake_to_be_seen() {
    let mut sim = Sim::new(World::new(4, 1).watching_hosts(0));
    go_on_until(&Step::DetectJoined, &mut sim);
    sim.world.restarts("i-4");
    let sim = sim.finish();
    is_rolled_back_by(&sim, "i-4", "the container has restarted once");
    let baking = |event: &Event| matches!(event, Event::Baking { .. });
    assert!(!sim.events.iter().any(baking), "there was none");
}

#[test]
fn trap_34_bystanders_end_no_watched_roll() {
    // i-1 hangs as a whole, and gets well within the wait for it.
    let mut sim = until(&forward(2, Phase::Drain));
    sim.world.hangs("i-1");
    while sim.attempts(&Step::AwaitFloor) == 0 {
        sim.kill_at = Some(sim.journal.len() + 1);
        assert!(sim.run().is_err());
    }
    sim.kill_at = None;
    sim.world.gets_well("i-1", false);
    assert_eq!(sim.finish().outcome(), Outcome::Succeeded);
    // i-4 hangs with the version of before, and the new one cures it.
    let mut sim = until(&forward(2, Phase::Drain));
    sim.world.falls_ill("i-4");
    if let Some(host) = sim.world.hosts.get_mut("i-4") {
        host.healed_by_new = true;
    }
    assert_eq!(sim.finish().outcome(), Outcome::Succeeded);
}

#[test]
fn a_watch_that_cannot_see_is_never_given_up() {
    let world =
        World::new(2, 1)
            .watching_hosts(30_000)
            .with(Step::WatchHosts, Fault::UnknownNotDone, usize::MAX);
    assert_eq!(Sim::new(world).finish().outcome(), Outcome::Succeeded);
}

#[test]
fn a_worker_that_takes_over_watches_on() {
    let mut sim = until(&forward(3, Phase::Drain));
    let extents = vec![Extent::None; sim.flights.len()];
    sim.die(&extents, AWAY_MS);
    sim.world.restarts("i-1");
    is_rolled_back_by(&sim.finish(), "i-1", "the container has restarted once");
}

#[test]
fn a_rollback_and_a_roll_without_hosts_watched_watch_nobody() {
    let sim = Sim::new(World::new(2, 1)).finish();
    assert_eq!(sim.attempts(&Step::WatchHosts), 0);
    let failing = World::new(2, 1).watching_hosts(0).with(
        forward(2, Phase::Verify),
        Fault::FailsVerification,
        usize::MAX,
    );
    let sim = Sim::new(failing).finish();
    let watch = &sim.release().steps[&Step::WatchHosts];
    let back = &sim.release().steps[&back(1, Phase::Deregister)];
    assert!(watch.last_at <= back.begun_at);
}
