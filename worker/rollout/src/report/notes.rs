//! What a person should know of the end beside what is left over.

use crate::fleet::{AlarmPlan, GroupPlan, Observation, Plan, Stranger};
use crate::journal::Step;
use crate::release::Release;

/// What preflight let pass with a word, what others changed meanwhile, and the scheduled actions that came due while they
/// were suspended.
pub(super) fn notes(release: &Release, plan: &Plan, seen: Option<&Observation>) -> Vec<String> {
    let missed = plan
        .groups
        .iter()
        .flat_map(|group| missed_actions(release, group));
    let suspended = plan
        .groups
        .iter()
        .filter_map(|group| suspended_by_others(group, seen));
    plan.warnings
        .iter()
        .cloned()
        .chain(suspended)
        .chain(switched_off_by_others(plan, seen))
        .chain(seen.map_or_else(Vec::new, |seen| joined_too_late(release, plan, seen)))
        .chain(lease_left(release, plan))
        .chain(missed)
        .collect()
}

/// Members that came after the last look for such, where nothing was promised of those: scaling is resumed, and they are what it
/// starts by itself.
fn joined_too_late(release: &Release, plan: &Plan, seen: &Observation) -> Vec<String> {
    let back = release.is_rolling_back();
    if back || release.begun(&Step::PublishDesired) || !release.done(&Step::DetectJoined) {
        return Vec::new();
    }
    let ours = release.request.id.to_string();
    let version = &plan.version_name;
    let told = |(instance, stranger): (&String, &Stranger)| match stranger {
        Stranger::Serves {
            release: Some(id), ..
        } if *id == ours => None,
        Stranger::Serves { version: runs, .. } => {
            let runs = runs.as_deref().unwrap_or("nothing that could be seen");
            Some(format!(
                "{instance} joined when the others were through, and runs {runs}: publish {version} again"
            ))
        }
        Stranger::Booting { by_itself: true, .. } => None,
        Stranger::Booting { state, .. } => Some(format!(
            "{instance} joined when the others were through, and is {state}: publish {version} again when it is in service"
        )),
    };
    seen.strangers.iter().filter_map(told).collect()
}

/// A lease of this ledger stands in nobody's way who has the ledger. Somebody without it would be refused.
fn lease_left(release: &Release, plan: &Plan) -> Option<String> {
    let parameter = plan.definition.lease_parameter.as_ref()?;
    let tried = release.begun(&Step::GiveLeaseBack) && !release.done(&Step::GiveLeaseBack);
    tried.then(|| {
        format!("the fleet's lease could not be given back: aws ssm delete-parameter --name {parameter}")
    })
}

/// Alarms whose actions were on and that somebody else switched off meanwhile.
fn switched_off_by_others(plan: &Plan, seen: Option<&Observation>) -> Option<String> {
    let seen = seen?;
    let off = |alarm: &&AlarmPlan| {
        seen.alarms.get(&alarm.name) == Some(&false) && !seen.held_alarms.contains(&alarm.name)
    };
    let names: Vec<&str> = plan
        .alarms
        .iter()
        .filter(off)
        .map(|alarm| alarm.name.as_str())
        .collect();
    let names = names.join(", ");
    (!names.is_empty()).then(|| format!("alarm actions switched off by somebody else, and left so: {names}"))
}

/// What a person suspended while we rolled is that person's, and stays.
fn suspended_by_others(group: &GroupPlan, seen: Option<&Observation>) -> Option<String> {
    let after = seen?.groups.get(&group.name)?;
    let ours = |process: &str| group.suspend.iter().any(|ours| ours.as_str() == process);
    let others: Vec<&str> = after
        .suspended
        .iter()
        .map(String::as_str)
        .filter(|process| !group.suspended_before.iter().any(|before| before == process) && !ours(process))
        .collect();
    (!others.is_empty()).then(|| {
        format!(
            "{}: {} suspended by somebody else meanwhile, left alone",
            group.name,
            others.join(", ")
        )
    })
}

fn missed_actions(release: &Release, group: &GroupPlan) -> Vec<String> {
    let of = |step: Step| release.steps.get(&step);
    let name = &group.name;
    let (Some(suspend), Some(resume)) = (
        of(Step::Suspend { group: name.clone() }),
        of(Step::Resume { group: name.clone() }),
    ) else {
        return Vec::new();
    };
    let suspended = suspend.begun_at..=resume.last_at;
    let missed = group
        .scheduled
        .iter()
        .filter(|action| suspended.contains(&action.at));
    let size = |option: &str, value: Option<u32>| {
        value.map_or(String::new(), |value| format!(" --{option} {value}"))
    };
    missed
        .map(|action| {
            format!(
                "scheduled action {} of {} was missed: aws autoscaling update-auto-scaling-group --auto-scaling-group-name \
                 {name}{}{}{}",
                action.name,
                action.at,
                size("min-size", action.min),
                size("max-size", action.max),
                size("desired-capacity", action.desired)
            )
        })
        .collect()
}
