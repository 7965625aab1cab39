//! Members join and leave at every step of a roll, and the desired version is published and restored.

use drawgate_rollout::{
    HostView, LeftOut, Newcomer, Phase, Release, Step, TargetGroupSnapshot, limits, newcomer,
};
use drawgate_schemas::{Event, LeftoverKind, Outcome};
use jiff::SignedDuration;

use crate::crash::explore;
use crate::driver::Sim;
use crate::world::{Fault, PARAMETER, VALUE, World, id};
use crate::{PHASES, back, forward, forward_steps, leftovers, mends, resume};
use drawgate_rehearsal::time::start;

const BEFORE: &str = "main-41";

fn publishing(hosts: usize, out: u32) -> World {
    World::new(hosts, out).publishing(Some(BEFORE))
}

/// Every step of a good roll of `n` hosts that publishes, those that restore included.
fn every_step(n: usize) -> Vec<Step> {
    let mut steps = forward_steps(n);
    steps.extend([
        Step::ReserveDesired,
        Step::PublishDesired,
        resume(),
        Step::Unsilence,
        Step::Confirm,
    ]);
    steps.extend((1..=n).map(|n| Step::CleanUp { instance: id(n) }));
    steps
}

#[test]
fn trap_03_one_terminated_at_each_step_is_dropped_not_missed() {
    let mut executions = 0;
    for (hosts, out) in [(2, 1), (3, 1), (4, 2)] {
        for step in every_step(hosts) {
            for victim in 1..=hosts {
                let mut world = publishing(hosts, out).with_departure(step.clone(), &id(victim));
                // Of two hosts, the remaining one could not be taken out otherwise.
                world.definition.roll.allow_outage = hosts == 2;
                let sim = Sim::new(world).finish();
                assert_eq!(sim.outcome(), Outcome::Succeeded, "{victim} of {hosts} at {step}");
                let receipt = sim.ended().receipt.as_ref().unwrap();
                let gone: Vec<&str> = receipt
                    .hosts
                    .iter()
                    .filter(|host| host.gone)
                    .map(|host| host.instance.as_str())
                    .collect();
                assert_eq!(gone, [id(victim)], "{victim} of {hosts} at {step}");
                let told = format!("{0} of {0} on main-42", hosts - 1);
                assert!(sim.ended().summary.starts_with(&told), "{}", sim.ended().summary);
                executions += 1;
            }
        }
    }
    assert_eq!(executions, 2 * 28 + 3 * 38 + 4 * 48);
}

#[test]
fn trap_03_one_terminated_at_each_rollback_step_is_not_missed() {
    let mut executions = 0;
    let backs = (1..=3).flat_map(|n| PHASES[1..].iter().map(move |phase| back(n, *phase)));
    for step in backs.chain([Step::RestoreDesired, resume(), Step::Unsilence, Step::Confirm]) {
        for victim in 1..=3 {
            let world = publishing(3, 1)
                .with(Step::DetectJoined, Fault::Refused, usize::MAX)
                .with_departure(step.clone(), &id(victim));
            let sim = Sim::new(world).finish();
            assert_eq!(sim.outcome(), Outcome::RolledBack, "{victim} at {step}");
            executions += 1;
        }
    }
    assert_eq!(executions, 3 * 25);
}

#[test]
fn trap_10_one_launched_at_each_step_ends_on_desired_version() {
    for (hosts, out) in [(1, 1), (2, 1), (3, 2)] {
        for step in every_step(hosts) {
            for before in [None, Some(BEFORE)] {
                let world = World::new(hosts, out)
                    .publishing(before)
                    .with_arrival(step.clone(), &id(7));
                // The oracle asserts that every member runs the new version, also one that joined by itself.
                let sim = Sim::new(world).finish();
                assert_eq!(sim.outcome(), Outcome::Succeeded, "{step}");
                assert_eq!(sim.world.parameter.as_deref(), Some(VALUE));
            }
        }
    }
}

#[test]
fn trap_10_one_that_booted_the_desired_version_is_untouched() {
    let sim = Sim::new(publishing(2, 1).with_arrival(Step::DetectJoined, &id(7))).finish();
    assert!(
        sim.world
            .performed
            .iter()
            .all(|step| step.instance() != Some("i-7"))
    );
    let told = |event: &Event| matches!(event, Event::Joined { up_to_date, .. } if *up_to_date == [id(7)]);
    assert!(sim.events.iter().any(told), "{:?}", sim.events);
    let host = sim
        .ended()
        .receipt
        .as_ref()
        .unwrap()
        .hosts
        .last()
        .unwrap()
        .clone();
    assert!(host.joined && !host.touched && host.instance == id(7), "{host:?}");
    let summary = "3 of 3 on main-42, 1 joined, scaling and alarms as before";
    assert_eq!(sim.ended().summary, summary);
    let published =
        |event: &Event| matches!(event, Event::DesiredPublished { parameter, .. } if parameter == PARAMETER);
    assert!(sim.events.iter().any(published));
}

