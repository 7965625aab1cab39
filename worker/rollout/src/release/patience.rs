//! How long one attempt of a step may take, and how long the step is tried again.

use super::fold::Release;
use super::steps::StepState;
use crate::fleet::{HostPlan, Plan};
use crate::journal::{Attempt, Patience, Step};
use crate::limits::{
    AWAIT_HEALTHY_MS, BOOT_PATIENCE_MS, CALL_MS, CREDENTIALS_MS, HOOK_MARGIN_MS, INSPECT_MS,
    INSPECT_PATIENCE_MS, LOCK_ATTEMPT_MS, LOCK_PATIENCE_MS, LOOK_AT_ALARM_MS, LOOK_AT_HOST_MS,
    LOOKED_AT_IN_CALLS, PATIENCE_MS, RESTORE_PATIENCE_MS, WATCH_MS,
};

/// How long one performance of a step may take.
pub fn attempt_ms(step: &Step, release: &Release) -> u64 {
    let attempt = step.properties().attempt;
    match (attempt, &release.plan) {
        (Attempt::Lock, _) => LOCK_ATTEMPT_MS,
        (Attempt::Inspect, _) => INSPECT_MS,
        (_, None) => 2 * CALL_MS,
        (_, Some(plan)) => planned_attempt_ms(
            attempt,
            plan,
            step.instance().and_then(|instance| release.host(instance)),
        ),
    }
}

fn planned_attempt_ms(attempt: Attempt, plan: &Plan, host: Option<&HostPlan>) -> u64 {
    let definition = &plan.definition;
    let roll = &definition.roll;
    match attempt {
        Attempt::Call => CALL_MS,
        // DetectJoined looks at every host; Resume makes up to five calls.
        Attempt::Calls => 2 * CALL_MS,
        Attempt::Lock => LOCK_ATTEMPT_MS,
        Attempt::Inspect => INSPECT_MS,
        Attempt::Pull => roll.pull_timeout_ms,
        Attempt::Canary => roll.canary.map_or(0, |canary| canary.bake_ms) + CALL_MS,
        Attempt::Silence => 2 * CALL_MS + plan.silence_ms(),
        Attempt::Unmute => definition.alarms.settle_ms + 2 * CALL_MS + plan.unsilence_ms(),
        // The last look is at every host too.
        Attempt::Look => {
            let further = plan.hosts.len().saturating_sub(LOOKED_AT_IN_CALLS);
            2 * CALL_MS + plan.alarms.len() as u64 * LOOK_AT_ALARM_MS + further as u64 * LOOK_AT_HOST_MS
        }
        // The watch ends by itself after its time, and is patient for so long again where it cannot read the
        // alarms then.
        Attempt::Watch => WATCH_MS + PATIENCE_MS + CALL_MS,
        Attempt::Floor => AWAIT_HEALTHY_MS + CALL_MS,
        Attempt::Bake => definition.alarms.bake_ms + 2 * CALL_MS,
        Attempt::Before => {
            let before = definition.before.as_ref();
            before.map_or(0, |before| before.timeout_ms) + HOOK_MARGIN_MS
        }
        Attempt::After => {
            let after = definition.after.as_ref();
            after.map_or(0, |after| after.timeout_ms) + roll.pull_timeout_ms + HOOK_MARGIN_MS
        }
        Attempt::Drain => host.map_or(0, |host| plan.drain_ms(host)) + roll.drain_timeout_ms,
        // A stop may take its whole time-out before the engine kills, and a program its whole time before the
        // worker ends it. A program that another worker began is waited for first.
        Attempt::Swap if definition.command().is_some() => 2 * plan.definition.swap_ms() + CALL_MS,
        Attempt::Swap => plan.definition.swap_ms() + CALL_MS,
        // The attempt itself waits for a container whose HEALTHCHECK has no verdict yet.
        Attempt::Verify => definition.verify.timeout_ms + plan.starting_ms() + CALL_MS,
        Attempt::Health => {
            let settles_ms = host.map_or(roll.min_healthy_time_ms, |host| plan.min_healthy_ms(host));
            let registers_ms = host.map_or(0, |host| plan.registration_ms(host));
            registers_ms + roll.healthy_timeout_ms + settles_ms
        }
    }
}

/// How long, from its first intent, a step is tried again.
pub fn patience_ms(step: &Step, release: &Release) -> u64 {
    let attempt_ms = attempt_ms(step, release);
    let plan = release.plan.as_deref();
    let planned = |of: fn(&Plan) -> u64| plan.map_or(0, of);
    match step.properties().patience {
        Patience::Usual => PATIENCE_MS,
        Patience::Attempt | Patience::Verify | Patience::After => PATIENCE_MS.max(attempt_ms),
        Patience::Inspect => INSPECT_PATIENCE_MS,
        Patience::InFile => attempt_ms,
        Patience::Restore => RESTORE_PATIENCE_MS.max(attempt_ms),
        Patience::Unmute => {
            let settle_ms = planned(|plan| plan.definition.alarms.settle_ms);
            (RESTORE_PATIENCE_MS + settle_ms).max(attempt_ms)
        }
        // In mid-roll only a newcomer's lock is missing: it is worth no more waiting than the newcomer.
        Patience::Lock if release.changed_anything() => BOOT_PATIENCE_MS,
        Patience::Lock => LOCK_PATIENCE_MS,
        Patience::Boot => BOOT_PATIENCE_MS,
        Patience::Bake => PATIENCE_MS + planned(|plan| plan.definition.alarms.bake_ms),
        Patience::Spare => PATIENCE_MS.max(planned(|plan| {
            plan.longest_registration_ms() + plan.definition.roll.healthy_timeout_ms
        })),
        Patience::Ever => u64::MAX,
    }
}

/// The same for a step of which an attempt has failed.
pub(crate) fn patience_after_ms(step: &Step, state: &StepState, release: &Release) -> u64 {
    match state.awaits_credentials() {
        true => patience_ms(step, release).max(CREDENTIALS_MS),
        false => patience_ms(step, release),
    }
}
