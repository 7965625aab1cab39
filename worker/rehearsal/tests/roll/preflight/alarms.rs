//! Alarms that are in ALARM, that are off, or that only scale.

use drawgate_rollout::{AlarmSnapshot, FleetSnapshot};

use super::{planned, three, warns};

#[test]
fn an_alarm_that_a_person_set_aside_may_be_in_alarm() {
    let set_aside = |snapshot: &mut FleetSnapshot| {
        snapshot.alarms[0].state = "ALARM".to_owned();
        snapshot.alarms[0].actions_enabled = false;
    };
    let plan = warns(
        set_aside,
        "web-5xx: is in ALARM; its actions are off, and stay so",
    );
    assert!(plan.alarms.is_empty());
}

#[test]
fn an_alarm_that_only_scales_may_be_in_alarm() {
    let mut snapshot = three();
    snapshot.alarms[0].state = "ALARM".to_owned();
    snapshot.alarms[0].scales_only = true;
    let plan = planned(&snapshot).unwrap();
    assert!(plan.alarms.is_empty() && plan.warnings.is_empty());
}

#[test]
fn alarms_that_are_off_or_only_scale_are_left_alone() {
    let mut snapshot = three();
    let alarm = |name: &str, on: bool, scales_only: bool| AlarmSnapshot {
        name: name.to_owned(),
        arn: format!("arn:{name}"),
        actions_enabled: on,
        silenced: false,
        unasked: false,
        scales_only,
        state: "OK".to_owned(),
        since: None,
    };
    snapshot.alarms = vec![
        alarm("a", true, false),
        alarm("off", false, false),
        alarm("scales", true, true),
    ];
    let plan = planned(&snapshot).unwrap();
    assert_eq!(
        plan.alarms
            .iter()
            .map(|alarm| alarm.name.as_str())
            .collect::<Vec<_>>(),
        ["a"]
    );
}

/// Whoever has switched it off, `Silence` finds out: until then it counts neither as silenced nor as switched off in mid-roll.
#[test]
fn an_alarm_that_nobody_has_asked_about_is_planned() {
    let mut snapshot = three();
    let alarm = &mut snapshot.alarms[0];
    (alarm.actions_enabled, alarm.unasked) = (false, true);
    "ALARM".clone_into(&mut alarm.state);
    let name = alarm.name.clone();
    let plan = planned(&snapshot).unwrap();
    let planned = plan.alarms.iter().find(|alarm| alarm.name == name);
    assert!(planned.is_some_and(|alarm| alarm.off_before));
    assert!(
        plan.warnings
            .iter()
            .any(|warning| warning.contains("its actions are off"))
    );
}

#[test]
fn an_alarm_that_other_releases_silence_is_silenced_too() {
    let mut snapshot = three();
    snapshot.alarms[0].actions_enabled = false;
    snapshot.alarms[0].silenced = true;
    let name = snapshot.alarms[0].name.clone();
    let plan = planned(&snapshot).unwrap();
    assert!(plan.alarms.iter().any(|alarm| alarm.name == name));
}
