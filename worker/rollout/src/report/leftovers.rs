//! Leftovers: what is not as it should be at the end, each with the command that mends it or says more.

use drawgate_schemas::{Direction, Leftover, LeftoverKind, Part};

use super::version::version_before;
use crate::definition::{CommandDefinition, RestartPolicy};
use crate::fleet::{
    ContainerBefore, GroupPlan, HostPlan, Observation, ObservedHost, ObservedTarget, Plan, Stranger,
    TargetPlan,
};
use crate::journal::{Phase, Step, StepOutcome};
use crate::mends;
use crate::release::Release;
use crate::release::path::phases;

/// Whether an operator would be called for what was seen at the end.
pub(crate) fn is_anything_left(release: &Release) -> bool {
    if release.is_one_way() {
        // The release stops where it is, and the report says so at once.
        return false;
    }
    let seen = release.plan.as_ref().zip(release.observation.as_ref());
    seen.is_some_and(|(plan, seen)| !leftovers(release, plan, seen).is_empty())
}

/// The leftovers, each with the command that mends it or says more.
pub(super) fn leftovers(release: &Release, plan: &Plan, seen: &Observation) -> Vec<Leftover> {
    let mut left = Vec::new();
    for group in plan.groups.iter().filter(|group| !group.suspend.is_empty()) {
        group_leftovers(group, release, seen, &mut left);
    }
    left.extend(one_way(release, plan).filter(|_| release.is_rolling_back()));
    alarms_leftovers(release, plan, seen, &mut left);
    for host in release.hosts() {
        if release.gone.contains(&host.instance) {
            gone_leftovers(host, release, seen, &mut left);
        } else {
            host_leftovers(host, release, plan, seen, &mut left);
        }
    }
    for host in &release.up_to_date {
        up_to_date_leftovers(host, release, plan, seen, &mut left);
    }
    desired_leftovers(release, plan, seen, &mut left);
    strangers_leftovers(release, plan, seen, &mut left);
    left
}

/// A host that was up to date still has to run the desired version; during rollback it has nothing to go back
/// to.
fn up_to_date_leftovers(
    host: &HostPlan,
    release: &Release,
    plan: &Plan,
    seen: &Observation,
    left: &mut Vec<Leftover>,
) {
    let instance = &host.instance;
    let Some(after) = seen.hosts.get(instance) else {
        left.push(unseen_host(instance, None));
        return;
    };
    if !after.member {
        return;
    }
    if release.is_rolling_back() && !release.desired_stays_on_new_version() {
        left.push(booted_on_this(instance, &plan.version_name));
    } else if let Some(why) = &after.unseen {
        left.push(unseen_host(instance, Some(why)));
    } else {
        container_leftovers(host, release, plan, after, left);
    }
}

fn booted_on_this(instance: &str, version: &str) -> Leftover {
    let what = LeftoverKind::BootedTheFailed {
        instance: instance.to_owned(),
        found: version.to_owned(),
    };
    what.mended_by(vec![mends::terminate(instance)])
}

fn unseen_host(instance: &str, why: Option<&String>) -> Leftover {
    let what = LeftoverKind::Unseen {
        part: Part::Host(instance.to_owned()),
        why: why.cloned(),
    };
    what.for_a_person()
}

/// The parameter has to have this release's value, or the earlier one. A value that somebody else wrote
/// meanwhile is left alone.
fn desired_leftovers(release: &Release, plan: &Plan, seen: &Observation, left: &mut Vec<Leftover>) {
    let Some(wanted) = plan
        .desired
        .as_ref()
        .filter(|_| release.begun(&Step::ReserveDesired))
    else {
        return;
    };
    let name = &wanted.parameter;
    let Some(found) = &seen.desired else {
        let what = LeftoverKind::Unseen {
            part: Part::DesiredVersion(name.clone()),
            why: None,
        };
        left.push(what.mended_by(vec![mends::get_parameter(name)]));
        return;
    };
    let value = found.value.as_deref();
    if !release.is_rolling_back() || release.desired_stays_on_new_version() {
        if value != Some(wanted.value.as_str()) {
            let what = LeftoverKind::DesiredNotPublished {
                parameter: name.clone(),
                found: found.version.clone(),
                expected: plan.version_name.clone(),
            };
            left.push(what.for_a_person());
        }
    } else if value != wanted.before.as_deref() && value.is_some_and(|value| wanted.is_ours(value)) {
        let what = LeftoverKind::DesiredNotRestored {
            parameter: name.clone(),
            expected: wanted.version_before.clone(),
        };
        left.push(what.mended_by(vec![match wanted.before {
            Some(_) => mends::parameter_history(name),
            None => mends::delete_parameter(name),
        }]));
    }
}

