//! Alarms that fire at the start, on the way forward, during the bake, and during rollback.

use drawgate_rollout::definition::{AlarmDefinition, Firing};
use drawgate_rollout::{
    Evidence, Failure, Phase, Plan, Record, Release, Step, StepOutcome, WatchPlan, attempt_ms, limits,
    patience_ms,
};
use drawgate_schemas::{Event, LeftoverKind, Note, NoteKind, Outcome};

use crate::crash::explore;
use crate::driver::{Next, Sim};
use crate::world::{ALARM, Extent, Fault, World, id};
use crate::{PHASES, back, forward, forward_steps, leftovers, mends, notes, resume, suspend};
use drawgate_rehearsal::time::start;

const BAKE_MS: u64 = 300_000;

/// The steps of the way forward from the first change on, the bake included.
fn watched_steps(hosts: usize) -> Vec<Step> {
    let touched = forward_steps(hosts)
        .into_iter()
        .filter(|step| !matches!(step, Step::Stage { .. }));
    touched.chain([Step::Bake]).collect()
}

#[test]
fn trap_16_an_alarm_at_any_step_forward_rolls_all_back() {
    for (hosts, out) in [(1, 1), (2, 1), (3, 2)] {
        for step in watched_steps(hosts) {
            let world = World::new(hosts, out)
                .watched(BAKE_MS)
                .with_alarm_at(step.clone());
            let sim = Sim::new(world).finish();
            let touched = sim.world.hosts.values().any(|host| host.disturbed);
            let expected = if touched {
                Outcome::RolledBack
            } else {
                Outcome::Failed
            };
            assert_eq!(sim.outcome(), expected, "{step}");
            let cause = sim.release().rolling_back.clone().unwrap();
            assert!(
                matches!(cause.step, Step::Watch | Step::Bake),
                "{step}: {cause:?}"
            );
            assert_eq!(cause.failure.what, format!("{ALARM} went into ALARM"), "{step}");
            let said =
                |event: &Event| matches!(event, Event::RollingBack { reason, .. } if reason.contains(ALARM));
            assert_eq!(sim.events.iter().filter(|event| said(event)).count(), 1, "{step}");
        }
    }
}

#[test]
fn trap_16_an_alarm_at_any_step_of_the_rollback_stops_nothing() {
    let hosts = (1..=3).flat_map(|n| PHASES[1..].iter().map(move |phase| back(n, *phase)));
    for step in hosts.chain([
        resume(),
        Step::Unsilence,
        Step::CleanUp { instance: id(1) },
        Step::Confirm,
    ]) {
        let world = World::new(3, 1)
            .watched(0)
            .with(Step::DetectJoined, Fault::Refused, usize::MAX)
            .with_alarm_at(step.clone());
        let sim = Sim::new(world).finish();
        assert_eq!(sim.outcome(), Outcome::RolledBack, "{step}");
        assert_eq!(
            sim.release().rolling_back.as_ref().unwrap().step,
            Step::DetectJoined,
            "{step}"
        );
        assert_eq!(sim.attempts(&step), 1, "{step}");
    }
}

#[test]
fn trap_16_an_alarm_while_a_good_roll_restores_changes_nothing() {
    for step in [
        resume(),
        Step::Unsilence,
        Step::CleanUp { instance: id(2) },
        Step::Confirm,
    ] {
        let sim = Sim::new(World::new(2, 1).watched(0).with_alarm_at(step.clone())).finish();
        assert_eq!(sim.outcome(), Outcome::Succeeded, "{step}");
    }
}

#[test]
fn trap_16_an_alarm_waits_for_no_drain_and_no_bake() {
    // In the model a drain takes half a minute, and the watch sees an alarm after ten seconds.
    let world = World::new(2, 1)
        .watched(BAKE_MS)
        .with_alarm_at(forward(2, Phase::Deregister));
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::RolledBack);
    let state = |step: Step| sim.release().steps[&step].clone();
    let fired_at = state(forward(2, Phase::Deregister)).last_at;
    let back_at = state(back(2, Phase::Register)).begun_at;
    assert!(
        limits::between_ms(fired_at, back_at) <= 10_000,
        "{fired_at} {back_at}"
    );

    let sim = Sim::new(
        World::new(2, 1)
            .watched(BAKE_MS)
            .with_alarm_at(Step::DetectJoined),
    )
    .finish();
    let lasted_ms = |state: drawgate_rollout::StepState| limits::between_ms(state.begun_at, state.last_at);
    assert!(lasted_ms(sim.release().steps[&Step::Bake].clone()) <= 10_000);
}

