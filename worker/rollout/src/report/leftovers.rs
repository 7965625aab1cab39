//! What is not as it should be at the end, each with the command that mends it or says more.

use super::version::version_before;
use crate::definition::CommandDefinition;
use crate::fleet::{GroupPlan, HostPlan, Observation, ObservedHost, Plan, Stranger, TargetPlan};
use crate::journal::{Step, StepOutcome};
use crate::release::Release;

/// Whether an operator would be called for what was seen at the end.
pub(crate) fn is_anything_left(release: &Release) -> bool {
    if release.is_one_way() {
        // It stops where it is, and that is said at once.
        return false;
    }
    let seen = release.plan.as_ref().zip(release.observation.as_ref());
    seen.is_some_and(|(plan, seen)| !left_over(release, plan, seen).is_empty())
}

/// What is not as it should be, each with the command that mends it or says more.
pub(super) fn left_over(release: &Release, plan: &Plan, seen: &Observation) -> Vec<String> {
    let mut left = Vec::new();
    for group in plan.groups.iter().filter(|group| !group.suspend.is_empty()) {
        left_over_group(group, release, seen, &mut left);
    }
    left.extend(one_way(release, plan).filter(|_| release.is_rolling_back()));
    left_over_alarms(release, plan, seen, &mut left);
    for host in release.hosts() {
        if release.gone.contains(&host.instance) {
            left_over_gone(host, release, seen, &mut left);
        } else {
            left_over_host(host, release, plan, seen, &mut left);
        }
    }
    for host in &release.up_to_date {
        left_over_up_to_date(host, release, plan, seen, &mut left);
    }
    left_over_desired(release, plan, seen, &mut left);
    left_over_strangers(release, plan, seen, &mut left);
    left
}

/// A host that was found on the desired version has to run it still; during rollback there is nothing on it to go back to.
fn left_over_up_to_date(
    host: &HostPlan,
    release: &Release,
    plan: &Plan,
    seen: &Observation,
    left: &mut Vec<String>,
) {
    let instance = &host.instance;
    let Some(after) = seen.hosts.get(instance) else {
        left.push(format!("{instance} could not be seen"));
        return;
    };
    if !after.member {
        return;
    }
    if release.is_rolling_back() && !release.stays_on_new_version() {
        left.push(booted_on_this(instance, &plan.version_name));
    } else if let Some(why) = &after.unseen {
        left.push(format!("{instance} could not be seen: {why}"));
    } else {
        left_over_container(host, release, plan, after, left);
    }
}

fn booted_on_this(instance: &str, version: &str) -> String {
    format!(
        "{instance} started {version} by itself and has nothing to go back to; Auto Scaling launches another: aws \
         autoscaling terminate-instance-in-auto-scaling-group --instance-id {instance} \
         --no-should-decrement-desired-capacity"
    )
}

/// The parameter holds this release's value, or the one of before. What somebody else wrote meanwhile is left alone.
fn left_over_desired(release: &Release, plan: &Plan, seen: &Observation, left: &mut Vec<String>) {
    let Some(wanted) = plan
        .desired
        .as_ref()
        .filter(|_| release.begun(&Step::ReserveDesired))
    else {
        return;
    };
    let name = &wanted.parameter;
    let value = seen.desired.as_ref().map(|seen| seen.value.as_deref());
    let Some(value) = value else {
        left.push(format!(
            "the desired version could not be seen: aws ssm get-parameter --name {name}"
        ));
        return;
    };
    if !release.is_rolling_back() || release.stays_on_new_version() {
        if value != Some(wanted.value.as_str()) {
            left.push(format!(
                "{name} does not want this release, so that instances launched later start something else: publish it \
                 again"
            ));
        }
    } else if value != wanted.before.as_deref() && value.is_some_and(|value| wanted.is_ours(value)) {
        let way_out = if wanted.before.is_some() {
            format!(
                "aws ssm get-parameter-history --name {name} has the value of before; put it with put-parameter"
            )
        } else {
            format!("aws ssm delete-parameter --name {name}")
        };
        left.push(format!(
            "{name} wants this release still, and instances launched later start it: {way_out}"
        ));
    }
}

