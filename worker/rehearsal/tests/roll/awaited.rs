//! Hosts on their way in or out when a release begins: it waits for them before it touches anything.

use drawgate_rollout::{
    Decision, Failure, HostView, Severity, Step, StepOutcome, attempt_ms, decide, limits, plan,
};
use drawgate_schemas::{Control, Event, Outcome};

use crate::crash::explore;
use crate::driver::{Next, Sim, by_ben};
use crate::world::{World, digest, id};

/// A fleet of three whose last host is `Pending` for so many looks.
fn pending(looks: usize) -> World {
    World::new(3, 1).with_pending(&id(3), looks)
}

/// What events said that the release waits for.
fn told(sim: &Sim) -> Vec<&str> {
    let told = |event: &'_ Event| matches!(event, Event::Setback { step, .. } if step == "inspect the fleet");
    let reasons = sim.events.iter().filter(|event| told(event));
    reasons
        .map(|event| match event {
            Event::Setback { reason, .. } => reason.as_str(),
            _ => "",
        })
        .collect()
}

/// Runs until the release waits for hosts.
fn waiting(world: World) -> Sim {
    let mut sim = Sim::new(world);
    while sim.release().awaits().is_none() {
        match sim.go().unwrap() {
            Next::Ended => panic!("{}", sim.ended().summary),
            Next::Lands(index) => sim.land(index).unwrap(),
            Next::Recorded | Next::Slept => {}
        }
    }
    sim
}

#[test]
fn a_pending_member_is_waited_for_and_rolled() {
    let sim = Sim::new(pending(3)).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert_eq!(sim.attempts(&Step::Inspect), 4);
    assert_eq!(sim.release().hosts().count(), 3);
    // Said once, and not at every look.
    assert_eq!(
        told(&sim),
        ["waits up to 600 s in all: i-3 is still being launched"]
    );
}

#[test]
fn a_member_that_stays_pending_refuses_by_name() {
    let sim = Sim::new(pending(usize::MAX)).finish();
    assert_eq!(sim.outcome(), Outcome::Failed);
    let summary = &sim.ended().summary;
    for part in [
        "i-3: is still being launched",
        "waited for 601 s in vain",
        "nothing was touched",
    ] {
        assert!(summary.contains(part), "no {part:?} in {summary}");
    }
    assert!(sim.ended().hint.as_ref().unwrap().contains("[preflight] wait"));
    let looks = limits::PREFLIGHT_WAIT_DEFAULT_MS / limits::PREFLIGHT_AGAIN_MS;
    let looked = sim.attempts(&Step::Inspect) as u64;
    assert!((looks / 2..=looks + 1).contains(&looked), "{looked} looks");
}

#[test]
fn nothing_is_locked_while_hosts_are_waited_for() {
    let sim = waiting(pending(9));
    assert!(!sim.release().begun(&Step::Lock) && sim.world.locked.is_empty());
    assert!(sim.flights.is_empty(), "{:?}", sim.flights);
    let lines: Vec<String> = sim.release().awaits().unwrap().lines().collect();
    assert_eq!(lines, ["i-3 is still being launched"]);
}

#[test]
fn without_a_wait_a_pending_member_refuses_at_once() {
    let mut world = pending(9);
    world.definition.preflight.wait_ms = 0;
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Failed);
    assert_eq!(sim.attempts(&Step::Inspect), 1);
    assert!(
        !sim.ended().summary.contains("in vain"),
        "{}",
        sim.ended().summary
    );
}

#[test]
fn the_wait_is_not_longer_than_the_file_says() {
    for wait_ms in [1_000, 15_000, 40_000] {
        let mut world = pending(usize::MAX);
        world.definition.preflight.wait_ms = wait_ms;
        let sim = Sim::new(world).finish();
        let waited = format!("waited for {} s in vain", wait_ms / 1_000);
        // The last look itself takes a moment.
        let longer = format!("waited for {} s in vain", wait_ms / 1_000 + 1);
        let summary = &sim.ended().summary;
        assert!(
            summary.contains(&waited) || summary.contains(&longer),
            "{summary}"
        );
    }
}

