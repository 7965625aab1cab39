//! The events at the outcome of a step.

use drawgate_schemas::{Direction, Event, HookState, HostPhase, HostRef, Started, Suspension};

use super::about::version_before;
use super::progress::{hook_progress, progress};
use super::setback::{reported_only, setback};
use crate::definition::Process;
use crate::fleet::{DesiredPlan, GroupPlan, HostPlan, Plan};
use crate::journal::{Evidence, Step, StepEvents, StepOutcome};
use crate::limits::between_ms;
use crate::release::Release;

pub(super) fn ended_step(release: &Release, step: &Step, outcome: &StepOutcome) -> Vec<Event> {
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
        Evidence::PreflightRefused { .. } => return awaits(release),
        Evidence::Planned { plan } => plan,
        Evidence::Locked { fresh: true } if release.joined.is_empty() => release.plan.as_ref()?,
        _ => return None,
    };
    Some(Event::Started(Box::new(started(plan))))
}

/// Told when preflight begins to wait for hosts, and whenever they are others than before.
fn awaits(release: &Release) -> Option<Event> {
    let awaited = release.awaits()?;
    let is_news = release
        .not_ready
        .as_ref()
        .is_some_and(|not_ready| not_ready.is_news);
    let most_s = awaited.wait_ms / 1_000;
    let hosts: Vec<String> = awaited.lines().collect();
    is_news.then(|| Event::Setback {
        step: Step::Inspect.to_string(),
        reason: format!("waits up to {most_s} s in all: {}", hosts.join("; ")),
    })
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
    // Asked after every pull, and all of them are there once.
    if !release.turns().pull.is_over() {
        return None;
    }
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

fn silenced(release: &Release, evidence: &Evidence) -> Option<Event> {
    let until = match evidence {
        Evidence::Muted { until } => Some(*until),
        _ => None,
    };
    alarms(release).map(|alarms| Event::AlarmsSilenced { alarms, until })
}

/// An alarm that is still in ALARM acts at the moment of unmuting: the event says so, or nobody would know
/// why just now.
fn alarms_unsilenced(release: &Release, evidence: &Evidence) -> Vec<Event> {
    let mut alarms = alarms(release).unwrap_or_default();
    if let Evidence::Unsilenced { held_by_others } = evidence {
        alarms.retain(|alarm| !held_by_others.contains(alarm));
    }
    let on_again = (!alarms.is_empty()).then_some(Event::AlarmsUnsilenced { alarms });
    let still = match evidence {
        Evidence::Unmuted { firing } if !firing.is_empty() => Some(Event::AlarmsFiring {
            alarms: firing.clone(),
        }),
        _ => None,
    };
    on_again.into_iter().chain(still).collect()
}

/// The alarms whose actions were on, or that other releases were known to silence.
fn alarms(release: &Release) -> Option<Vec<String>> {
    let planned = release.plan.as_ref()?.alarms.iter();
    let alarms = planned.filter(|alarm| !alarm.off_before);
    let names: Vec<String> = alarms.map(|alarm| alarm.name.clone()).collect();
    (!names.is_empty()).then_some(names)
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

fn ids(hosts: &[HostPlan]) -> Vec<String> {
    hosts.iter().map(|host| host.instance.clone()).collect()
}

fn wanted(release: &Release) -> Option<&DesiredPlan> {
    release.plan.as_ref()?.desired.as_ref()
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
