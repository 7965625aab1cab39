//! The status events of each entry, judged by the release as it is *after* the entry.
//!
//! ```text
//!   mod      what each kind of record tells
//!   begun    at the intent of a step     ended     at its outcome
//!   setback  where an attempt failed     progress  how far a host or a hook is
//!   about    what every event says of its release
//! ```

mod about;
mod begun;
mod ended;
mod progress;
mod setback;

use std::collections::BTreeSet;

use drawgate_schemas::{About, Control, Event, HostSick, SickAnswer};

use crate::failure::{FloorKept, Obstacle};
use crate::journal::{Cause, Entry, Phase, Record, Step, StepOutcome};
use crate::release::Release;

use begun::begun;
use ended::ended_step;

pub use about::about;

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
                instance: cause.instance().map(str::to_owned),
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
        _ if cause.is_of_watched_host() => what.clone(),
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