#[test]
fn a_quiet_roll_is_watched_from_first_touch_to_end_of_bake() {
    let sim = Sim::new(World::new(3, 1).watched(BAKE_MS)).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    let begun = |step: &Step| sim.release().steps[step].begun_at;
    assert!(begun(&Step::Watch) <= begun(&suspend()));
    let watch = &sim.release().steps[&Step::Watch];
    assert!(
        watch.last_at >= sim.release().steps[&Step::Bake].last_at,
        "ends with the bake"
    );
    assert!(
        watch.last_at <= begun(&resume()),
        "and before anything is resumed"
    );
    // The watch begins anew every five minutes, and not more often.
    let lasted_ms = limits::between_ms(watch.begun_at, watch.last_at);
    assert_eq!(u64::from(watch.attempts), lasted_ms / limits::WATCH_MS + 1);
}

#[test]
fn a_bake_is_told_with_its_end_and_lasts_so_long() {
    let sim = Sim::new(World::new(2, 1).watched(BAKE_MS)).finish();
    let bake = &sim.release().steps[&Step::Bake];
    assert_eq!(limits::between_ms(bake.begun_at, bake.last_at), BAKE_MS);
    let until = limits::after(bake.begun_at, BAKE_MS);
    let told: Vec<&Event> = sim
        .events
        .iter()
        .filter(|event| event.kind().name() == "baking")
        .collect();
    assert_eq!(told, [&Event::Baking { until }]);
}

#[test]
fn watched_alarms_are_read_once_more_at_the_end_without_a_bake() {
    let sim = Sim::new(World::new(2, 1).watched(0)).finish();
    assert_eq!(sim.attempts(&Step::Bake), 1);
    assert!(sim.events.iter().all(|event| event.kind().name() != "baking"));
    let unwatched = Sim::new(World::new(2, 1)).finish();
    assert_eq!(
        (unwatched.attempts(&Step::Bake), unwatched.attempts(&Step::Watch)),
        (0, 0)
    );
}

#[test]
fn a_bake_without_a_watch_list_is_a_wait() {
    let mut world = World::new(2, 1);
    world.definition.alarms.bake_ms = BAKE_MS;
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    assert_eq!((sim.attempts(&Step::Bake), sim.attempts(&Step::Watch)), (1, 0));
}

#[test]
fn a_bake_that_no_worker_saw_to_its_end_begins_anew() {
    let mut sim = Sim::new(World::new(2, 1).watched(BAKE_MS));
    while sim.attempts(&Step::Bake) == 0 {
        sim.kill_at = Some(sim.journal.len() + 1);
        assert!(sim.run().is_err());
    }
    let extents = vec![Extent::None; sim.flights.len()];
    sim.die(&extents, 1_200_000);
    let taken_over_at = sim.now;
    let sim = sim.finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    let bake = &sim.release().steps[&Step::Bake];
    assert!(limits::between_ms(taken_over_at, bake.last_at) >= BAKE_MS);
    assert_eq!(
        sim.events
            .iter()
            .filter(|event| event.kind().name() == "baking")
            .count(),
        2
    );
}

#[test]
fn trap_16_alarms_that_cannot_be_seen_take_all_back() {
    // A watch that could not see alarms for the patience of a step rolls back at once, without another
    // attempt.
    let world = World::new(2, 1).watched(2 * limits::WATCH_MS);
    let sim = Sim::new(world.with(Step::Watch, Fault::Transient, 1)).finish();
    assert_eq!(sim.outcome(), Outcome::RolledBack);
    assert_eq!(sim.attempts(&Step::Watch), 1);
    // The last look at the alarms is repeated, and given up after its patience.
    let once = Sim::new(World::new(2, 1).watched(0).with(Step::Bake, Fault::Transient, 2)).finish();
    assert_eq!(once.outcome(), Outcome::Succeeded);
    let never = Sim::new(
        World::new(2, 1)
            .watched(0)
            .with(Step::Bake, Fault::Transient, usize::MAX),
    )
    .finish();
    assert_eq!(never.outcome(), Outcome::RolledBack);
}