/// Members that were neither rolled nor found up to date.
fn left_over_strangers(release: &Release, plan: &Plan, seen: &Observation, left: &mut Vec<String>) {
    let published = release.begun(&Step::PublishDesired);
    let back = release.is_rolling_back() && !release.stays_on_new_version();
    let ours = release.request.id.to_string();
    let version = &plan.version_name;
    let detect_joined = release
        .steps
        .get(&Step::DetectJoined)
        .and_then(|state| state.last.as_ref());
    let given_up = detect_joined.and_then(StepOutcome::failure).filter(|_| !back);
    for (instance, stranger) in &seen.strangers {
        let line = match stranger {
            Stranger::Serves { release: Some(id), .. } if *id == ours => {
                back.then(|| booted_on_this(instance, version))
            }
            Stranger::Serves { version: runs, .. } => (!back && (published || given_up.is_some())).then(|| {
                let runs = runs.as_deref().unwrap_or("nothing that could be seen");
                format!("{instance} joined, was not rolled, and runs {runs}: publish {version} again")
            }),
            Stranger::Booting { state, .. } if back => published.then(|| {
                format!(
                    "{instance} is {state}, and may have read {version} as wanted: see what it starts, and terminate it if \
                     it is that"
                )
            }),
            Stranger::Booting { by_itself: true, .. } => None,
            Stranger::Booting { state, .. } => given_up.map(|failure| {
                format!(
                    "{instance} joined and is still {state}, nobody knows what it will start ({}): publish {version} \
                     again when it is in service",
                    failure.what
                )
            }),
        };
        left.extend(line);
    }
}

/// What a person has to know of a roll that stopped where no rollback was possible: which host serves which version, and how it
/// can go on. Nothing of it is out of service.
fn one_way(release: &Release, plan: &Plan) -> Option<String> {
    let command = plan.definition.before.as_ref()?.run.join(" ");
    if !release.is_one_way() {
        return None;
    }
    let (on_new, on_old): (Vec<&HostPlan>, Vec<&HostPlan>) = release
        .hosts()
        .filter(|host| !release.gone.contains(&host.instance))
        .partition(|host| release.stays(&host.instance));
    let ids = |hosts: &[&HostPlan]| {
        let ids: Vec<&str> = hosts.iter().map(|host| host.instance.as_str()).collect();
        if ids.is_empty() {
            "no host".to_owned()
        } else {
            ids.join(", ")
        }
    };
    Some(format!(
        "[before] ({command}) ran and is not reversible, so that nothing is rolled back by itself: on {}: {}; on {}: {}; \
         publish a version that works, or the old one if it works with what [before] did",
        plan.version_name,
        ids(&on_new),
        version_before(release),
        ids(&on_old),
    ))
}

/// What we did to alarms and is not undone: an alarm of ours carries our tag until it is enabled. One without, whose actions
/// are off, was switched off by somebody else.
fn left_over_alarms(release: &Release, plan: &Plan, seen: &Observation, left: &mut Vec<String>) {
    if !release.begun(&Step::Silence) {
        return;
    }
    for name in &seen.mute_rules {
        left.push(format!(
            "mute rule {name} is there still: aws cloudwatch delete-alarm-mute-rule --alarm-mute-rule-name {name}"
        ));
    }
    for alarm in plan
        .alarms
        .iter()
        .filter(|alarm| seen.held_alarms.contains(&alarm.name))
    {
        let (name, arn) = (&alarm.name, &alarm.arn);
        left.push(if seen.alarms.get(name) == Some(&true) {
            format!(
                "alarm {name} carries the tag of this release: aws cloudwatch untag-resource --resource-arn {arn} \
                 --tag-keys drawgate:silenced"
            )
        } else {
            format!("actions of alarm {name} are not on: aws cloudwatch enable-alarm-actions --alarm-names {name}")
        });
    }
}

/// Whoever left the fleet and has ended is not missed. One that is still there, or back, was left by us where it was:
/// out of its target groups, on either version.
fn left_over_gone(host: &HostPlan, release: &Release, seen: &Observation, left: &mut Vec<String>) {
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
        left.push(format!(
            "{} left the fleet in mid-roll and is {state}: see which version it runs, and register it again",
            host.instance
        ));
    }
}

fn left_over_group(group: &GroupPlan, release: &Release, seen: &Observation, left: &mut Vec<String>) {
    if !release.begun(&Step::Suspend {
        group: group.name.clone(),
    }) {
        return;
    }
    let name = &group.name;
    let Some(after) = seen.groups.get(name) else {
        left.push(format!(
            "group {name} could not be seen: aws autoscaling describe-auto-scaling-groups \
             --auto-scaling-group-names {name}"
        ));
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
        let still = still.join(" ");
        left.push(format!(
            "{still} still suspended: aws autoscaling resume-processes --auto-scaling-group-name {name} \
             --scaling-processes {still}"
        ));
    }
    if after.held_by_us {
        left.push(format!(
            "group {name} carries the suspension tag of this release, which refuses the next one: aws autoscaling \
             delete-tags --tags ResourceId={name},ResourceType=auto-scaling-group,Key=drawgate:suspended"
        ));
    }
}