#[test]
fn a_cancelled_release_waits_for_no_host() {
    let mut sim = waiting(pending(usize::MAX));
    let begun = sim.now;
    sim.commands = vec![(sim.journal.len(), by_ben(Control::Cancel))];
    let sim = sim.finish();
    assert_eq!(sim.outcome(), Outcome::Cancelled);
    assert_eq!(sim.now, begun);
}

#[test]
fn what_refuses_for_good_is_not_waited_for() {
    let mut world = pending(9);
    world.fleet_mut().groups[0].refresh = Some("r-1".to_owned());
    let sim = Sim::new(world).finish();
    assert_eq!(
        (sim.outcome(), sim.attempts(&Step::Inspect)),
        (Outcome::Failed, 1)
    );
    assert!(told(&sim).is_empty());
}

#[test]
fn killed_at_every_moment_of_the_wait_it_still_succeeds() {
    let mut world = World::new(2, 1).with_pending(&id(2), 2);
    world.definition.preflight.wait_ms = 60_000;
    assert!(explore(&world, Outcome::Succeeded) > 20);
}

#[test]
fn a_takeover_gives_the_wait_its_whole_time_anew() {
    let mut sim = waiting(pending(usize::MAX));
    let away_ms = 2 * limits::PREFLIGHT_WAIT_DEFAULT_MS;
    sim.die(&[], away_ms);
    let again = limits::after(sim.now, limits::PREFLIGHT_WAIT_DEFAULT_MS);
    let sim = sim.finish();
    assert_eq!(sim.outcome(), Outcome::Failed);
    assert!(sim.now >= again);
}

#[test]
fn a_paused_release_does_not_look_and_loses_no_time() {
    let mut sim = waiting(pending(usize::MAX));
    sim.commands = vec![(sim.journal.len(), by_ben(Control::Pause))];
    sim.rests_ms = Some(300_000);
    let begun = sim.now;
    let sim = sim.finish();
    let most = limits::after(begun, limits::PREFLIGHT_WAIT_DEFAULT_MS + 300_000);
    assert!(sim.now >= most, "{} {most}", sim.now);
    assert!(sim.ended().summary.contains("in vain"), "{}", sim.ended().summary);
}

#[test]
fn the_next_look_is_a_moment_away() {
    let sim = waiting(pending(9));
    let again = limits::after(sim.now, limits::PREFLIGHT_AGAIN_MS);
    assert_eq!(decide(sim.release(), None, sim.now), [Decision::WakeAt(again)]);
}

#[test]
fn a_young_host_that_does_not_answer_is_waited_for() {
    let world = World::new(3, 1);
    let mut snapshot = world.snapshot();
    let view = HostView::Unreachable {
        why: "no answer".to_owned(),
        hint: None,
    };
    snapshot.hosts[0].view = view;
    let severity = |snapshot: &_| {
        let findings = plan(&world.request, Some(&digest('d')), &world.definition, snapshot).unwrap_err();
        findings[0].severity
    };
    assert_eq!(severity(&snapshot), Severity::Refuse);
    for (age_ms, expected) in [
        (limits::BOOT_MS, Severity::Wait),
        (limits::BOOT_MS + 1, Severity::Refuse),
    ] {
        let age = jiff::SignedDuration::from_millis(i64::try_from(age_ms).unwrap());
        snapshot.hosts[0].launched_at = Some(snapshot.at - age);
        assert_eq!(severity(&snapshot), expected, "{age_ms}");
    }
}

/// In a VPC with thousands of target groups one look may not see them all within its time: the next one goes on where it
/// was.
#[test]
fn an_inspection_whose_time_was_over_twice_goes_on() {
    let mut sim = Sim::new(World::new(2, 1));
    let mut over = 0;
    loop {
        match sim.go().unwrap() {
            Next::Ended => break,
            Next::Lands(index) if sim.flights[index].1 == Step::Inspect && over < 2 => {
                over += 1;
                sim.now = limits::after(sim.now, attempt_ms(&Step::Inspect, sim.release()));
                let failure = Failure::new("no answer within its time");
                let unknown = StepOutcome::Unknown { failure };
                sim.land_as(index, |_, _, _| unknown).unwrap();
            }
            Next::Lands(index) => sim.land(index).unwrap(),
            Next::Recorded | Next::Slept => {}
        }
    }
    assert_eq!((sim.outcome(), over), (Outcome::Succeeded, 2));
}
