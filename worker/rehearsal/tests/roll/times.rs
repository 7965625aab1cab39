//! Time as a load balancer takes it: health checks, registering, draining, and what `max_roll` counts.

use drawgate_rollout::definition::Canary;
use drawgate_rollout::{
    HostPlan, HostView, LABEL_RELEASE, Phase, Plan, Record, Share, Step, attempt_ms, limits, plan,
};
use drawgate_schemas::{Control, Outcome};

use crate::driver::{Sim, by_ben};
use crate::world::{TARGET_GROUP, World, digest, request};
use crate::{forward, stage};

const MINUTE_MS: u64 = 60_000;

/// A fleet with AWS's own defaults for health checks, and a deregistration delay of 30 s.
fn checked_as_by_default(hosts: usize) -> World {
    let mut world = World::new(hosts, 1);
    world.definition.roll.min_healthy_time_ms = 10_000;
    let group = &mut world.fleet_mut().target_groups[0];
    (group.health_check_interval_s, group.healthy_threshold) = (30, 5);
    group.deregistration_delay_s = 30;
    world
}

/// The same behind a Network Load Balancer.
fn behind_an_nlb(hosts: usize) -> World {
    let mut world = checked_as_by_default(hosts);
    let group = &mut world.fleet_mut().target_groups[0];
    (group.passes_connections, group.healthy_threshold) = (true, 3);
    world
}

/// Puts every host into a spare target group too, which no load balancer uses.
fn with_a_spare_group(hosts: usize) -> World {
    let mut world = World::new(hosts, 1).in_two_groups();
    let fleet = world.fleet_mut();
    fleet.target_groups[1].deregistration_delay_s = 300;
    for host in &mut fleet.hosts {
        "unused".clone_into(&mut host.targets[1].state);
    }
    world
}

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

/// Asserts that the fleet is rolled in about the time that the plan says.
fn takes_as_long_as_planned(world: World) -> u64 {
    let expected_ms = planned(&world).expected_ms();
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded, "{}", sim.ended().summary);
    let took_ms = took_ms(&sim);
    let off_ms = took_ms.abs_diff(expected_ms);
    assert!(
        off_ms * 5 <= expected_ms,
        "planned {expected_ms} ms, took {took_ms} ms"
    );
    expected_ms
}

fn costs_s(plan: &Plan) -> Vec<(String, u64)> {
    let costs = plan.estimate().costs.into_iter();
    costs.map(|cost| (cost.setting, cost.ms / 1000)).collect()
}

#[test]
fn trap_40_one_check_makes_a_new_alb_target_healthy() {
    // Five checks of 30 s for each host would be 78 minutes, more than max_roll.
    let expected_ms = takes_as_long_as_planned(checked_as_by_default(24));
    assert!(
        (30 * MINUTE_MS..=36 * MINUTE_MS).contains(&expected_ms),
        "{expected_ms}"
    );
}

/// One at a time and a quarter at once, with a canary and a bake, behind a Network Load Balancer: the plan's time is
/// within a fifth of the roll's, with AWS's own values.
#[test]
fn a_plan_says_how_long_its_roll_takes() {
    let a_quarter_out = |mut world: World| {
        world.definition.roll.max_unavailable = Share::Percent(25);
        world
    };
    let with_a_canary = |world: World| {
        let mut world = world.watched(15 * MINUTE_MS);
        world.definition.roll.canary = Some(Canary {
            instances: 1,
            bake_ms: 10 * MINUTE_MS,
        });
        world
    };
    for mut world in [
        checked_as_by_default(2),
        a_quarter_out(checked_as_by_default(24)),
        with_a_canary(checked_as_by_default(12)),
        with_a_canary(a_quarter_out(checked_as_by_default(24))),
        a_quarter_out(behind_an_nlb(12)),
        with_a_canary(a_quarter_out(behind_an_nlb(12))),
    ] {
        world.definition.roll.max_roll_ms = 4 * 60 * MINUTE_MS;
        takes_as_long_as_planned(world);
    }
}

#[test]
fn a_host_settles_after_a_second_check() {
    let mut world = checked_as_by_default(2);
    let plan = planned(&world);
    assert_eq!(plan.min_healthy_ms(&plan.hosts[0]), 30_000);
    let named = ("a second health check of web".to_owned(), 60);
    assert!(costs_s(&plan).contains(&named), "{:?}", costs_s(&plan));
    // A longer time of the service's file, and a longer slow start, contain it.
    world.definition.roll.min_healthy_time_ms = 45_000;
    let plan = planned(&world);
    assert_eq!(plan.min_healthy_ms(&plan.hosts[0]), 45_000);
    world.fleet_mut().target_groups[0].slow_start_s = 60;
    let plan = planned(&world);
    assert_eq!(plan.min_healthy_ms(&plan.hosts[0]), 60_000);
}

