//! The end of a release: what was before, what is after, and what that makes of it.
//!
//! Nothing is called fine that was not seen: without an observation at the end, the outcome is `needs_operator`.

use std::collections::BTreeSet;

use drawgate_schemas::{
    AlarmReceipt, AwaitedApproval, Direction, Ended, GroupReceipt, Hook, HookReceipt, HostReceipt, Ordered,
    Outcome, PhaseTime, Receipt, TargetReceipt, WantedReceipt,
};
use jiff::Timestamp;

use crate::definition::{CommandDefinition, Swap};
use crate::limits::between_ms;
use crate::plan::{AlarmPlan, GroupPlan, HostPlan, Plan, TargetPlan};
use crate::record::{Cause, Evidence, StepOutcome};
use crate::snapshot::{Observation, ObservedHost, Stranger};
use crate::state::{Release, host_step};
use crate::step::{Phase, Step};

/// Outcome and receipt of a release that has nothing left to do.
pub fn conclude(release: &Release, now: Timestamp) -> Ended {
    let Some(plan) = &release.plan else {
        return without_plan(release);
    };
    let seen = release.observation.as_deref();
    let left_over = match seen {
        _ if release.lost_to_another().is_some() => lost_to_another(release),
        Some(seen) => left_over(release, plan, seen),
        None if release.changed_anything() => unseen(plan),
        None => Vec::new(),
    };
    let outcome = outcome(release, plan, &left_over);
    let receipt = receipt(release, plan, seen, left_over, now);
    Ended {
        outcome,
        summary: summary(release, plan, outcome, &receipt),
        hint: hint(release, outcome),
        receipt: Some(receipt),
    }
}

/// The end of a request whose time ran out before its turn came.
pub(crate) fn expired(release: &Release) -> Ended {
    let at = release
        .request
        .expires_at
        .map(|at| at.to_string())
        .unwrap_or_default();
    Ended {
        outcome: Outcome::Rejected,
        summary: format!("expired at {at}, before its turn came: nothing was touched"),
        hint: Some("publish again".to_owned()),
        receipt: None,
    }
}

/// The end of a release that every host runs already.
pub(crate) fn there_already(plan: &Plan) -> Ended {
    Ended {
        outcome: Outcome::Succeeded,
        summary: format!(
            "{} of {} serve {} already: nothing was touched",
            plan.hosts.len(),
            plan.hosts.len(),
            plan.version_name
        ),
        hint: Some(
            "drawgate publish --force swaps it all the same, as after a change of the service's file"
                .to_owned(),
        ),
        receipt: None,
    }
}

/// The end of a request that somebody who was asked for an approval did not want.
pub(crate) fn rejected(rejected: &Ordered) -> Ended {
    Ended {
        outcome: Outcome::Rejected,
        summary: format!("{}; nothing was touched", rejected.told()),
        hint: None,
        receipt: None,
    }
}

/// The end of a request that waited for approvals in vain.
pub(crate) fn not_approved(awaited: &AwaitedApproval) -> Ended {
    Ended {
        outcome: Outcome::Rejected,
        summary: format!(
            "not approved by {} until {:.0} ({} of {}): nothing was touched",
            awaited.from.join(", "),
            awaited.until,
            awaited.given.len(),
            awaited.count
        ),
        hint: Some("publish again, and tell those who have to approve it".to_owned()),
        receipt: None,
    }
}

fn without_plan(release: &Release) -> Ended {
    let cause = release.turned_back.as_ref();
    Ended {
        outcome: if release.cancelled.is_some() {
            Outcome::Cancelled
        } else {
            Outcome::Failed
        },
        summary: cause.map_or_else(
            || "ended before it began: nothing was touched".to_owned(),
            |cause| format!("{}; nothing was touched", why(cause)),
        ),
        hint: cause.and_then(|cause| cause.failure.hint.clone()),
        receipt: None,
    }
}

