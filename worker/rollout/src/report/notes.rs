//! What a person should know of the end, beside the leftovers.

use drawgate_schemas::{Command, Note, NoteKind};

use crate::fleet::{AlarmPlan, GroupPlan, Observation, ObservedTarget, Plan, Stranger, TargetGroupPlan};
use crate::journal::{Evidence, Step};
use crate::mends;
use crate::release::Release;

/// Preflight's warnings, what others changed meanwhile, and the scheduled actions that came due while they
/// were suspended.
pub(super) fn notes(release: &Release, plan: &Plan, seen: Option<&Observation>) -> Vec<Note> {
    let missed = plan
        .groups
        .iter()
        .flat_map(|group| missed_actions(release, group));
    let suspended = plan
        .groups
        .iter()
        .filter_map(|group| suspended_by_others(group, seen));
    // A host that was left out at first, and answered later, was rolled after all.
    let rolled_after_all = |text: &&String| {
        let mut left_out = plan.left_out.iter();
        left_out.any(|left_out| left_out.line() == **text && !release.is_left_out(&left_out.host.instance))
    };
    plan.warnings
        .iter()
        .filter(|text| !rolled_after_all(text))
        .chain(not_proved(release))
        .map(|text| NoteKind::Warning { text: text.clone() }.alone())
        .chain(suspended)
        .chain(switched_off_by_others(plan, seen))
        .chain(silenced_by_others(plan, seen))
        .chain(seen.map_or_else(Vec::new, |seen| joined_too_late(release, plan, seen)))
        .chain(seen.map_or_else(Vec::new, |seen| groups_not_used_any_more(plan, seen)))
        .chain(lease_left(release, plan))
        .chain(missed)
        .collect()
}

/// Permissions that no call could prove before the first host.
fn not_proved(release: &Release) -> impl Iterator<Item = &String> {
    let tried = release.steps.get(&Step::ProvePermissions);
    let evidence = tried.and_then(|state| state.last.as_ref()?.evidence());
    let lines = match evidence {
        Some(Evidence::Tried { unproved }) => unproved.as_slice(),
        _ => &[],
    };
    lines.iter()
}

/// Members that joined after the last look for them, where no desired version is published for them: scaling
/// is resumed, and it may launch instances.
fn joined_too_late(release: &Release, plan: &Plan, seen: &Observation) -> Vec<Note> {
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
            let what = NoteKind::JoinedLate {
                instance: instance.clone(),
                found: runs.clone(),
                expected: version.clone(),
            };
            Some(what.alone())
        }
        Stranger::Booting { by_itself: true, .. } => None,
        Stranger::Booting { state, .. } => {
            let what = NoteKind::JoinedLateBooting {
                instance: instance.clone(),
                state: state.clone(),
                expected: version.clone(),
            };
            Some(what.alone())
        }
    };
    let strangers = seen.strangers.iter();
    strangers
        .filter(|(instance, _)| !release.is_left_out(instance))
        .filter_map(told)
        .collect()
}

/// Target groups that served at the start, and that somebody has deleted or taken out of their listeners since:
/// nothing comes to the hosts through them.
fn groups_not_used_any_more(plan: &Plan, seen: &Observation) -> Vec<Note> {
    let served = |arn: &str| {
        let mut targets = plan.hosts.iter().flat_map(|host| &host.targets);
        targets.any(|target| target.target_group == arn && target.was_healthy())
    };
    let groups = plan.target_groups.iter().filter(|(arn, _)| served(arn));
    let note = |(arn, group): (&String, &TargetGroupPlan)| {
        let targets = seen.hosts.values().flat_map(|host| &host.targets);
        let mut of_group = targets.filter(|target| target.target_group == *arn);
        let what = of_group.find_map(|target| match target.state.as_str() {
            ObservedTarget::GROUP_DELETED => Some("does not exist any more"),
            ObservedTarget::UNUSED => Some("has targets to which no load balancer sends anything any more"),
            _ => None,
        })?;
        let text = format!(
            "target group {} {what}: somebody has changed it meanwhile",
            group.name
        );
        Some(NoteKind::Warning { text }.alone())
    };
    groups.filter_map(note).collect()
}

/// A lease that could not be given back stops nobody who has this ledger, but a worker without this ledger
/// would be refused.
fn lease_left(release: &Release, plan: &Plan) -> Option<Note> {
    let parameter = plan.definition.lease_parameter.as_ref()?;
    let tried = release.begun(&Step::GiveLeaseBack) && !release.done(&Step::GiveLeaseBack);
    tried.then(|| {
        let what = NoteKind::LeaseNotGivenBack {
            parameter: parameter.clone(),
        };
        what.with(mends::delete_parameter(parameter))
    })
}

/// Alarms whose actions were on and that somebody else switched off meanwhile.
fn switched_off_by_others(plan: &Plan, seen: Option<&Observation>) -> Option<Note> {
    let seen = seen?;
    let off = |alarm: &&AlarmPlan| {
        let name = &alarm.name;
        seen.alarms.get(name) == Some(&false)
            && !seen.held_alarms.contains(name)
            && !seen.alarms_of_others.contains(name)
    };
    let alarms: Vec<String> = plan
        .alarms
        .iter()
        .filter(|alarm| !alarm.off_before)
        .filter(off)
        .map(|alarm| alarm.name.clone())
        .collect();
    (!alarms.is_empty()).then(|| NoteKind::AlarmsSwitchedOff { alarms }.alone())
}

/// Alarms that are still off because other releases silence them too: the last of them enables them.
fn silenced_by_others(plan: &Plan, seen: Option<&Observation>) -> Option<Note> {
    let seen = seen?;
    let names = plan.alarms.iter().map(|alarm| &alarm.name);
    let alarms: Vec<String> = names
        .filter(|name| seen.alarms_of_others.contains(*name) && !seen.held_alarms.contains(*name))
        .cloned()
        .collect();
    (!alarms.is_empty()).then(|| NoteKind::AlarmsSilencedByOthers { alarms }.alone())
}

/// Processes that a person suspended while we rolled stay suspended.
fn suspended_by_others(group: &GroupPlan, seen: Option<&Observation>) -> Option<Note> {
    let after = seen?.groups.get(&group.name)?;
    let ours = |process: &str| group.suspend.iter().any(|ours| ours.as_str() == process);
    let processes: Vec<String> = after
        .suspended
        .iter()
        .filter(|process| !group.suspended_before.contains(*process) && !ours(process))
        .cloned()
        .collect();
    (!processes.is_empty()).then(|| {
        let what = NoteKind::SuspendedByOthers {
            group: group.name.clone(),
            processes,
        };
        what.alone()
    })
}

fn missed_actions(release: &Release, group: &GroupPlan) -> Vec<Note> {
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
            let what = NoteKind::ScheduledActionMissed {
                group: name.clone(),
                action: action.name.clone(),
                at: action.at,
            };
            what.with(Command::anywhere(format!(
                "aws autoscaling update-auto-scaling-group --auto-scaling-group-name {name}{}{}{}",
                size("min-size", action.min),
                size("max-size", action.max),
                size("desired-capacity", action.desired)
            )))
        })
        .collect()
}
