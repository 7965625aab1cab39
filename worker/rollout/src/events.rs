//! The status events of each entry, judged by the release as it is *after* the entry.

use std::collections::BTreeSet;

use drawgate_schemas::{
    About, Control, Direction, Event, Hook, HookProgress, HookState, HostPhase, HostProgress, HostRef,
    HostSick, SickAnswer, Started, Suspension,
};

use crate::definition::{OnFailure, Process};
use crate::failure::{Failure, FloorKept, Obstacle};
use crate::fleet::{DesiredPlan, GroupPlan, HostPlan, Plan};
use crate::journal::{Cause, Entry, Evidence, Phase, Record, Step, StepEvents, StepOutcome};
use crate::limits::between_ms;
use crate::release::{Release, StepStatus};

/// The status events that an entry brings, in order. Often none, at most a few.
pub fn events_of(release: &Release, entry: &Entry) -> Vec<Event> {
    match &entry.record {
        Record::Accepted { ahead, .. } => std::iter::once(accepted(release, *ahead))
            .chain(emergency(release))
            .chain(awaited(release))
            .collect(),
        Record::Blocked { blockers } => vec![Event::Blocked {
            blockers: blockers.clone(),
        }],
        Record::Started => Vec::new(),
        Record::TakenOver => {
            let unknown = |state: &&crate::release::StepState| {
                state.last_at == entry.at && matches!(state.last, Some(StepOutcome::Unknown { .. }))
            };
            let open = release.steps.values().filter(unknown).count();
            vec![Event::TakenOver {
                open_steps: u32::try_from(open).unwrap_or(u32::MAX),
            }]
        }
        Record::Control { command, .. } => {
            let still = awaited(release).filter(|_| command.control == Control::Approve);
            std::iter::once(Event::Control(command.clone()))
                .chain(still)
                .collect()
        }
        Record::Intent { step } => begun(release, step).into_iter().collect(),
        Record::Outcome { step, outcome } => {
            let asked = awaited(release).filter(|_| *step == Step::Resolve);
            ended_step(release, step, outcome)
                .into_iter()
                .chain(asked)
                .collect()
        }
        Record::RetryLater { cause } => vec![retry_later(release, cause)],
        Record::TryAgain { instance } => vec![Event::HostBack {
            instance: instance.clone(),
        }],
        Record::RolledNext { instances, kept } => {
            vec![host_sick(release, instances, kept, SickAnswer::RolledNext)]
        }
        Record::SickWaitBegun { kept, until, .. } => {
            let answer = SickAnswer::Waits { until: *until };
            vec![host_sick(release, &kept.sick, kept, answer)]
        }
        Record::SickWaitOver => vec![Event::SickWaitOver],
        Record::RollingBack { cause } => sick_for_too_long(release, cause)
            .into_iter()
            .chain(std::iter::once(Event::RollingBack {
                reason: reason(cause),
                instance: cause.step.instance().map(str::to_owned),
            }))
            .collect(),
        Record::Ended { ended } => vec![Event::Ended(ended.clone())],
    }
}

fn emergency(release: &Release) -> Option<Event> {
    let reason = release.request.emergency.clone()?;
    let by = release.publisher.clone().unwrap_or_default();
    Some(Event::Emergency { by, reason })
}

fn awaited(release: &Release) -> Option<Event> {
    release.awaited_approval().map(Event::AwaitsApproval)
}

fn host_sick(release: &Release, sick: &BTreeSet<String>, kept: &FloorKept, answer: SickAnswer) -> Event {
    Event::HostSick(HostSick {
        instances: sick.iter().cloned().collect(),
        target_group: release.kept_where(kept),
        healthy: kept.healthy,
        floor: kept.floor,
        answer,
    })
}

/// Tells who is sick as data, apart from the rollback.
fn sick_for_too_long(release: &Release, cause: &Cause) -> Option<Event> {
    let Some(Obstacle::Floor(kept)) = cause.failure.obstacle.as_deref() else {
        return None;
    };
    (cause.step == Step::AwaitFloor).then(|| host_sick(release, &kept.sick, kept, SickAnswer::RolledBack))
}

/// What failed, without the instance, which the event names beside it.
fn reason(cause: &Cause) -> String {
    let what = &cause.failure.what;
    match &cause.step {
        Step::Host {
            phase: Phase::Verify, ..
        } if cause.attempts > 1 => {
            format!("verify failed, {} attempts: {what}", cause.attempts)
        }
        Step::Control => what.clone(),
        Step::Host { phase, .. } => format!("{phase} failed: {what}"),
        Step::Stage { .. } => format!("pull the image failed: {what}"),
        step => format!("{step}: {what}"),
    }
}

