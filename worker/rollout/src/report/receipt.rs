//! The receipt: before and after, for each thing that a release touched.

use drawgate_schemas::{
    AlarmReceipt, DesiredReceipt, Direction, GroupReceipt, Hook, HookReceipt, HostReceipt, Leftover,
    PhaseTime, Receipt, TargetReceipt,
};
use jiff::Timestamp;

use super::leftovers::target_group_name;
use super::notes::notes;
use super::times::{balancer_wait_ms, costs_most};
use crate::fleet::{GroupPlan, HostPlan, Observation, Plan};
use crate::journal::{Evidence, Phase, Step, StepOutcome};
use crate::limits::between_ms;
use crate::release::Release;

pub(super) fn receipt(
    release: &Release,
    plan: &Plan,
    seen: Option<&Observation>,
    leftovers: Vec<Leftover>,
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
                before: !alarm.off_before,
                after: seen.is_some_and(|seen| seen.alarms.get(&alarm.name) == Some(&true)),
            })
            .collect(),
        notes: notes(release, plan, seen),
        desired: plan.desired.as_ref().map(|wanted| DesiredReceipt {
            parameter: wanted.parameter.clone(),
            before: wanted.version_before.clone(),
            after: seen
                .and_then(|seen| seen.desired.as_ref())
                .and_then(|seen| seen.version.clone()),
        }),
        hooks: hooks(release, plan),
        leftovers,
    }
}

/// Whether a host left the fleet: while it was worked on, or seen at the end.
pub(super) fn is_gone(release: &Release, host: &HostPlan, seen: Option<&Observation>) -> bool {
    let after = seen.and_then(|seen| seen.hosts.get(&host.instance));
    release.gone.contains(&host.instance) || after.is_some_and(|after| !after.member)
}

fn hooks(release: &Release, plan: &Plan) -> Vec<HookReceipt> {
    let definition = &plan.definition;
    let before = release.before_host().map(|instance| Step::RunBefore {
        instance: instance.to_owned(),
    });
    let before = before.zip(definition.before.as_ref().map(|before| &before.run));
    let after = definition
        .after
        .as_ref()
        .map(|after| (Step::RunAfter, &after.run));
    let of = |(step, run): (Step, &Vec<String>)| {
        let state = release.steps.get(&step)?;
        Some(HookReceipt {
            hook: if step == Step::RunAfter {
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
        .get(&Step::on_host(instance, Direction::Forward, Phase::Swap))?;
    match swap.last.as_ref().and_then(StepOutcome::evidence)? {
        Evidence::Swapped { without_container_ms } => *without_container_ms,
        _ => None,
    }
}

fn phase_times(release: &Release, instance: &str) -> Vec<PhaseTime> {
    let mut times = Vec::new();
    for (step, state) in release.steps.of(instance) {
        let Step::Host { direction, phase, .. } = step else {
            continue;
        };
        if let Some(shown) = phase.shown_as() {
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
