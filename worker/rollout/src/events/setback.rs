//! The events at an attempt that failed.

use drawgate_schemas::{Direction, Event, HookState, HostPhase};

use super::progress::{hook_progress, progress};
use crate::definition::OnFailure;
use crate::failure::{Failure, Obstacle};
use crate::journal::{Phase, Step, StepEvents};
use crate::release::{Release, StepStatus};

/// A failed attempt that will be made again, told where people would wonder why it takes so long.
pub(super) fn setback(release: &Release, step: &Step, failure: &Failure) -> Option<Event> {
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

/// Tells of an `[after]` that failed for good where the file has it only reported: a green end must not hide
/// it.
pub(super) fn reported_only(release: &Release, step: &Step, failure: &Failure) -> Option<Event> {
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