#[test]
fn trap_10_any_number_may_boot_the_desired_version_meanwhile() {
    // Each look finds another member; none of them costs a detection.
    let mut world = publishing(2, 1);
    for n in 10..10 + 3 * limits::DETECTIONS as usize {
        world = world.with_arrival(Step::DetectJoined, &id(n));
    }
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert_eq!(
        (sim.release().detections, sim.release().up_to_date.len()),
        (0, 30)
    );
}

#[test]
fn trap_10_the_value_of_before_comes_back_whatever_fails() {
    for before in [None, Some(BEFORE)] {
        for fault in [Fault::Refused, Fault::UnknownHalf] {
            for step in forward_steps(2)
                .into_iter()
                .chain([Step::ReserveDesired, Step::PublishDesired])
            {
                let world = World::new(2, 1)
                    .publishing(before)
                    .with(step.clone(), fault, usize::MAX);
                let sim = Sim::new(world).finish();
                if sim.release().rolling_back.is_some() {
                    assert_eq!(sim.world.parameter.as_deref(), before, "{step} {fault:?}");
                }
            }
        }
    }
}

#[test]
fn trap_10_on_the_rollback_the_value_of_before_comes_first() {
    let world = publishing(2, 1).with(Step::DetectJoined, Fault::Refused, usize::MAX);
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::RolledBack);
    let at = |which: &dyn Fn(&Step) -> bool| sim.world.performed.iter().position(which).unwrap();
    let unpublished = at(&|step| *step == Step::RestoreDesired);
    assert!(at(&|step| *step == Step::PublishDesired) < unpublished);
    assert!(unpublished < at(&|step| *step == back(1, Phase::Deregister)));
    let told = |event: &Event| matches!(event, Event::DesiredRestored { version_name: Some(name), .. } if name == BEFORE);
    assert!(sim.events.iter().any(told));
}

#[test]
fn trap_10_hosts_go_back_while_the_parameter_cannot_be_written() {
    let world = publishing(2, 1)
        .with(Step::DetectJoined, Fault::Refused, usize::MAX)
        .with(Step::RestoreDesired, Fault::Transient, usize::MAX);
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::NeedsOperator);
    let expected = LeftoverKind::DesiredNotRestored {
        parameter: PARAMETER.to_owned(),
        expected: Some(BEFORE.to_owned()),
    };
    assert!(leftovers(&sim).contains(&expected), "{:?}", leftovers(&sim));
    assert!(mends(&sim).contains(&format!("aws ssm get-parameter-history --name {PARAMETER}")));
    // Both hosts had finished long before the last attempt.
    let settled = sim.release().steps[&back(2, Phase::AwaitHealthy)].last_at;
    let tried = sim.release().steps[&Step::RestoreDesired].last_at;
    assert!(limits::between_ms(settled, tried) > limits::RESTORE_PATIENCE_MS / 2);
}

#[test]
fn trap_10_one_that_booted_what_failed_is_named_on_rollback() {
    for step in [Step::DetectJoined, Step::RestoreDesired] {
        let world = publishing(2, 1).with_arrival(step.clone(), &id(7)).with(
            Step::DetectJoined,
            Fault::Refused,
            usize::MAX,
        );
        let sim = Sim::new(world).finish();
        assert_eq!(sim.outcome(), Outcome::NeedsOperator, "{step}");
        let expected = LeftoverKind::BootedTheFailed {
            instance: id(7),
            found: "main-42".to_owned(),
        };
        assert_eq!(leftovers(&sim), [expected]);
        let terminate = "aws autoscaling terminate-instance-in-auto-scaling-group --instance-id i-7 \
                         --no-should-decrement-desired-capacity";
        assert_eq!(mends(&sim), [terminate]);
    }
    // Once the parameter is restored, a new instance boots the earlier version.
    let world = publishing(2, 1).with_arrival(back(1, Phase::Drain), &id(7)).with(
        Step::DetectJoined,
        Fault::Refused,
        usize::MAX,
    );
    assert_eq!(Sim::new(world).finish().outcome(), Outcome::RolledBack);
}

#[test]
fn trap_10_what_somebody_else_published_meanwhile_stays() {
    let mut sim = Sim::new(publishing(2, 1));
    while sim.attempts(&forward(1, Phase::Drain)) == 0 {
        sim.kill_at = Some(sim.journal.len() + 1);
        assert!(sim.run().is_err());
    }
    sim.kill_at = None;
    sim.world.parameter = Some("theirs".to_owned());
    sim.run().unwrap();
    assert_eq!(sim.world.parameter.as_deref(), Some("theirs"));
    assert_eq!(sim.outcome(), Outcome::RolledBack, "{}", sim.ended().summary);
    let receipt = sim.ended().receipt.as_ref().unwrap().desired.clone().unwrap();
    assert_eq!(receipt.before.as_deref(), Some(BEFORE));
    assert_eq!(receipt.after.as_deref(), Some("theirs"));
}