#[test]
fn a_watch_that_is_broken_off_again_and_again_is_given_up() {
    let twice = Sim::new(
        World::new(2, 1)
            .watched(0)
            .with(Step::Watch, Fault::UnknownNotDone, 2),
    )
    .finish();
    assert_eq!(twice.outcome(), Outcome::Succeeded);
    let ever = World::new(3, 1)
        .watched(1_800_000)
        .with(Step::Watch, Fault::UnknownNotDone, usize::MAX);
    let ever = Sim::new(ever).finish();
    assert_eq!(ever.outcome(), Outcome::RolledBack);
    assert_eq!(ever.release().rolling_back.as_ref().unwrap().step, Step::Watch);
}

#[test]
fn killed_at_every_moment_of_a_watched_roll() {
    for (hosts, out) in [(1, 1), (2, 1), (3, 2)] {
        assert!(explore(&World::new(hosts, out).watched(BAKE_MS), Outcome::Succeeded) > 60);
    }
}

#[test]
fn trap_16_killed_at_every_moment_after_an_alarm_at_each_step() {
    let mut executions = 0;
    for step in watched_steps(2) {
        let world = World::new(2, 1).watched(BAKE_MS).with_alarm_at(step);
        let outcome = Sim::new(world.clone()).finish().outcome();
        // A worker that was away may find the alarm before the next host is touched, or after.
        executions += crate::crash::explore_either(&world, outcome);
    }
    assert!(executions > 1_000, "{executions}");
}

#[test]
fn an_alarm_at_the_start_refuses_and_says_the_way_out() {
    for (watch, silence) in [
        (vec![ALARM.to_owned()], Vec::new()),
        (Vec::new(), vec!["web-*".to_owned()]),
    ] {
        let mut world = World::new(2, 1);
        world.definition.alarms = AlarmDefinition {
            watch,
            silence,
            ..AlarmDefinition::default()
        };
        world.definition.preflight.firing = Firing::Any;
        world.firing.insert(ALARM.to_owned());
        let sim = Sim::new(world.clone()).finish();
        assert_eq!(sim.outcome(), Outcome::Failed);
        assert!(
            sim.ended().summary.contains("web-5xx: in ALARM already"),
            "{}",
            sim.ended().summary
        );

        world.definition.preflight.firing = Firing::None;
        let sim = Sim::new(world).finish();
        assert_eq!(sim.outcome(), Outcome::Succeeded);
        let told = |event: &Event| match event {
            Event::Started(started) => started
                .warnings
                .iter()
                .any(|line| line.starts_with("web-5xx: IN ALARM")),
            _ => false,
        };
        assert!(sim.events.iter().any(told));
        let warns = |note: &Note| matches!(&note.what, NoteKind::Warning { text } if text.starts_with(ALARM));
        assert!(notes(&sim).iter().any(warns), "{:?}", notes(&sim));
    }
}

/// Without a word in the service's file: who is to be silenced may be the reason for the release.
#[test]
fn a_watched_alarm_refuses_at_the_start_and_a_silenced_not() {
    let silenced = World::new(2, 1);
    let watched = World::new(2, 1).watched(BAKE_MS);
    for (mut world, outcome) in [(silenced, Outcome::Succeeded), (watched, Outcome::Failed)] {
        assert_eq!(world.definition.preflight.firing, Firing::Watched);
        world.firing.insert(ALARM.to_owned());
        let sim = Sim::new(world).finish();
        assert_eq!(sim.outcome(), outcome, "{}", sim.ended().summary);
        assert!(sim.ended().summary.contains(ALARM) == (outcome == Outcome::Failed));
    }
}

