//! Alarms: from what was seen of them to what a roll does about them, and when a watched alarm rolls the
//! release back.

use jiff::Timestamp;

use super::finding::Finding;
use crate::definition::{Firing, ServiceDefinition};
use crate::fleet::{AlarmPlan, AlarmSnapshot, FleetSnapshot, WatchPlan};

/// The state of an alarm that fires, as the API writes it.
const ALARM: &str = "ALARM";

/// What a roll does about alarms.
#[derive(Debug, Default)]
pub(super) struct AlarmPlans {
    pub(super) silenced: Vec<AlarmPlan>,
    pub(super) watched: Vec<WatchPlan>,
}

/// The plan for alarms. An alarm that fires already refuses the release as far as `[preflight] firing` says:
/// nobody could tell the firing of a watched one from one that the release causes, and a muted one fires at the
/// end.
pub(super) fn plan_alarms(
    snapshot: &FleetSnapshot,
    definition: &ServiceDefinition,
    findings: &mut Vec<Finding>,
) -> AlarmPlans {
    let silenced = snapshot
        .alarms
        .iter()
        .filter(|alarm| is_ours_to_silence(alarm))
        .map(AlarmPlan::of)
        .collect();
    let watched = snapshot.watched.iter().map(WatchPlan::of).collect();
    unknown_patterns(snapshot, definition, findings);
    let (refusing, passing): (Vec<_>, Vec<_>) = firing(snapshot, findings)
        .into_iter()
        .partition(|name| refuses(name, definition.preflight.firing, snapshot));
    if !refusing.is_empty() {
        let hint = "wait until they are OK, or, where that is meant, say firing = \"none\" in [preflight] of the \
                    service's file";
        findings.push(Finding::refuse(refusing.join(", "), "in ALARM already", hint));
    }
    if !passing.is_empty() {
        let what = "IN ALARM ALREADY, and let pass by [preflight] firing: what fires from now on may not be told from it";
        findings.push(Finding::warn(passing.join(", "), what));
    }
    AlarmPlans { silenced, watched }
}

/// Whether an alarm in ALARM refuses the release.
fn refuses(name: &str, firing: Firing, snapshot: &FleetSnapshot) -> bool {
    match firing {
        Firing::Any => true,
        Firing::Watched => snapshot.watched.iter().any(|alarm| alarm.name == name),
        Firing::None => false,
    }
}

/// An alarm whose actions a person switched off stays off. One that other releases silence is silenced by this
/// one too, because they may end first; so is one of which nobody knows yet who switched it off. An alarm that
/// only scales is left alone, because scaling is suspended anyway.
fn is_ours_to_silence(alarm: &AlarmSnapshot) -> bool {
    (alarm.actions_enabled || alarm.silenced || alarm.unasked) && !alarm.scales_only
}

/// The names of alarms in ALARM. An alarm on the list to silence that is left alone anyway does not count:
/// the alarm of a scaling policy is often in ALARM on a quiet night, and a person switched off one whose
/// actions are off. On the watch list, they count.
fn firing(snapshot: &FleetSnapshot, findings: &mut Vec<Finding>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for alarm in snapshot.alarms.iter().filter(|alarm| alarm.state == ALARM) {
        if is_ours_to_silence(alarm) && !alarm.unasked {
            names.push(alarm.name.clone());
        } else if !alarm.scales_only {
            findings.push(Finding::warn(
                &alarm.name,
                "is in ALARM; its actions are off, and stay so",
            ));
        }
    }
    let watched = snapshot.watched.iter().filter(|alarm| alarm.state == ALARM);
    names.extend(watched.map(|alarm| alarm.name.clone()));
    names.sort();
    names.dedup();
    names
}

/// Refuses a watch list that names no alarm, because it would watch nothing and say that all is well.
fn unknown_patterns(snapshot: &FleetSnapshot, definition: &ServiceDefinition, findings: &mut Vec<Finding>) {
    for pattern in &definition.alarms.watch {
        let named = |alarm: &AlarmSnapshot| match pattern.strip_suffix('*') {
            Some(prefix) => alarm.name.starts_with(prefix),
            None => alarm.name == *pattern,
        };
        if !snapshot.watched.iter().any(named) {
            let what = "is on the watch list, and no alarm is called so";
            let hint = "correct `watch` in [alarms] of the service's file, or make the alarm";
            findings.push(Finding::refuse(pattern, what, hint));
        }
    }
}

impl AlarmPlan {
    fn of(alarm: &AlarmSnapshot) -> Self {
        Self {
            name: alarm.name.clone(),
            arn: alarm.arn.clone(),
            off_before: alarm.unasked,
        }
    }
}

impl WatchPlan {
    fn of(alarm: &AlarmSnapshot) -> Self {
        Self {
            name: alarm.name.clone(),
            fired_before: alarm.state == ALARM,
            since_before: alarm.since,
        }
    }

    /// Whether the alarm went into ALARM after the plan was made. An alarm that was in ALARM then, and was
    /// let pass, counts once it has gone into ALARM anew.
    pub fn fires(&self, state: &str, since: Option<Timestamp>) -> bool {
        state == ALARM && !(self.fired_before && since == self.since_before)
    }
}