fn left_over_host(
    host: &HostPlan,
    release: &Release,
    plan: &Plan,
    seen: &Observation,
    left: &mut Vec<String>,
) {
    let instance = &host.instance;
    let Some(after) = seen.hosts.get(instance) else {
        left.push(format!("{instance} could not be seen"));
        return;
    };
    if !after.member {
        return left_over_gone(host, release, seen, left);
    }
    let touched = release.touched(instance);
    if let Some(why) = after
        .unseen
        .as_ref()
        .filter(|_| touched || !release.is_rolling_back())
    {
        left.push(format!("{instance} could not be seen: {why}"));
    } else {
        left_over_container(host, release, plan, after, left);
    }
    for (index, target) in host.targets.iter().enumerate().filter(|_| touched) {
        let state = after
            .targets
            .get(index)
            .map_or("not seen", |target| target.state.as_str());
        left_over_target(target, state, plan, left);
    }
}

fn left_over_container(
    host: &HostPlan,
    release: &Release,
    plan: &Plan,
    after: &ObservedHost,
    left: &mut Vec<String>,
) {
    if let Some(command) = plan.definition.command() {
        left.extend(left_over_version(host, release, command, after));
        return;
    }
    let instance = &host.instance;
    let name = plan.definition.runs_as();
    let runs = after
        .image
        .as_deref()
        .filter(|_| after.running)
        .unwrap_or("nothing");
    if !release.is_rolling_back() || release.stays(instance) {
        let pinned = plan.pinned();
        if !after.running || after.image.as_deref() != Some(pinned.as_str()) {
            left.push(format!("{instance} runs {runs} as {name}, not {pinned}"));
        }
    } else if release.touched(instance) {
        let before = host.before.as_ref();
        let same = after.container.as_deref() == before.map(|before| before.id.as_str());
        let running = before.is_some_and(|before| before.running);
        if !same || (running && !after.running) {
            let wanted = before.map_or("nothing", |before| before.image.as_str());
            left.push(format!(
                "{instance} runs {runs} as {name}, before it was {wanted}"
            ));
        }
    }
}

/// What the service's own program tells, where what it prints names the version.
fn left_over_version(
    host: &HostPlan,
    release: &Release,
    command: &CommandDefinition,
    after: &ObservedHost,
) -> Option<String> {
    let is = command.version.as_ref()?.is.as_ref()?;
    let instance = &host.instance;
    let wanted = if !release.is_rolling_back() || release.stays(instance) {
        release.values_on(host)?.fill(is).ok()
    } else if release.touched(instance) {
        host.told_before.clone()
    } else {
        None
    };
    let wanted = wanted?;
    let runs = after.version.as_deref().unwrap_or("nothing that could be told");
    (runs != wanted).then(|| format!("{instance} runs {runs}, not {wanted}"))
}

fn left_over_target(target: &TargetPlan, state: &str, plan: &Plan, left: &mut Vec<String>) {
    let was_healthy = target.state_before == "healthy";
    let there = !matches!(state, "absent" | "draining" | "not seen");
    if (was_healthy && state == "healthy") || (!was_healthy && there) {
        return;
    }
    let (arn, id, port) = (&target.target_group, &target.id, target.port);
    let name = target_group_name(plan, arn);
    left.push(format!(
        "{id}:{port} is {state} in {name}, before it was {}: aws elbv2 register-targets --target-group-arn {arn} \
         --targets Id={id},Port={port}",
        target.state_before
    ));
}

pub(super) fn unseen(plan: &Plan) -> Vec<String> {
    let look = |group: &GroupPlan| {
        format!(
            "the result could not be looked at: aws autoscaling describe-auto-scaling-groups \
             --auto-scaling-group-names {}",
            group.name
        )
    };
    if plan.groups.is_empty() {
        return vec!["the result could not be looked at: see the hosts and their target groups".to_owned()];
    }
    plan.groups.iter().map(look).collect()
}

/// Nothing was looked at, and nothing put back: whatever is not as it was is the other worker's to see to.
pub(super) fn lost_to_another(release: &Release) -> Vec<String> {
    let why = release
        .lost_to_another()
        .map_or("", |failure| failure.what.as_str());
    let touched: Vec<&str> = release
        .hosts()
        .filter(|host| release.touched(&host.instance))
        .map(|host| host.instance.as_str())
        .collect();
    let touched = match touched.is_empty() {
        true => "no host had been touched".to_owned(),
        false => format!("until then touched: {}", touched.join(", ")),
    };
    vec![format!(
        "{why}: from then on this worker did nothing more to the fleet; {touched}; see with `drawgate-worker plan` how it \
         is when the other has ended"
    )]
}

pub(super) fn target_group_name(plan: &Plan, arn: &str) -> String {
    plan.target_groups
        .get(arn)
        .map_or_else(|| arn.to_owned(), |group| group.name.clone())
}