#[test]
fn an_alarm_that_fired_before_counts_once_it_fires_anew() {
    let at = |s: i64| Some(start() + jiff::SignedDuration::from_secs(s));
    let watch = |fired_before| WatchPlan {
        name: ALARM.to_owned(),
        fired_before,
        since_before: at(0),
    };
    assert!(!watch(true).fires("ALARM", at(0)));
    assert!(watch(true).fires("ALARM", at(60)));
    assert!(!watch(true).fires("OK", at(60)) && !watch(false).fires("INSUFFICIENT_DATA", at(60)));
    assert!(watch(false).fires("ALARM", at(60)));
}

#[test]
fn a_watch_list_that_names_no_alarm_is_refused() {
    let mut world = World::new(2, 1).watched(0);
    world.definition.alarms.watch.push("web-4xx".to_owned());
    let sim = Sim::new(world).finish();
    assert_eq!(sim.outcome(), Outcome::Failed);
    assert!(
        sim.ended()
            .summary
            .contains("web-4xx: is on the watch list, and no alarm is called so"),
        "{}",
        sim.ended().summary
    );
}

#[test]
fn a_plan_of_the_version_before_is_read_and_watches_nothing() {
    let sim = Sim::new(World::new(1, 1)).finish();
    let plan = sim.journal.iter().find_map(|entry| match &entry.record {
        Record::Outcome {
            outcome:
                StepOutcome::Done {
                    evidence: Evidence::PreflightPassed { plan },
                },
            ..
        } => Some(plan.as_ref().clone()),
        _ => None,
    });
    let mut json = serde_json::to_value(plan.unwrap()).unwrap();
    json.as_object_mut().unwrap().remove("watched");
    json["definition"]["alarms"] = serde_json::json!({"silence": ["web-*"]});
    let read: Plan = serde_json::from_value(json).unwrap();
    assert!(read.watched.is_empty() && read.definition.alarms.bake_ms == 0);
}

#[test]
fn a_roll_of_two_bakes_with_its_hosts_in_service() {
    let sim = Sim::new(World::new(2, 1).watched(BAKE_MS)).finish();
    let last_touch = sim.release().steps[&forward(2, Phase::AwaitHealthy)].last_at;
    assert!(last_touch <= sim.release().steps[&Step::Bake].begun_at);
    assert_eq!(&Release::fold(&sim.journal).unwrap(), sim.release());
}

#[test]
fn trap_15_rules_keep_their_names_and_at_most_a_hundred_alarms() {
    let mut world = World::new(2, 1).muted();
    world.alarms = (0..250).map(|n| (format!("web-{n:03}"), true)).collect();
    world.alarms.insert("web-off".to_owned(), false);
    let sim = Sim::new(world).finish();
    let plan = sim.release().plan.as_ref().unwrap();
    let rules = plan.mute_rules(sim.release().request.id);
    assert_eq!(rules, plan.mute_rules(sim.release().request.id));
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    let prefix = "drawgate-staging-api-0190f6f0-0000-7000-8000-000000000001";
    assert_eq!(names, [1, 2, 3].map(|n| format!("{prefix}-{n}")));
    assert_eq!(
        rules.iter().map(|rule| rule.alarms.len()).collect::<Vec<_>>(),
        [100, 100, 50]
    );
    assert!(
        rules
            .iter()
            .all(|rule| !rule.alarms.contains(&"web-off".to_owned()))
    );
}

#[test]
fn trap_15_a_mute_rule_is_renewed_until_deleted_both_ways() {
    for detect_joined in [None, Some(Fault::Refused)] {
        let mut world = World::new(8, 1).watched(600_000).muted();
        if let Some(fault) = detect_joined {
            world = world.with(Step::DetectJoined, fault, usize::MAX);
        }
        let sim = Sim::new(world).finish();
        let begun = |step: &Step| sim.release().steps[step].begun_at;
        let lasted_ms = limits::between_ms(begun(&Step::Silence), begun(&Step::Unsilence));
        let renewals = u64::from(sim.release().steps[&Step::Renew].attempts);
        assert!(
            renewals.abs_diff(lasted_ms / limits::RENEW_MS) <= 1,
            "{renewals} in {lasted_ms} ms"
        );
        assert_eq!(sim.world.muted_until, None);
        assert!(sim.world.alarms.values().all(|on| *on), "actions are left alone");
        let told = sim.events.iter().find_map(|event| match event {
            Event::AlarmsSilenced { until, .. } => Some(*until),
            _ => None,
        });
        assert!(told.unwrap().is_some());
    }
}