fn retry_later(release: &Release, cause: &Cause) -> Event {
    let failed = release.to_retry.len() + release.retried.len();
    let plan = release.plan.as_ref();
    Event::HostRetryLater {
        instance: cause.step.instance().unwrap_or_default().to_owned(),
        reason: reason(cause),
        failed: u32::try_from(failed).unwrap_or(u32::MAX),
        budget: plan.map_or(0, |plan| plan.definition.roll.failure_budget),
    }
}

/// What a person wants to know of the release, in each of its events.
pub fn about(release: &Release) -> About {
    let request = &release.request;
    let build = request.build.as_ref();
    About {
        to: request.version_name(),
        from: release.plan.as_deref().and_then(version_before),
        requested_by: request.requested_by.as_ref().map(ToString::to_string),
        build: build
            .and_then(|build| build.number.as_ref())
            .map(ToString::to_string),
        build_url: build
            .and_then(|build| build.url.as_ref())
            .map(ToString::to_string),
    }
}

/// The versions that the hosts ran before, by name; usually one.
fn version_before(plan: &Plan) -> Option<String> {
    let versions: BTreeSet<&str> = plan.hosts.iter().filter_map(HostPlan::version_before).collect();
    let versions: Vec<&str> = versions.into_iter().collect();
    (!versions.is_empty()).then(|| versions.join(", "))
}

fn accepted(release: &Release, ahead: u32) -> Event {
    let About {
        to,
        requested_by,
        build,
        build_url,
        ..
    } = about(release);
    Event::Accepted {
        version_name: to,
        image: release.request.image.to_string(),
        ahead,
        requested_by,
        build,
        build_url,
    }
}

/// The event at an intent. The first attempt of a host's phase is news; the second is not.
fn begun(release: &Release, step: &Step) -> Option<Event> {
    match step.properties().events {
        StepEvents::Bake => baking(release),
        StepEvents::Hook(hook) => {
            let progress = hook_progress(release, step, hook, HookState::Begun)?;
            (progress.attempt == 1).then_some(Event::Hook(progress))
        }
        StepEvents::Host(shown) => host_begins(release, step, shown?),
        StepEvents::Setbacks
        | StepEvents::Nothing
        | StepEvents::Digest
        | StepEvents::Plan
        | StepEvents::Pulled
        | StepEvents::Suspended
        | StepEvents::Resumed
        | StepEvents::SuspendedAgain
        | StepEvents::Replaces
        | StepEvents::Silenced
        | StepEvents::Unsilenced
        | StepEvents::Refusals
        | StepEvents::Canary
        | StepEvents::Published
        | StepEvents::Restored
        | StepEvents::Joined
        | StepEvents::TagMoved => None,
    }
}

fn host_begins(release: &Release, step: &Step, shown: HostPhase) -> Option<Event> {
    let Step::Host {
        instance,
        direction,
        phase,
    } = step
    else {
        return None;
    };
    if release.steps.get(step).is_some_and(|state| state.attempts > 1) {
        return None;
    }
    let (host, plan) = (release.host(instance)?, release.plan.as_ref()?);
    let expected_ms = match phase {
        Phase::Drain => Some(plan.drain_ms(host)),
        Phase::AwaitHealthy => Some(plan.healthy_after_ms(host) + plan.min_healthy_ms(host)),
        _ => None,
    };
    let mut progress = progress(release, instance, *direction, shown);
    progress.expected_s = expected_ms.map(|ms| ms.div_ceil(1000));
    Some(Event::Host(progress))
}

/// Told again when another worker begins the bake anew; not when only its last look is repeated, nor for a
/// last look alone.
fn baking(release: &Release) -> Option<Event> {
    let until = release.bakes_until()?;
    let state = release.steps.get(&Step::Bake)?;
    (until > state.last_at).then_some(Event::Baking { until })
}