/// Members that were neither rolled nor found up to date.
fn strangers_leftovers(release: &Release, plan: &Plan, seen: &Observation, left: &mut Vec<Leftover>) {
    let published = release.begun(&Step::PublishDesired);
    let back = release.is_rolling_back() && !release.desired_stays_on_new_version();
    let ours = release.request.id.to_string();
    let version = &plan.version_name;
    let detect_joined = release
        .steps
        .get(&Step::DetectJoined)
        .and_then(|state| state.last.as_ref());
    let given_up = detect_joined.and_then(StepOutcome::failure).filter(|_| !back);
    let strangers = seen.strangers.iter();
    // A host that was left out runs what it ran: the notes say so.
    for (instance, stranger) in strangers.filter(|(instance, _)| !release.is_left_out(instance)) {
        let instance = instance.clone();
        let leftover = match stranger {
            Stranger::Serves {
                release: Some(id), ..
            } if *id == ours => back.then(|| booted_on_this(&instance, version)),
            Stranger::Serves { version: runs, .. } => {
                (!back && (published || given_up.is_some())).then(|| {
                    let what = LeftoverKind::JoinedUnrolled {
                        instance,
                        found: runs.clone(),
                        expected: version.clone(),
                    };
                    what.for_a_person()
                })
            }
            Stranger::Booting { state, .. } if back => published.then(|| {
                let what = LeftoverKind::MayBootTheFailed {
                    instance,
                    state: state.clone(),
                    version: version.clone(),
                };
                what.for_a_person()
            }),
            Stranger::Booting { by_itself: true, .. } => None,
            Stranger::Booting { state, .. } => given_up.map(|failure| {
                let what = LeftoverKind::JoinedBooting {
                    instance,
                    state: state.clone(),
                    why: failure.what.clone(),
                    expected: version.clone(),
                };
                what.for_a_person()
            }),
        };
        left.extend(leftover);
    }
}

/// What a person has to know of a roll that stopped where no rollback was possible: which host serves which
/// version, and how it can go on. No host is out of service.
fn one_way(release: &Release, plan: &Plan) -> Option<Leftover> {
    let command = plan.definition.before.as_ref()?.run.join(" ");
    if !release.is_one_way() {
        return None;
    }
    let (on_new, on_old): (Vec<&HostPlan>, Vec<&HostPlan>) = release
        .hosts()
        .filter(|host| !release.gone.contains(&host.instance))
        .partition(|host| release.host_stays_on_new_version(&host.instance));
    let ids = |hosts: &[&HostPlan]| hosts.iter().map(|host| host.instance.clone()).collect();
    let what = LeftoverKind::OneWay {
        command,
        version: plan.version_name.clone(),
        on_new: ids(&on_new),
        version_before: version_before(release),
        on_old: ids(&on_old),
    };
    Some(what.for_a_person())
}

/// What we did to alarms and did not undo. An alarm that we silenced carries our tag until its actions are
/// enabled, or another release holds it; an alarm without the tag whose actions are off is off because of
/// somebody else. A tag that is left keeps the alarm off in every later release, so it has to go too.
fn alarms_leftovers(release: &Release, plan: &Plan, seen: &Observation, left: &mut Vec<Leftover>) {
    if !release.begun(&Step::Silence) {
        return;
    }
    for rule in &seen.mute_rules {
        let what = LeftoverKind::MuteRule { rule: rule.clone() };
        left.push(what.mended_by(vec![mends::delete_mute_rule(rule)]));
    }
    for alarm in plan
        .alarms
        .iter()
        .filter(|alarm| seen.held_alarms.contains(&alarm.name))
    {
        let name = alarm.name.clone();
        let untag = mends::untag_alarm(&alarm.arn, release.request.id);
        let only_the_tag = seen.alarms.get(&name) == Some(&true) || seen.alarms_of_others.contains(&name);
        left.push(if only_the_tag {
            LeftoverKind::SilencedTag { alarm: name }.mended_by(vec![untag])
        } else {
            let enable = mends::enable_alarm_actions(&name);
            LeftoverKind::AlarmActionsOff { alarm: name }.mended_by(vec![enable, untag])
        });
    }
}

