//! What goes on beside the steps of a roll: the watch over alarms, from the first touch until the way forward has ended; and
//! putting off the end of mute rules (`mute.rs`).
//!
//! ```text
//!   forward:   stage | suspend  silence  hosts …  sweep  bake |
//!   watch:           |=====quiet=|=====quiet=|===stopped======|
//! ```
//!
//! A watch is one step that lasts for minutes and is begun anew while nothing fires. It only reads, so that it can be
//! stopped at any moment: then the core itself records its outcome, and the driver drops what was under way.

use drawgate_schemas::Direction;
use jiff::Timestamp;

use crate::decide::Decision;
use crate::limits::{self, after};
use crate::mute::renewal;
use crate::record::{Evidence, Failure, Record, StepOutcome};
use crate::state::{Release, Standing};
use crate::step::{Phase, Step};

/// What is to go on beside these decisions.
pub(crate) fn beside(release: &Release, now: Timestamp, decisions: &[Decision]) -> Vec<Decision> {
    // A record changes what follows: the next decision says what goes on beside it.
    if decisions
        .iter()
        .any(|decision| matches!(decision, Decision::Append(_)))
    {
        return Vec::new();
    }
    let mut all: Vec<Decision> = renewal(release, now, decisions).into_iter().collect();
    let touched = release.changed_anything() || decisions.iter().any(touches);
    let has_ended =
        release.turned_back.is_some() || release.steps.keys().any(ends_the_way) || decisions.iter().any(ends);
    let watched = release.plan.as_ref().is_some_and(|plan| !plan.watched.is_empty());
    if !touched || !watched || has_ended {
        return all;
    }
    all.extend(watch(release, now));
    all
}

/// Whether it changes something of the fleet.
pub(crate) fn touches(decision: &Decision) -> bool {
    matches!(decision, Decision::Perform { step, .. } if !step.reads())
}

fn ends(decision: &Decision) -> bool {
    matches!(decision, Decision::Perform { step, .. } if ends_the_way(step))
}

/// Whether it waits while nobody sees the watched alarms. What puts everything back does not: the bake has had the last look.
pub(crate) fn needs_sight(decision: &Decision) -> bool {
    touches(decision) && !ends(decision)
}

/// Whether the watch was broken off and is not begun again yet: until then nothing new is touched on the way forward.
pub(crate) fn is_blind(release: &Release, now: Timestamp) -> bool {
    let forward = release.turned_back.is_none() && !release.steps.keys().any(ends_the_way);
    forward && matches!(release.standing(&Step::Watch, now), Standing::Again { at } if at > now)
}

fn watch(release: &Release, now: Timestamp) -> Vec<Decision> {
    match release.standing(&Step::Watch, now) {
        Standing::Running | Standing::Failed(_) => Vec::new(),
        Standing::Again { at } if at > now => vec![Decision::WakeAt(at)],
        Standing::Fresh | Standing::Done | Standing::Again { .. } => vec![Decision::Perform {
            step: Step::Watch,
            deadline: after(now, limits::attempt_ms(&Step::Watch, release)),
        }],
    }
}

/// With these, everything is being put back: the way forward has had its good end.
pub(crate) fn ends_the_way(step: &Step) -> bool {
    matches!(
        step,
        Step::Resume { .. } | Step::Unsilence | Step::Retire { .. } | Step::Confirm
    )
}

/// The record that ends a step under way which nobody needs any more: the watch at the end of the way forward; at a turn
/// also the bakes; and where an alarm turned it, what only waits for the load balancer. Until then the bad version serves.
pub(crate) fn stop(release: &Release) -> Option<Record> {
    let mut open = release.steps.iter().filter(|(_, state)| state.last.is_none());
    let (step, _) = open.find(|(step, _)| is_idle(release, step))?;
    let outcome = match step {
        Step::Watch | Step::AwaitHealthy | Step::Canary | Step::Bake => StepOutcome::Done {
            evidence: Evidence::Stopped,
        },
        // Its last call may be on its way: as when the worker had stopped.
        _ => StepOutcome::Unknown {
            failure: Failure::new("stopped: the roll turns back"),
        },
    };
    Some(Record::Outcome {
        step: step.clone(),
        outcome,
    })
}

fn is_idle(release: &Release, step: &Step) -> bool {
    let cause = release.turned_back.as_ref();
    match step {
        Step::Watch => true,
        Step::AwaitHealthy | Step::Canary | Step::Bake | Step::Lock => cause.is_some(),
        Step::Host {
            direction: Direction::Forward,
            phase: Phase::Drain | Phase::Settle,
            ..
        } => cause.is_some_and(|cause| cause.step == Step::Watch),
        _ => false,
    }
}