#[test]
fn trap_10_one_that_is_pending_is_awaited_and_rolled() {
    let world = publishing(2, 1)
        .with_arrival(forward(1, Phase::Drain), &id(7))
        .with_pending(&id(7), 4);
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert_eq!(sim.release().joined.len(), 1);
}

#[test]
fn trap_10_one_that_stays_pending_past_its_time_is_named() {
    let world = publishing(2, 1)
        .with_arrival(forward(1, Phase::Drain), &id(7))
        .with_arrival(forward(2, Phase::Drain), &id(8))
        .with_pending(&id(7), usize::MAX);
    let sim = Sim::new(world).finish();
    // The fleet is good and stays so, and so is the other instance that joined; scaling runs again.
    assert_eq!(sim.outcome(), Outcome::NeedsOperator);
    assert!(sim.release().rolling_back.is_none() && sim.world.suspended().is_empty());
    for n in [1, 2, 8] {
        assert!(
            sim.world.hosts[&id(n)]
                .new
                .as_ref()
                .is_some_and(|new| new.running),
            "i-{n}"
        );
    }
    assert!(
        matches!(&leftovers(&sim)[..], [LeftoverKind::JoinedBooting { instance, state, expected, .. }]
            if *instance == id(7) && state == "Pending" && expected == "main-42"),
        "{:?}",
        leftovers(&sim)
    );
    assert!(limits::between_ms(start(), sim.now) < limits::BOOT_PATIENCE_MS + 6 * 60_000);
}

#[test]
fn trap_10_killed_at_every_moment_of_a_roll_that_publishes() {
    let forward_way =
        [(1, 1), (2, 1), (2, 2)].map(|(hosts, out)| explore(&publishing(hosts, out), Outcome::Succeeded));
    let first = explore(&World::new(2, 1).publishing(None), Outcome::Succeeded);
    let joined = explore(
        &publishing(2, 1).with_arrival(forward(1, Phase::Drain), &id(7)),
        Outcome::Succeeded,
    );
    assert_eq!((forward_way, first, joined), ([84, 132, 195], 132, 173));
}

#[test]
fn trap_10_killed_at_every_moment_of_an_unpublishing_rollback() {
    let turning_points = [
        (Step::ReserveDesired, Outcome::Failed),
        (forward(2, Phase::Swap), Outcome::RolledBack),
        (Step::PublishDesired, Outcome::RolledBack),
        (Step::DetectJoined, Outcome::RolledBack),
    ];
    for before in [None, Some(BEFORE)] {
        let executions = turning_points.clone().map(|(step, outcome)| {
            let world = World::new(2, 1).publishing(before);
            explore(&world.with(step, Fault::Refused, usize::MAX), outcome)
        });
        assert_eq!(executions, [30, 164, 179, 182]);
    }
}

/// It would be registered again without the server id that its registration has.
#[test]
fn a_newcomer_in_a_quic_target_group_is_not_rolled() {
    let sim = Sim::new(World::new(2, 1)).finish();
    let (release, plan) = (sim.release(), sim.release().plan.as_deref().unwrap());
    let fleet = World::new(2, 1).snapshot();
    let mut seen = fleet.hosts[0].clone();
    seen.instance = id(9);
    let mut groups = fleet.target_groups;
    let judged = |groups: &[TargetGroupSnapshot]| newcomer(&seen, None, groups, release, plan);
    assert!(matches!(judged(&groups), Newcomer::Roll(_)));
    groups[0].has_server_ids = true;
    let Newcomer::Await(why) = judged(&groups) else {
        panic!("it is rolled");
    };
    assert!(why.contains("cannot be rolled") && why.contains("QUIC"), "{why}");
}

/// However young it is: it was silent when the release began.
#[test]
fn nobody_waits_for_a_silent_host_that_was_left_out() {
    let sim = Sim::new(World::new(2, 1)).finish();
    let mut release = sim.release().clone();
    let mut seen = World::new(2, 1).snapshot().hosts.remove(0);
    seen.view = HostView::Unreachable {
        why: "does not answer".to_owned(),
        hint: None,
    };
    let judged = |release: &Release| {
        let age = Some(SignedDuration::from_secs(20));
        newcomer(&seen, age, &[], release, release.plan.as_deref().unwrap())
    };
    assert!(matches!(judged(&release), Newcomer::Await(_)));
    let mut plan = release.plan.as_deref().unwrap().clone();
    let (host, why) = (plan.hosts.remove(0), "does not answer".to_owned());
    plan.left_out.push(LeftOut { host, why });
    release.plan = Some(plan.into());
    assert_eq!(judged(&release), Newcomer::LeftOut);
}