#[test]
fn trap_12_an_nlb_drains_and_registers_in_minutes() {
    let mut world = behind_an_nlb(2);
    let plan = planned(&world);
    let costs = costs_s(&plan);
    for cost in [
        ("roll.nlb_registration", 600),
        ("roll.nlb_min_drain", 360),
        ("health checks of web", 180),
    ] {
        assert!(
            costs.contains(&(cost.0.to_owned(), cost.1)),
            "{cost:?} in {costs:?}"
        );
    }
    takes_as_long_as_planned(world.clone());
    // A longer deregistration delay contains the least drain, and the file may set another one.
    world.fleet_mut().target_groups[0].deregistration_delay_s = 240;
    let plan = planned(&world);
    assert_eq!(plan.drain_ms(&plan.hosts[0]), 240_000);
    world.definition.roll.nlb_min_drain_ms = 2_000;
    let plan = planned(&world);
    assert_eq!(
        plan.least_drain_ms(&plan.hosts[0]),
        5_000,
        "min_drain is still kept"
    );
}

#[test]
fn trap_40_an_nlb_target_is_not_given_up_too_early() {
    let attempt = |world: World| {
        let sim = Sim::new(world).finish();
        attempt_ms(&forward(1, Phase::AwaitHealthy), sim.release())
    };
    let at_an_alb_ms = attempt(checked_as_by_default(2));
    assert_eq!(attempt(behind_an_nlb(2)), at_an_alb_ms + 300_000);
}

/// Five hundred hosts. The connections to 180 are kept; logging in to one of the others takes 5 s through a jump host,
/// and one in ten does not answer within the 20 s of a look.
#[test]
fn the_last_look_at_a_large_fleet_has_time_for_each_host() {
    let sim = Sim::new(World::new(2, 1)).finish();
    let mut release = sim.release().clone();
    let mut plan = release.plan.as_deref().unwrap().clone();
    plan.hosts = vec![plan.hosts[0].clone(); 500];
    release.plan = Some(plan.into());
    let calls_ms = attempt_ms(&Step::Confirm, sim.release());
    let (logins, silent, abreast) = (500 - 180, 50, 8);
    let looks_ms = (logins * 5_000 + silent * 20_000) / abreast;
    let given_ms = attempt_ms(&Step::Confirm, &release);
    assert!(given_ms >= calls_ms + looks_ms, "{given_ms} ms of {looks_ms} ms");
    // A look takes no longer than its hosts need: the outcome is told at its end.
    assert!(given_ms < 600_000, "{given_ms} ms");
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

#[test]
fn trap_13_a_spare_group_makes_the_canary_no_larger() {
    let mut world = with_a_spare_group(3);
    world.definition.roll.canary = Some(Canary {
        instances: 1,
        bake_ms: MINUTE_MS,
    });
    let estimate = planned(&world).estimate();
    let starts_s: Vec<u64> = estimate.hosts.iter().map(|host| host.from_ms / 1000).collect();
    assert!(starts_s[1] >= starts_s[0] + 60 + 30, "{starts_s:?}");
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded, "{}", sim.ended().summary);
    let begun_at = |step: &Step| sim.release().steps[step].begun_at;
    let second = begun_at(&forward(2, Phase::Deregister));
    let canary = begun_at(&Step::Canary);
    assert!(limits::between_ms(canary, second) >= MINUTE_MS);
    assert_eq!(sim.world.state_in("i-1", crate::world::SECOND_GROUP), "unused");
}

#[test]
fn a_spare_group_drains_nothing() {
    let plan = planned(&with_a_spare_group(3));
    let host = &plan.hosts[0];
    assert_eq!(
        (plan.drain_ms(host), plan.healthy_after_ms(host)),
        (30_000, 2_500)
    );
    let mut alone = with_a_spare_group(1);
    alone.fleet_mut().hosts[0].targets.remove(0);
    let plan = planned(&alone);
    assert_eq!(plan.drain_ms(&plan.hosts[0]), 0);
}

#[test]
fn a_host_in_a_spare_group_is_sick_where_it_is_in_use() {
    let mut world = with_a_spare_group(3);
    world.fleet_mut().hosts[2].targets[0].state = "unhealthy".to_owned();
    let snapshot = world.fleet.as_ref().clone();
    let plan = plan(&request(), Some(&digest('d')), &world.definition, &snapshot).unwrap();
    let healthy: Vec<bool> = plan.hosts.iter().map(HostPlan::was_healthy).collect();
    assert_eq!(healthy, [false, true, true]);
    assert_eq!(plan.hosts[0].instance, "i-3", "a sick host comes first");
    assert_eq!(plan.target_groups[TARGET_GROUP].floor, 2);
}

#[test]
fn a_fleet_with_a_spare_group_may_run_the_version_already() {
    let mut world = with_a_spare_group(2);
    for host in world.hosts.values_mut() {
        let labels = &mut host.old.as_mut().unwrap().labels;
        labels.insert(LABEL_RELEASE.to_owned(), "earlier".to_owned());
    }
    for host in &mut world.fleet_mut().hosts {
        if let HostView::Reached {
            container: Some(container),
            ..
        } = &mut host.view
        {
            container.digest = Some(digest('d'));
        }
    }
    let mut sim = Sim::new(world);
    assert!(sim.run().is_ok());
    let summary = &sim.ended().summary;
    assert_eq!(summary, "2 of 2 serve main-42 already: nothing was touched");
}
