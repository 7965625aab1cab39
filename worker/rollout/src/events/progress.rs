//! How far a host or a hook is.

use drawgate_schemas::{Direction, Hook, HookProgress, HookState, HostPhase, HostProgress};

use crate::journal::{Evidence, Step};
use crate::limits::between_ms;
use crate::release::Release;

pub(super) fn progress(
    release: &Release,
    instance: &str,
    direction: Direction,
    phase: HostPhase,
) -> HostProgress {
    let turns = release.turns();
    let total = match direction {
        Direction::Forward => turns.members,
        Direction::Back => turns.touched,
    };
    HostProgress {
        instance: instance.to_owned(),
        direction,
        phase,
        done: u32::try_from(turns.through(direction)).unwrap_or(u32::MAX),
        total: u32::try_from(total).unwrap_or(u32::MAX),
        expected_s: None,
        detail: None,
    }
}

/// How far a hook is.
pub(super) fn hook_progress(
    release: &Release,
    step: &Step,
    hook: Hook,
    state: HookState,
) -> Option<HookProgress> {
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