fn progress(release: &Release, instance: &str, direction: Direction, phase: HostPhase) -> HostProgress {
    let members = || {
        release
            .hosts()
            .filter(|host| !release.gone.contains(&host.instance))
    };
    let through = |host: &&HostPlan| release.is_through(&host.instance, direction);
    let total = match direction {
        Direction::Forward => members().count(),
        Direction::Back => members().filter(|host| release.touched(&host.instance)).count(),
    };
    HostProgress {
        instance: instance.to_owned(),
        direction,
        phase,
        done: u32::try_from(members().filter(through).count()).unwrap_or(u32::MAX),
        total: u32::try_from(total).unwrap_or(u32::MAX),
        expected_s: None,
        detail: None,
    }
}

fn ended_step(release: &Release, step: &Step, outcome: &StepOutcome) -> Vec<Event> {
    let Some(evidence) = outcome.evidence() else {
        let failure = outcome.failure();
        let told = failure.and_then(|failure| setback(release, step, failure));
        let reported = failure.and_then(|failure| reported_only(release, step, failure));
        return told.into_iter().chain(reported).collect();
    };
    let restored_once_more = release.looks_at_end > 0 && matches!(outcome, StepOutcome::AlreadyDone { .. });
    if let (Evidence::Gone { why }, Some(instance)) = (evidence, step.instance()) {
        return vec![gone(release, step, instance, why)];
    }
    let event = match step.properties().events {
        StepEvents::Setbacks | StepEvents::Nothing | StepEvents::Refusals | StepEvents::Bake => None,
        StepEvents::Digest => digest(evidence),
        StepEvents::Plan => planned(release, evidence),
        StepEvents::Pulled => staged(release),
        StepEvents::Hook(hook) => hook_progress(release, step, hook, HookState::Passed).map(Event::Hook),
        StepEvents::Suspended => suspension(release, step, GroupPlan::suspends).map(Event::ScalingSuspended),
        StepEvents::SuspendedAgain => {
            suspension(release, step, GroupPlan::replaces).map(Event::ScalingSuspended)
        }
        StepEvents::Replaces => suspension(release, step, GroupPlan::replaces).map(Event::ScalingResumed),
        StepEvents::Resumed | StepEvents::Unsilenced if restored_once_more => None,
        StepEvents::Resumed => suspension(release, step, GroupPlan::suspends).map(Event::ScalingResumed),
        StepEvents::Silenced => silenced(release, evidence),
        StepEvents::Unsilenced => return alarms_unsilenced(release, evidence),
        StepEvents::Host(_) => host_ended(release, step, evidence),
        StepEvents::Canary => Some(Event::CanaryPassed),
        StepEvents::Published => wanted(release).map(|wanted| Event::DesiredPublished {
            parameter: wanted.parameter.clone(),
            version_name: release.request.version_name(),
        }),
        StepEvents::Restored => wanted(release).map(|wanted| Event::DesiredRestored {
            parameter: wanted.parameter.clone(),
            version_name: wanted.version_before.clone(),
        }),
        StepEvents::Joined => joined(evidence),
        StepEvents::TagMoved => tag_moved(release, evidence),
    };
    event.into_iter().collect()
}

fn gone(release: &Release, step: &Step, instance: &str, why: &str) -> Event {
    let direction = match step {
        Step::Host { direction, .. } => *direction,
        _ => Direction::Forward,
    };
    let mut gone = progress(release, instance, direction, HostPhase::Gone);
    gone.detail = Some(why.to_owned());
    Event::Host(gone)
}

fn digest(evidence: &Evidence) -> Option<Event> {
    match evidence {
        Evidence::Resolved { digest } => Some(Event::Resolved {
            digest: digest.clone(),
        }),
        _ => None,
    }
}

/// Told once, when everything in the plan is locked, because an earlier look may be followed by another.
fn planned(release: &Release, evidence: &Evidence) -> Option<Event> {
    let plan = match evidence {
        Evidence::Planned { plan } => plan,
        Evidence::Locked { fresh: true } if release.joined.is_empty() => release.plan.as_ref()?,
        _ => return None,
    };
    Some(Event::Started(Box::new(started(plan))))
}

fn silenced(release: &Release, evidence: &Evidence) -> Option<Event> {
    let until = match evidence {
        Evidence::Muted { until } => Some(*until),
        _ => None,
    };
    alarms(release).map(|alarms| Event::AlarmsSilenced { alarms, until })
}

fn host_ended(release: &Release, step: &Step, evidence: &Evidence) -> Option<Event> {
    let Step::Host {
        instance,
        direction,
        phase,
    } = step
    else {
        return None;
    };
    if *phase == crate::release::path::last(release) {
        let done = progress(release, instance, *direction, HostPhase::Done);
        return Some(Event::Host(done));
    }
    let Evidence::Outlasted {
        target_group,
        connections,
    } = evidence
    else {
        return None;
    };
    Some(Event::ConnectionsCut {
        instance: instance.clone(),
        target_group: target_group.clone(),
        connections: *connections,
    })
}