/// Nothing was looked at, and nothing put back: whatever is not as it was is the other worker's to see to.
fn lost_to_another(release: &Release) -> Vec<String> {
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

/// What turned it back, for a person.
fn why(cause: &Cause) -> String {
    let what = &cause.failure.what;
    match cause.step {
        Step::Order => what.clone(),
        _ => format!("{}: {what}", cause.step),
    }
}

fn outcome(release: &Release, plan: &Plan, left_over: &[String]) -> Outcome {
    let touched = release.hosts().any(|host| release.touched(&host.instance));
    match (&release.turned_back, left_over.is_empty()) {
        (_, false) => Outcome::NeedsOperator,
        (_, true) if all_gone(release, plan) => Outcome::NeedsOperator,
        (None, true) => Outcome::Succeeded,
        (Some(_), true) if release.cancelled.is_some() => Outcome::Cancelled,
        (Some(_), true) if touched => Outcome::RolledBack,
        (Some(_), true) => Outcome::Failed,
    }
}

fn all_gone(release: &Release, plan: &Plan) -> bool {
    !plan.hosts.is_empty()
        && release
            .everyone()
            .all(|host| release.gone.contains(&host.instance))
}

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
fn left_over(release: &Release, plan: &Plan, seen: &Observation) -> Vec<String> {
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
    for host in &release.adopted {
        left_over_adopted(host, release, plan, seen, &mut left);
    }
    left_over_wanted(release, plan, seen, &mut left);
    left_over_strangers(release, plan, seen, &mut left);
    left
}

/// A host that was found on the wanted version has to run it still; on the way back there is nothing on it to go back to.
fn left_over_adopted(
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
    if release.is_rolling_back() && !release.keeps_the_new() {
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
fn left_over_wanted(release: &Release, plan: &Plan, seen: &Observation, left: &mut Vec<String>) {
    let Some(wanted) = plan.wanted.as_ref().filter(|_| release.begun(&Step::Reserve)) else {
        return;
    };
    let name = &wanted.parameter;
    let value = seen.wanted.as_ref().map(|seen| seen.value.as_deref());
    let Some(value) = value else {
        left.push(format!(
            "the wanted version could not be seen: aws ssm get-parameter --name {name}"
        ));
        return;
    };
    if !release.is_rolling_back() || release.keeps_the_new() {
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

/// Members that were neither rolled nor adopted.
fn left_over_strangers(release: &Release, plan: &Plan, seen: &Observation, left: &mut Vec<String>) {
    let published = release.begun(&Step::Publish);
    let back = release.is_rolling_back() && !release.keeps_the_new();
    let ours = release.request.id.to_string();
    let version = &plan.version_name;
    let sweep = release
        .steps
        .get(&Step::Sweep)
        .and_then(|state| state.last.as_ref());
    let given_up = sweep.and_then(StepOutcome::failure).filter(|_| !back);
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

/// What a person has to know of a roll that stopped where no way back was: which host serves which version, and how it
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
        before(release),
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

fn unseen(plan: &Plan) -> Vec<String> {
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

fn target_group_name(plan: &Plan, arn: &str) -> String {
    plan.target_groups
        .get(arn)
        .map_or_else(|| arn.to_owned(), |group| group.name.clone())
}

fn receipt(
    release: &Release,
    plan: &Plan,
    seen: Option<&Observation>,
    left_over: Vec<String>,
    now: Timestamp,
) -> Receipt {
    let moved = seen
        .and_then(|seen| seen.tag_digest.clone())
        .filter(|tag| plan.digest.as_ref().is_some_and(|digest| tag != digest));
    Receipt {
        digest: plan.digest.clone(),
        tag_moved_to: moved,
        duration_ms: between_ms(release.started_at.unwrap_or(release.accepted_at), now),
        balancer_wait_ms: balancer_wait_ms(release),
        costs_most: costs_most(release, plan),
        hosts: release
            .everyone()
            .map(|host| host_receipt(release, plan, host, seen))
            .collect(),
        groups: plan
            .groups
            .iter()
            .map(|group| group_receipt(group, seen))
            .collect(),
        alarms: plan
            .alarms
            .iter()
            .map(|alarm| AlarmReceipt {
                alarm: alarm.name.clone(),
                before: true,
                after: seen.is_some_and(|seen| seen.alarms.get(&alarm.name) == Some(&true)),
            })
            .collect(),
        notes: notes(release, plan, seen),
        wanted: plan.wanted.as_ref().map(|wanted| WantedReceipt {
            parameter: wanted.parameter.clone(),
            before: wanted.version_before.clone(),
            after: seen
                .and_then(|seen| seen.wanted.as_ref())
                .and_then(|seen| seen.version.clone()),
        }),
        hooks: hooks(release, plan),
        left_over,
    }
}

/// What preflight let pass with a word, what others changed meanwhile, and the scheduled actions that came due while they
/// were suspended.
fn notes(release: &Release, plan: &Plan, seen: Option<&Observation>) -> Vec<String> {
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
    if back || release.begun(&Step::Publish) || !release.done(&Step::Sweep) {
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

/// Whether a host left the fleet: while it was worked on, or seen at the end.
fn is_gone(release: &Release, host: &HostPlan, seen: Option<&Observation>) -> bool {
    let after = seen.and_then(|seen| seen.hosts.get(&host.instance));
    release.gone.contains(&host.instance) || after.is_some_and(|after| !after.member)
}

fn hooks(release: &Release, plan: &Plan) -> Vec<HookReceipt> {
    let definition = &plan.definition;
    let before = release.before_host().map(|instance| Step::RunBefore {
        instance: instance.to_owned(),
    });
    let before = before.zip(definition.before.as_ref().map(|before| &before.run));
    let after = definition.after.as_ref().map(|after| (Step::After, &after.run));
    let of = |(step, run): (Step, &Vec<String>)| {
        let state = release.steps.get(&step)?;
        Some(HookReceipt {
            hook: if step == Step::After {
                Hook::After
            } else {
                Hook::Before
            },
            run: run.clone(),
            passed: release.done(&step),
            attempts: state.attempts,
            took_ms: between_ms(state.begun_at, state.last_at),
            detail: state
                .last
                .as_ref()
                .and_then(StepOutcome::failure)
                .map(|failure| failure.what.clone()),
        })
    };
    before.into_iter().chain(after).filter_map(of).collect()
}

fn group_receipt(group: &GroupPlan, seen: Option<&Observation>) -> GroupReceipt {
    let after = seen.and_then(|seen| seen.groups.get(&group.name));
    GroupReceipt {
        group: group.name.clone(),
        before: group.suspended_before.clone(),
        suspended: group
            .suspend
            .iter()
            .map(|process| process.as_str().to_owned())
            .collect(),
        after: after
            .map(|after| after.suspended.iter().cloned().collect())
            .unwrap_or_default(),
    }
}

fn host_receipt(release: &Release, plan: &Plan, host: &HostPlan, seen: Option<&Observation>) -> HostReceipt {
    let after = seen.and_then(|seen| seen.hosts.get(&host.instance));
    let state_after = |index: usize| {
        after
            .and_then(|after| after.targets.get(index))
            .map_or("not seen", |target| target.state.as_str())
    };
    HostReceipt {
        instance: host.instance.clone(),
        touched: release.touched(&host.instance),
        gone: is_gone(release, host, seen),
        joined: plan.hosts.iter().all(|planned| planned.instance != host.instance),
        image_before: host.before.as_ref().map(|before| before.image.clone()),
        image_after: after.and_then(|after| after.image.clone()),
        version_before: host.version_before().map(str::to_owned),
        version_after: after.and_then(|after| after.version.clone()),
        targets: host
            .targets
            .iter()
            .enumerate()
            .map(|(index, target)| TargetReceipt {
                target_group: target_group_name(plan, &target.target_group),
                port: target.port,
                before: target.state_before.clone(),
                after: state_after(index).to_owned(),
            })
            .collect(),
        without_container_ms: without_container_ms(release, &host.instance),
        phases: phase_times(release, &host.instance),
    }
}

fn without_container_ms(release: &Release, instance: &str) -> Option<u64> {
    let swap = release
        .steps
        .get(&host_step(instance, Direction::Forward, Phase::Swap))?;
    match swap.last.as_ref().and_then(StepOutcome::evidence)? {
        Evidence::Swapped { without_container_ms } => *without_container_ms,
        _ => None,
    }
}

fn phase_times(release: &Release, instance: &str) -> Vec<PhaseTime> {
    let mut times = Vec::new();
    for (step, state) in &release.steps {
        let Step::Host {
            instance: of,
            direction,
            phase,
        } = step
        else {
            continue;
        };
        if let Some(shown) = phase.shown_as().filter(|_| of == instance) {
            let took_ms = between_ms(state.begun_at, state.last_at);
            times.push(PhaseTime {
                direction: *direction,
                phase: shown,
                took_ms,
            });
        }
    }
    times
}

/// Time in which at least one host was waiting for the load balancer: with hosts one after another it is the sum, with
/// several at once no moment counts twice.
fn balancer_wait_ms(release: &Release) -> u64 {
    let mut spans: Vec<(Timestamp, Timestamp)> = release
        .steps
        .iter()
        .filter(|(step, _)| step.waits_for_balancer())
        .map(|(_, state)| (state.begun_at, state.last_at))
        .collect();
    spans.sort();
    let mut total_ms = 0;
    let mut covered = Timestamp::MIN;
    for (from, to) in spans {
        total_ms += between_ms(from.max(covered), to.max(covered));
        covered = covered.max(to);
    }
    total_ms
}

/// The one setting that would save most if it were smaller.
fn costs_most(release: &Release, plan: &Plan) -> Option<String> {
    let sum = |phase: Phase| -> u64 {
        let of_phase = release
            .steps
            .iter()
            .filter(|(step, _)| matches!(step, Step::Host { phase: p, .. } if *p == phase));
        of_phase
            .map(|(_, state)| between_ms(state.begun_at, state.last_at))
            .sum()
    };
    let delays: BTreeSet<u64> = plan
        .target_groups
        .values()
        .map(|group| group.deregistration_delay_s)
        .collect();
    let delay_s = delays.last().copied().unwrap_or(0);
    let healthy_s = plan
        .target_groups
        .values()
        .map(|group| group.healthy_after_s)
        .max()
        .unwrap_or(0);
    let swap = match &plan.definition.swap {
        Swap::Container(container) => {
            let stop_s = container.stop_timeout_s;
            format!("stopping and starting the container (stop_timeout {stop_s} s)")
        }
        Swap::Command(command) => format!("`{}`", command.deploy.join(" ")),
    };
    let costs = [
        (
            sum(Phase::Drain),
            format!("the deregistration delay of {delay_s} s"),
        ),
        (
            sum(Phase::Settle),
            format!("the health check's {healthy_s} s until a target is healthy"),
        ),
        (sum(Phase::Swap), swap),
        (sum(Phase::Verify), "verification".to_owned()),
    ];
    costs
        .into_iter()
        .max_by_key(|(ms, _)| *ms)
        .filter(|(ms, _)| *ms > 0)
        .map(|(_, what)| what)
}

fn summary(release: &Release, plan: &Plan, outcome: Outcome, receipt: &Receipt) -> String {
    let to = &plan.version_name;
    let seen = release.observation.as_deref();
    let there = |host: &&HostPlan| !is_gone(release, host, seen);
    let hosts = release.everyone().filter(there).count();
    let why = release.turned_back.as_ref().map(why).unwrap_or_default();
    match outcome {
        Outcome::Succeeded => {
            let joined = release.joined.len() + release.adopted.len();
            let after =
                failed_after(release).map_or_else(String::new, |what| format!("; [after] FAILED: {what}"));
            if plan.definition.is_beside_worker() {
                return format!("deployed {to}, alarms as before{after}");
            }
            format!("{hosts} of {hosts} on {to}, {joined} adopted, scaling and alarms as before{after}")
        }
        Outcome::Cancelled if release.hosts().all(|host| !release.touched(&host.instance)) => {
            format!("{why}; no host was touched, scaling and alarms as before")
        }
        Outcome::RolledBack | Outcome::Cancelled => {
            format!(
                "{why}; service is on {} everywhere, scaling and alarms as before",
                before(release)
            )
        }
        Outcome::Failed => format!("{why}; no host was touched, scaling and alarms as before"),
        _ if release.is_one_way() && receipt.left_over.len() == 1 => {
            let first = receipt.left_over.first().map_or("", String::as_str);
            format!("{why}; {first}")
        }
        _ if receipt.left_over.is_empty() => "no instance of the fleet is left".to_owned(),
        _ => {
            let n = receipt.left_over.len();
            let first = receipt.left_over.first().map_or("", String::as_str);
            let cause = if why.is_empty() {
                String::new()
            } else {
                format!("{why}; ")
            };
            format!("{cause}{n} left as it should not be: {first}")
        }
    }
}

/// What went wrong in an `[after]` whose failure is only reported.
fn failed_after(release: &Release) -> Option<&str> {
    let last = release.steps.get(&Step::After)?.last.as_ref()?;
    last.failure().map(|failure| failure.what.as_str())
}

/// What ran before, as a person calls it.
fn before(release: &Release) -> String {
    let commanded = release
        .plan
        .as_ref()
        .is_some_and(|plan| plan.definition.command().is_some());
    let nothing = if commanded {
        "what it was before"
    } else {
        "nothing"
    };
    let names: BTreeSet<&str> = release
        .hosts()
        .map(|host| host.version_before().unwrap_or(nothing))
        .collect();
    match names.first() {
        Some(one) if names.len() == 1 => (*one).to_owned(),
        _ => "what it was before".to_owned(),
    }
}

fn hint(release: &Release, outcome: Outcome) -> Option<String> {
    let cause = release.turned_back.as_ref();
    let id = release.request.id;
    match outcome {
        Outcome::Succeeded => None,
        Outcome::NeedsOperator => Some(format!(
            "drawgate show {id} lists what is left, and what to run; runbooks/needs-operator.md says what each means"
        )),
        _ if cause.is_some_and(|cause| !cause.failure.logs.is_empty()) => Some(format!(
            "drawgate show {id} --logs has the container's last lines"
        )),
        _ => cause.and_then(|cause| cause.failure.hint.clone()),
    }
}