#[test]
fn trap_15_killed_at_every_moment_while_alarms_are_muted() {
    assert!(explore(&World::new(2, 1).watched(BAKE_MS).muted(), Outcome::Succeeded) > 100);
    let back = World::new(2, 1)
        .muted()
        .with(forward(2, Phase::Verify), Fault::Refused, usize::MAX);
    assert!(explore(&back, Outcome::RolledBack) > 100);
}

#[test]
fn trap_15_a_renewal_that_fails_is_told_and_stops_nothing() {
    let world = World::new(8, 1).watched(600_000).muted();
    let sim = Sim::new(world.with(Step::Renew, Fault::Refused, 2)).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    let told = |event: &&Event| matches!(event, Event::MuteRulesNotExtended { .. });
    assert_eq!(sim.events.iter().filter(told).count(), 2);
}

#[test]
fn trap_15_what_fires_still_when_it_is_unmuted_is_told() {
    let sim = Sim::new(
        World::new(2, 1)
            .watched(0)
            .muted()
            .with_alarm_at(forward(1, Phase::Swap)),
    )
    .finish();
    assert_eq!(sim.outcome(), Outcome::RolledBack);
    let told = |event: &Event| matches!(event, Event::AlarmsFiring { alarms } if *alarms == ["web-5xx"]);
    assert!(sim.events.iter().any(told));
}

#[test]
fn trap_15_a_mute_rule_left_behind_needs_an_operator() {
    let sim = Sim::new(
        World::new(2, 1)
            .muted()
            .with(Step::Unsilence, Fault::Refused, usize::MAX),
    )
    .finish();
    assert_eq!(sim.outcome(), Outcome::NeedsOperator);
    assert!(matches!(&leftovers(&sim)[..], [LeftoverKind::MuteRule { .. }]));
    assert!(mends(&sim)[0].starts_with("aws cloudwatch delete-alarm-mute-rule --alarm-mute-rule-name rule"));
}

#[test]
fn trap_30_an_alarm_that_is_switched_off_in_mid_roll_stays_off() {
    for step in [
        suspend(),
        forward(1, Phase::Drain),
        forward(2, Phase::AwaitHealthy),
        resume(),
    ] {
        let mut world = World::new(2, 1);
        world.alarms.insert("web-slow".to_owned(), true);
        world.switched_off.push((step.clone(), ALARM.to_owned()));
        let sim = Sim::new(world).finish();
        assert_eq!(sim.outcome(), Outcome::Succeeded, "{step}");
        assert!(!sim.world.alarms[ALARM] && sim.world.alarms["web-slow"], "{step}");
        let alarms = vec!["web-5xx".to_owned()];
        assert_eq!(notes(&sim), [NoteKind::AlarmsSwitchedOff { alarms }.alone()]);
    }
}

/// Found by chance: the bake has taken the last look, so nothing waits for another one.
#[test]
fn a_watch_that_breaks_off_as_the_bake_ends_holds_nothing_up() {
    let mut sim = Sim::new(World::new(2, 1).watched(BAKE_MS));
    let mut broken_off = false;
    loop {
        match sim.go().unwrap() {
            Next::Ended => break,
            Next::Lands(index) if sim.flights[index].1 == Step::Bake && !broken_off => {
                broken_off = true;
                let watch = sim.flights.iter().position(|(_, step)| *step == Step::Watch);
                let unknown = StepOutcome::Unknown {
                    failure: Failure::new("no answer in time"),
                };
                sim.land_as(watch.unwrap(), |_, _, _| unknown).unwrap();
            }
            Next::Lands(index) => sim.land(index).unwrap(),
            Next::Recorded | Next::Slept => {}
        }
    }
    sim.check_end().unwrap();
    assert!(broken_off);
    assert_eq!(sim.outcome(), Outcome::Succeeded);
}