fn joined(evidence: &Evidence) -> Option<Event> {
    match evidence {
        Evidence::Joined { hosts, up_to_date } => Some(Event::Joined {
            rolled: ids(hosts),
            up_to_date: ids(up_to_date),
            by_themselves: Vec::new(),
        }),
        Evidence::NoneJoined { by_themselves } if !by_themselves.is_empty() => Some(Event::Joined {
            rolled: Vec::new(),
            up_to_date: Vec::new(),
            by_themselves: by_themselves.clone(),
        }),
        _ => None,
    }
}

/// A failed attempt that will be made again, told where people would wonder why it takes so long.
fn setback(release: &Release, step: &Step, failure: &Failure) -> Option<Event> {
    match step.properties().events {
        // The record of what is done about it tells.
        StepEvents::Nothing => None,
        StepEvents::Hook(hook) => {
            let mut progress = hook_progress(release, step, hook, HookState::Failed)?;
            progress.detail = Some(failure.what.clone());
            Some(Event::Hook(progress))
        }
        // A pause in it is no news; a refusal is, and refusals are minutes apart.
        StepEvents::Refusals => release.was_refused(step).then(|| Event::MuteRulesNotExtended {
            reason: failure.what.clone(),
        }),
        StepEvents::Host(_) => host_setback(release, step, failure),
        StepEvents::Setbacks
        | StepEvents::Digest
        | StepEvents::Plan
        | StepEvents::Pulled
        | StepEvents::Suspended
        | StepEvents::Resumed
        | StepEvents::SuspendedAgain
        | StepEvents::Replaces
        | StepEvents::Silenced
        | StepEvents::Unsilenced
        | StepEvents::Canary
        | StepEvents::Published
        | StepEvents::Restored
        | StepEvents::Joined
        | StepEvents::Bake
        | StepEvents::TagMoved => first_setback(release, step, failure),
    }
}

/// Told once, or a minute of throttling would fill the channel.
fn first_setback(release: &Release, step: &Step, failure: &Failure) -> Option<Event> {
    if release.steps.get(step).is_none_or(|state| state.attempts != 1) {
        return None;
    }
    let reason = failure.what.clone();
    Some(match step {
        Step::Lock => Event::WaitsForLock { reason },
        _ => Event::Setback {
            step: step.to_string(),
            reason,
        },
    })
}

fn host_setback(release: &Release, step: &Step, failure: &Failure) -> Option<Event> {
    let Step::Host {
        instance,
        direction,
        phase,
    } = step
    else {
        return None;
    };
    let floor_forbids = matches!(failure.obstacle.as_deref(), Some(Obstacle::Floor(_)));
    match (phase, direction) {
        (Phase::Deregister, Direction::Forward) if floor_forbids => None,
        // A wait that the rollback itself stopped is no news beside the rollback.
        (Phase::Drain | Phase::AwaitHealthy, Direction::Forward) if release.is_rolling_back() => None,
        (Phase::Verify, _) => {
            let plan = release.plan.as_ref();
            let of = plan.map_or(0, |plan| plan.definition.verify.attempts);
            let attempts = release.steps.get(step).map_or(0, |state| state.attempts);
            let mut progress = progress(release, instance, *direction, HostPhase::Verifying);
            progress.detail = Some(format!("attempt {attempts} of {of} failed: {}", failure.what));
            Some(Event::Host(progress))
        }
        _ => first_setback(release, step, failure),
    }
}

/// How far a hook is.
fn hook_progress(release: &Release, step: &Step, hook: Hook, state: HookState) -> Option<HookProgress> {
    let definition = &release.plan.as_ref()?.definition;
    let attempts = match hook {
        Hook::Before => 1,
        Hook::After => definition.after.as_ref()?.attempts,
    };
    let on = step.instance().map(str::to_owned);
    let last = release.steps.get(step);
    let ran_on = match last.and_then(|last| last.last.as_ref()?.evidence()) {
        Some(Evidence::Ran { on, .. }) => Some(on.clone()),
        _ => None,
    };
    Some(HookProgress {
        hook,
        state,
        on: on.or(ran_on),
        attempt: last.map_or(0, |last| last.attempts),
        attempts,
        took_ms: last
            .filter(|_| state != HookState::Begun)
            .map(|last| between_ms(last.begun_at, last.last_at)),
        detail: None,
    })
}

