//! Rolls that succeed, and what is reported of them.

use drawgate_rollout::{Phase, Record, Step};
use drawgate_schemas::{Event, HostPhase, Outcome};
use jiff::Timestamp;

use crate::driver::Sim;
use crate::world::{ALARM, Container, GROUP, World, id, old_container, request};
use crate::{PHASES, forward, forward_steps};
use drawgate_rehearsal::time::start;

#[test]
fn a_fleet_of_three_is_rolled_one_after_another() {
    let sim = Sim::new(World::new(3, 1)).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    for step in forward_steps(3) {
        assert_eq!(sim.attempts(&step), 1, "{step}");
    }
    let hosts: Vec<&Step> = sim
        .world
        .performed
        .iter()
        .filter(|step| matches!(step, Step::Host { .. }))
        .collect();
    let expected: Vec<Step> = (1..=3)
        .flat_map(|n| PHASES.map(|phase| forward(n, phase)))
        .collect();
    assert_eq!(hosts, expected.iter().collect::<Vec<_>>());
}

#[test]
fn the_receipt_of_a_good_roll_says_what_was_and_is() {
    let sim = Sim::new(World::new(3, 1)).finish();
    let receipt = sim.ended().receipt.clone().unwrap();
    assert_eq!(receipt.groups[0].group, GROUP);
    assert!(receipt.groups[0].before.is_empty() && receipt.groups[0].after.is_empty());
    assert_eq!(receipt.groups[0].suspended.len(), 6);
    assert!(receipt.alarms[0].alarm == ALARM && receipt.alarms[0].after);
    for host in &receipt.hosts {
        assert!(host.touched && !host.gone);
        assert_eq!(
            (host.targets[0].before.as_str(), host.targets[0].after.as_str()),
            ("healthy", "healthy")
        );
        assert_ne!(host.image_before, host.image_after);
        assert_eq!(host.without_container_ms, Some(800));
        assert_eq!(host.phases.len(), 6);
    }
    let took = |host: usize| {
        receipt.hosts[host]
            .phases
            .iter()
            .map(|phase| phase.took_ms)
            .sum::<u64>()
    };
    assert!(took(0) > 40_000 && receipt.duration_ms > took(0) + took(1) + took(2));
    // A drain, the first check of each host at a moment of its own, and one check more.
    let first_checks_ms = 1_850 + 3_700 + 550;
    assert_eq!(
        receipt.balancer_wait_ms,
        3 * (30_000 + 5_000) + first_checks_ms + 2 * 137 * 6
    );
    assert_eq!(
        receipt.costs_most.as_deref(),
        Some("the deregistration delay of 30 s")
    );
}

#[test]
fn two_at_once_are_out_at_once_and_never_three() {
    let sim = Sim::new(World::new(4, 2)).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    let slow = Sim::new(World::new(4, 1)).finish();
    assert!(sim.now.duration_since(start()) < slow.now.duration_since(start()) * 2 / 3);
}

#[test]
fn a_fleet_of_one_with_allow_outage_is_rolled() {
    let sim = Sim::new(World::new(1, 1)).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
}

#[test]
fn processes_that_others_suspended_stay_suspended() {
    let mut world = World::new(2, 1);
    world.suspend_by_hand("ReplaceUnhealthy");
    world.suspend_by_hand("Terminate");
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert!(
        sim.world.suspended().contains("Terminate") && sim.world.suspended().contains("ReplaceUnhealthy")
    );
    let suspended = sim.events.iter().find_map(|event| match event {
        Event::ScalingSuspended(suspension) => Some(suspension.clone()),
        _ => None,
    });
    let suspended = suspended.unwrap();
    assert!(!suspended.processes.contains(&"ReplaceUnhealthy".to_owned()));
    assert_eq!(suspended.left_alone, ["ReplaceUnhealthy", "Terminate"]);
}

#[test]
fn a_wholly_suspended_group_is_neither_suspended_nor_resumed() {
    let mut world = World::new(2, 1);
    for process in drawgate_rollout::definition::Process::DEFAULT {
        world.suspend_by_hand(process.as_str());
    }
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert_eq!(
        sim.attempts(&crate::suspend()) + sim.attempts(&crate::resume()),
        0
    );
}

#[test]
fn alarms_whose_actions_are_off_stay_off() {
    let mut world = World::new(2, 1);
    world.alarms.insert("web-latency".to_owned(), false);
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert!(!sim.world.alarms["web-latency"]);
}

#[test]
fn a_container_that_another_tool_made_is_replaced_and_kept() {
    let mut world = World::new(2, 1);
    world.hosts.get_mut("i-1").unwrap().old = Some(Container {
        labels: [("maintainer".to_owned(), "x".to_owned())].into(),
        ..old_container()
    });
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert!(
        sim.world.hosts["i-1"]
            .old
            .as_ref()
            .is_some_and(|old| !old.running)
    );
}

/// A fleet for a first release: nothing runs yet, and so nothing is healthy.
fn empty_fleet() -> World {
    let mut world = World::new(2, 1);
    for host in world.hosts.values_mut() {
        (host.old, host.named) = (None, None);
    }
    world
}

