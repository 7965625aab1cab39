//! The event at the intent of a step.

use drawgate_schemas::{Event, HookState, HostPhase};

use super::progress::{hook_progress, progress};
use crate::journal::{Phase, Step, StepEvents};
use crate::release::Release;

/// The event at an intent. The first attempt of a host's phase is news; the second is not.
pub(super) fn begun(release: &Release, step: &Step) -> Option<Event> {
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
        Phase::AwaitHealthy => {
            let registers_ms = plan.registration_ms(host);
            Some(registers_ms + plan.healthy_after_ms(host) + plan.min_healthy_ms(host))
        }
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