/// Tells of an `[after]` that failed for good where the file has it only reported: a green end must not hide
/// it.
fn reported_only(release: &Release, step: &Step, failure: &Failure) -> Option<Event> {
    let after = release.plan.as_ref()?.definition.after.as_ref()?;
    let last_at = release.steps.get(step)?.last_at;
    let failed = matches!(release.step_status(step, last_at), StepStatus::Failed(_));
    if *step != Step::RunAfter || after.on_failure != OnFailure::Report || !failed {
        return None;
    }
    Some(Event::AfterFailed {
        reason: failure.what.clone(),
    })
}

/// An alarm that is still in ALARM acts at the moment of unmuting: the event says so, or nobody would know
/// why just now.
fn alarms_unsilenced(release: &Release, evidence: &Evidence) -> Vec<Event> {
    let on_again = alarms(release).map(|alarms| Event::AlarmsUnsilenced { alarms });
    let still = match evidence {
        Evidence::Unmuted { firing } if !firing.is_empty() => Some(Event::AlarmsFiring {
            alarms: firing.clone(),
        }),
        _ => None,
    };
    on_again.into_iter().chain(still).collect()
}

fn started(plan: &Plan) -> Started {
    Started {
        hosts: plan
            .hosts
            .iter()
            .map(|host| HostRef {
                instance: host.instance.clone(),
                address: host.address.clone(),
            })
            .collect(),
        from: version_before(plan),
        to: plan.version_name.clone(),
        digest: plan.digest.clone(),
        max_unavailable: plan.at_once(),
        groups: plan.groups.iter().map(|group| group.name.clone()).collect(),
        target_groups: plan
            .target_groups
            .values()
            .map(|group| group.name.clone())
            .collect(),
        expected_s: plan.expected_ms().div_ceil(1000),
        warnings: plan.warnings.clone(),
    }
}

/// Told once, when the last of the plan's hosts has the image.
fn staged(release: &Release) -> Option<Event> {
    let plan = release.plan.as_ref()?;
    let took = |host: &HostPlan| {
        let step = Step::Stage {
            instance: host.instance.clone(),
        };
        let state = release.steps.get(&step).filter(|_| release.done(&step))?;
        Some(between_ms(state.begun_at, state.last_at))
    };
    let members = plan
        .hosts
        .iter()
        .filter(|host| !release.gone.contains(&host.instance));
    let times: Option<Vec<u64>> = members.map(took).collect();
    let times = times.filter(|_| release.joined.is_empty())?;
    Some(Event::Staged {
        hosts: u32::try_from(times.len()).unwrap_or(u32::MAX),
        slowest_ms: times.into_iter().max().unwrap_or(0),
    })
}

fn ids(hosts: &[HostPlan]) -> Vec<String> {
    hosts.iter().map(|host| host.instance.clone()).collect()
}

fn wanted(release: &Release) -> Option<&DesiredPlan> {
    release.plan.as_ref()?.desired.as_ref()
}

/// What was suspended or resumed in the step's group, and what was left alone.
fn suspension<'r, I>(
    release: &'r Release,
    step: &Step,
    processes: impl Fn(&'r GroupPlan) -> I,
) -> Option<Suspension>
where
    I: Iterator<Item = Process>,
{
    let (name, plan) = (step.group()?, release.plan.as_ref()?);
    let group = plan.groups.iter().find(|group| group.name == name)?;
    Some(Suspension {
        group: group.name.clone(),
        processes: processes(group)
            .map(|process| process.as_str().to_owned())
            .collect(),
        left_alone: group.suspended_before.clone(),
    })
}

fn alarms(release: &Release) -> Option<Vec<String>> {
    let alarms = &release.plan.as_ref()?.alarms;
    (!alarms.is_empty()).then(|| alarms.iter().map(|alarm| alarm.name.clone()).collect())
}

fn tag_moved(release: &Release, evidence: &Evidence) -> Option<Event> {
    let Evidence::Observed { observation } = evidence else {
        return None;
    };
    let wanted = release.digest.as_ref()?;
    let now = observation.tag_digest.as_ref().filter(|now| *now != wanted)?;
    Some(Event::TagMoved {
        image: release.request.image.to_string(),
        digest: wanted.clone(),
        now: now.clone(),
    })
}