/// The steps at whose ends another service's release may silence, or leave, the shared alarm.
const MOMENTS: [Step; 4] = [Step::Inspect, Step::Silence, Step::Unsilence, Step::Confirm];

/// Rolls a fleet, and does something to its world when that step is about to end.
fn rolled_with(world: World, at: &Step, act: fn(&mut World)) -> Sim {
    let mut sim = Sim::new(world);
    let mut acted = false;
    loop {
        match sim.go().unwrap() {
            Next::Ended => break,
            Next::Lands(index) => {
                if sim.flights[index].1 == *at && !acted {
                    acted = true;
                    act(&mut sim.world);
                }
                sim.land(index).unwrap();
            }
            Next::Recorded | Next::Slept => {}
        }
    }
    sim.check_end().unwrap();
    assert!(acted);
    sim
}

#[test]
fn a_shared_alarm_is_enabled_by_the_last_one_out() {
    let others = vec![ALARM.to_owned()];
    for at in MOMENTS {
        // The other release is there first, and leaves at this moment.
        let sim = rolled_with(World::new(2, 1).sharing_alarms(), &at, World::other_unsilences);
        assert_eq!(sim.outcome(), Outcome::Succeeded, "{at}");
        assert!(sim.world.alarms[ALARM], "{at}");
        // It comes at this moment, and stays.
        let mut world = World::new(2, 1);
        world.shares_alarms = true;
        let sim = rolled_with(world, &at, World::other_silences);
        assert_eq!(sim.outcome(), Outcome::Succeeded, "{at}");
        assert!(!sim.world.alarms[ALARM], "{at}");
        let alarms = others.clone();
        assert_eq!(
            notes(&sim),
            [NoteKind::AlarmsSilencedByOthers { alarms }.alone()],
            "{at}"
        );
    }
}

#[test]
fn an_alarm_that_others_silence_still_is_not_told_as_on() {
    let sim = Sim::new(World::new(2, 1).sharing_alarms()).finish();
    assert_eq!(sim.outcome(), Outcome::Succeeded);
    let told = |event: &Event| matches!(event, Event::AlarmsUnsilenced { .. });
    assert!(!sim.events.iter().any(told));
    // What is left of a shared alarm is the tag: its actions stay off.
    let world = World::new(2, 1).sharing_alarms();
    let sim = Sim::new(world.with(Step::Unsilence, Fault::Refused, usize::MAX)).finish();
    assert_eq!(
        leftovers(&sim),
        [LeftoverKind::SilencedTag {
            alarm: ALARM.to_owned()
        }]
    );
    let id = sim.release().request.id;
    let untag = format!("aws cloudwatch untag-resource --resource-arn arn:alarm:{ALARM} --tag-keys");
    assert_eq!(
        mends(&sim),
        [format!("{untag} drawgate:silenced:{id} drawgate:silenced")]
    );
}

/// CloudWatch takes twenty tags a second, and gives those of ten alarms; half of that is ours.
#[test]
fn many_alarms_get_the_time_that_their_calls_take() {
    let mut world = World::new(2, 1);
    let one = Sim::new(world.clone()).finish();
    let numbers = 1..3_000;
    world
        .alarms
        .extend(numbers.map(|number| (format!("web-{number}"), true)));
    let many = Sim::new(world).finish();
    let plan = many.release().plan.as_ref().unwrap();
    assert_eq!(plan.alarms.len(), 3_000);
    let (tag_ms, look_ms) = (1_000 / 10, 1_000 / 5);
    for (step, least_ms) in [
        (Step::Silence, 3_000 * (tag_ms + look_ms)),
        (Step::Unsilence, 3_000 * (2 * tag_ms + 2 * look_ms)),
        (Step::Confirm, 3_000 * look_ms),
    ] {
        let ms = attempt_ms(&step, many.release());
        assert!(ms >= least_ms + limits::CALL_MS, "{step}: {ms}");
        assert!(patience_ms(&step, many.release()) >= ms, "{step}");
        assert!(
            attempt_ms(&step, one.release()) <= 2 * limits::CALL_MS + 2_000,
            "{step}"
        );
    }
}