/// A host that left the fleet and was terminated is not missed. A host that is still there, or back, was left
/// by us as it was: out of its target groups, on either version.
fn gone_leftovers(host: &HostPlan, release: &Release, seen: &Observation, left: &mut Vec<Leftover>) {
    let Some(after) = seen
        .hosts
        .get(&host.instance)
        .filter(|_| release.touched(&host.instance))
    else {
        return;
    };
    let state = if after.member {
        Some("in the fleet again")
    } else {
        after.still.as_deref()
    };
    if let Some(state) = state {
        let what = LeftoverKind::LeftTheFleet {
            instance: host.instance.clone(),
            found: state.to_owned(),
        };
        left.push(what.for_a_person());
    }
}

fn group_leftovers(group: &GroupPlan, release: &Release, seen: &Observation, left: &mut Vec<Leftover>) {
    if !release.begun(&Step::Suspend {
        group: group.name.clone(),
    }) {
        return;
    }
    let name = &group.name;
    let Some(after) = seen.groups.get(name) else {
        left.push(unseen_group(name));
        return;
    };
    if after.held_by_other {
        return;
    }
    let ours = group.suspend.iter().map(|process| process.as_str());
    let still: Vec<&str> = ours
        .filter(|process| after.suspended.contains(*process))
        .collect();
    if !still.is_empty() {
        let what = LeftoverKind::ProcessesSuspended {
            group: name.clone(),
            processes: still.iter().map(|process| (*process).to_owned()).collect(),
        };
        left.push(what.mended_by(vec![mends::resume_processes(name, &still)]));
    }
    if after.held_by_us {
        let what = LeftoverKind::SuspensionTag { group: name.clone() };
        left.push(what.mended_by(vec![mends::untag_group(name)]));
    }
}

fn unseen_group(name: &str) -> Leftover {
    let what = LeftoverKind::Unseen {
        part: Part::Group(name.to_owned()),
        why: None,
    };
    what.mended_by(vec![mends::describe_group(name)])
}

fn host_leftovers(
    host: &HostPlan,
    release: &Release,
    plan: &Plan,
    seen: &Observation,
    left: &mut Vec<Leftover>,
) {
    let instance = &host.instance;
    let Some(after) = seen.hosts.get(instance) else {
        left.push(unseen_host(instance, None));
        return;
    };
    if !after.member {
        return gone_leftovers(host, release, seen, left);
    }
    let touched = release.touched(instance);
    if let Some(why) = after
        .unseen
        .as_ref()
        .filter(|_| touched || !release.is_rolling_back())
    {
        left.push(unseen_host(instance, Some(why)));
    } else {
        container_leftovers(host, release, plan, after, left);
    }
    for (index, target) in host.targets.iter().enumerate().filter(|_| touched) {
        let state = after
            .targets
            .get(index)
            .map_or("not seen", |target| target.state.as_str());
        target_leftovers(target, state, plan, left);
    }
}

fn container_leftovers(
    host: &HostPlan,
    release: &Release,
    plan: &Plan,
    after: &ObservedHost,
    left: &mut Vec<Leftover>,
) {
    if let Some(command) = plan.definition.command() {
        left.extend(version_leftovers(host, release, command, after));
        return;
    }
    let instance = &host.instance;
    let name = plan.definition.runs_as();
    let runs = after
        .image
        .as_deref()
        .filter(|_| after.running)
        .map(str::to_owned);
    let version = |expected: Option<&str>| {
        let what = LeftoverKind::Version {
            instance: instance.clone(),
            container: Some(name.to_owned()),
            found: runs.clone(),
            expected: expected.map(str::to_owned),
        };
        what.for_a_person()
    };
    if !release.is_rolling_back() || release.host_stays_on_new_version(instance) {
        let pinned = plan.pinned();
        if !after.running || after.image.as_deref() != Some(pinned.as_str()) {
            left.push(version(Some(&pinned)));
        }
    } else if release.touched(instance) {
        let before = host.before.as_ref();
        let same = after.container.as_deref() == before.map(|before| before.id.as_str());
        let running = before.is_some_and(|before| before.running);
        if !same || (running && !after.running) {
            left.push(version(before.map(|before| before.image.as_str())));
        }
        let restart = after.restart.filter(|_| same);
        left.extend(before.and_then(|before| restart_leftover(host, name, release, before, restart)));
    }
}