#[test]
fn a_first_release_starts_where_nothing_ran() {
    let sim = Sim::new(empty_fleet()).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert_eq!(
        sim.ended().receipt.as_ref().unwrap().hosts[0].without_container_ms,
        None
    );
}

#[test]
fn a_first_release_that_fails_leaves_nothing_running() {
    let world = empty_fleet().with(forward(2, Phase::Verify), crate::world::Fault::Refused, 99);
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::RolledBack);
    assert!(sim.world.hosts.values().all(|host| host.running() == 0));
}

#[test]
fn a_stopped_container_is_replaced_and_goes_back_stopped() {
    let stopped = || {
        let mut world = World::new(3, 1);
        world.hosts.get_mut("i-2").unwrap().old = Some(Container {
            running: false,
            ..old_container()
        });
        world
    };
    assert_eq!(Sim::new(stopped()).finish().outcome(), Outcome::Succeeded);
    let world = stopped().with(forward(3, Phase::Verify), crate::world::Fault::Refused, 99);
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::RolledBack);
    assert!(
        sim.world.hosts["i-2"]
            .old
            .as_ref()
            .is_some_and(|old| !old.running)
    );
}

#[test]
fn unhealthy_hosts_are_rolled_first() {
    let mut world = World::new(3, 1);
    world.hosts.get_mut("i-3").unwrap().old = Some(Container {
        running: false,
        ..old_container()
    });
    let sim = Sim::new(world).finish();
    let order: Vec<String> = sim
        .ended()
        .receipt
        .as_ref()
        .unwrap()
        .hosts
        .iter()
        .map(|h| h.instance.clone())
        .collect();
    assert_eq!(order, [id(3), id(1), id(2)]);
}

#[test]
fn a_request_expired_in_queue_is_rejected_and_touches_nothing() {
    let mut request = request();
    request.expires_at = Some("2026-01-01T00:10:00Z".parse().unwrap());
    let mut sim = Sim::of(World::new(2, 1), request);
    sim.queue_ms = 11 * 60_000;
    let sim = sim.finish();
    assert_eq!(sim.outcome(), Outcome::Rejected);
    assert_eq!(
        sim.world,
        World {
            performed: sim.world.performed.clone(),
            ..World::clone(&sim.before)
        }
    );
    assert_eq!(*sim.world.performed, [Step::Resolve]);
    assert!(
        sim.ended().summary.contains("expired at 2026-01-01T00:10:00Z"),
        "{}",
        sim.ended().summary
    );
}

#[test]
fn a_request_that_expires_after_its_start_goes_on() {
    let mut request = request();
    request.expires_at = Some("2026-01-01T00:10:00Z".parse().unwrap());
    let mut sim = Sim::of(World::new(10, 1), request);
    sim.queue_ms = 9 * 60_000;
    let sim = sim.finish();
    assert!(sim.now > "2026-01-01T00:10:00Z".parse::<Timestamp>().unwrap());
    assert_eq!(sim.outcome(), Outcome::Succeeded);
}

#[test]
fn an_image_with_a_digest_is_not_resolved() {
    let mut request = request();
    let digest = crate::world::digest('d');
    request.image = format!("{}@{digest}", crate::world::REPOSITORY).parse().unwrap();
    let sim = Sim::of(World::new(2, 1), request).finish();
    assert_eq!(
        (sim.outcome(), sim.attempts(&Step::Resolve)),
        (Outcome::Succeeded, 0)
    );
}

#[test]
fn a_good_roll_is_told_in_order() {
    let sim = Sim::new(World::new(2, 1)).finish();
    let told: Vec<String> = sim
        .events
        .iter()
        .map(|event| match event {
            Event::Host(host) => format!("{} {:?} {}/{}", host.instance, host.phase, host.done, host.total),
            other => other.kind().name().to_owned(),
        })
        .collect();
    let host = |n: usize| {
        use HostPhase::{AwaitingHealthy, Deregistering, Done, Draining, Registering, Swapping, Verifying};
        [
            Deregistering,
            Draining,
            Swapping,
            Verifying,
            Registering,
            AwaitingHealthy,
        ]
        .map(|phase| format!("i-{n} {phase:?} {}/2", n - 1))
        .into_iter()
        .chain([format!("i-{n} {Done:?} {n}/2")])
    };
    let expected: Vec<String> = [
        "accepted",
        "resolved",
        "started",
        "staged",
        "scaling_suspended",
        "alarms_silenced",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(host(1))
    .chain(host(2))
    .chain(["scaling_resumed", "alarms_unsilenced", "succeeded"].map(str::to_owned))
    .collect();
    assert_eq!(told, expected);
}

#[test]
fn every_effect_has_its_intent_before_it() {
    let sim = Sim::new(World::new(3, 2)).finish();
    let mut open = Vec::new();
    for entry in &sim.journal {
        match &entry.record {
            Record::Intent { step } => open.push(step.clone()),
            Record::Outcome { step, .. } => {
                let place = open.iter().position(|other| other == step);
                open.remove(place.unwrap());
            }
            _ => {}
        }
    }
    assert!(open.is_empty());
}