/// A container that goes back without having got its restart policy serves until its host reboots. Where the policy
/// was not seen, the step that gives it back tells.
fn restart_leftover(
    host: &HostPlan,
    name: &str,
    release: &Release,
    before: &ContainerBefore,
    seen: Option<RestartPolicy>,
) -> Option<Leftover> {
    let instance = &host.instance;
    let gives_back = Step::on_host(instance, Direction::Back, Phase::SetRestartPolicy);
    let took_it = phases(release, host, Direction::Back).contains(&Phase::SetRestartPolicy);
    let is_as_before = match seen {
        Some(seen) => seen == before.restart,
        None => release.done(&gives_back) || before.restart == RestartPolicy::No,
    };
    if !took_it || is_as_before {
        return None;
    }
    let what = LeftoverKind::RestartPolicy {
        instance: instance.clone(),
        container: name.to_owned(),
        expected: before.restart.to_string(),
    };
    Some(what.mended_by(vec![mends::set_restart_policy(instance, name, before.restart)]))
}

/// Compares the version that the service's own program tells, where its output names the version.
fn version_leftovers(
    host: &HostPlan,
    release: &Release,
    command: &CommandDefinition,
    after: &ObservedHost,
) -> Option<Leftover> {
    let is = command.version.as_ref()?.is.as_ref()?;
    let instance = &host.instance;
    let expected = if !release.is_rolling_back() || release.host_stays_on_new_version(instance) {
        release.values_on(host)?.fill(is).ok()
    } else if release.touched(instance) {
        host.told_before.clone()
    } else {
        None
    };
    let expected = expected?;
    let what = LeftoverKind::Version {
        instance: instance.clone(),
        container: None,
        found: after.version.clone(),
        expected: Some(expected.clone()),
    };
    (after.version.as_deref() != Some(expected.as_str())).then(|| what.for_a_person())
}

fn target_leftovers(target: &TargetPlan, state: &str, plan: &Plan, left: &mut Vec<Leftover>) {
    // A target group that was deleted meanwhile has nothing to restore.
    if state == ObservedTarget::GROUP_DELETED {
        return;
    }
    let there = !matches!(state, "absent" | "draining" | "not seen");
    // Nor is health in a group that no load balancer uses any more for this release to restore.
    let is_as_before = match target.state_before.as_str() {
        "healthy" => matches!(state, "healthy" | ObservedTarget::UNUSED),
        _ => there,
    };
    if is_as_before {
        return;
    }
    let (arn, id, port) = (&target.target_group, &target.id, target.port);
    let what = LeftoverKind::Target {
        id: id.clone(),
        port,
        target_group: target_group_name(plan, arn),
        found: state.to_owned(),
        expected: target.state_before.clone(),
    };
    left.push(what.mended_by(vec![mends::register_target(arn, id, port)]));
}

/// Nothing could be looked at at the end.
pub(super) fn unseen(plan: &Plan) -> Vec<Leftover> {
    if plan.groups.is_empty() {
        let what = LeftoverKind::Unseen {
            part: Part::Fleet,
            why: None,
        };
        return vec![what.for_a_person()];
    }
    plan.groups
        .iter()
        .map(|group| unseen_group(&group.name))
        .collect()
}

/// Tells that nothing was looked at and nothing put back: whatever is not as before is the other worker's to
/// see to.
pub(super) fn lost_to_another(release: &Release) -> Vec<Leftover> {
    let failure = release.lost_to_another();
    let touched = release.hosts().filter(|host| release.touched(&host.instance));
    let what = LeftoverKind::LostToAnother {
        why: failure.map_or_else(String::new, |failure| failure.what.clone()),
        touched: touched.map(|host| host.instance.clone()).collect(),
    };
    vec![what.for_a_person()]
}

pub(super) fn target_group_name(plan: &Plan, arn: &str) -> String {
    plan.target_groups
        .get(arn)
        .map_or_else(|| arn.to_owned(), |group| group.name.clone())
}
