//! The fingerprint of a state. Two states with one fingerprint go on alike, so the search goes on from one of
//! them only.
//!
//! The fingerprint leaves out what no later decision depends on: how a finished step came to be done, the
//! numbers of entries and events, and absolute moments, of which only the distance from now counts. It leaves
//! out the longest bound too (`max_roll`, an hour), because no explored roll comes near it: [`super::judge`]
//! fails where one does.

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hasher as _};

use drawgate_rollout::{Attempt, Evidence, Moment, Release, Step, StepOutcome, StepState, limits};
use jiff::Timestamp;

use super::interleaving::Harm;
use crate::sim::Sim;
use crate::world::{Aws, World};

/// A hasher that `write!` can write text into.
struct Hash(DefaultHasher);

impl fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// The fingerprint of a state, together with the harm so far and the number of interleavings that may still
/// come; `old_answers`: whether looks may still show what was before the last change.
pub(super) fn fingerprint(sim: &Sim, harm: Harm, left: u8, old_answers: bool) -> u64 {
    let mut hash = Hash(DefaultHasher::new());
    // Writing into a hasher never fails.
    let _ = write(&mut hash, sim, harm, left);
    if old_answers {
        let _ = before(&mut hash, &sim.world.aws);
    }
    hash.0.finish()
}

/// What a look shows that is older than the last change.
fn before(hash: &mut Hash, aws: &Aws) -> fmt::Result {
    write!(
        hash,
        "{:?}{:?}{:?}{:?}",
        aws.groups_before, aws.alarms_before, aws.targets_before, aws.parameter_before,
    )
}

fn write(hash: &mut Hash, sim: &Sim, harm: Harm, left: u8) -> fmt::Result {
    let now = sim.now;
    write!(hash, "{left}{harm:?}{:?}{:?}", sim.rests_ms, sim.plan_mark)?;
    for (ends, step) in &sim.flights {
        write!(hash, "{step:?}{}", since(now, *ends))?;
    }
    if let Some(late) = &sim.late {
        write!(hash, "late{:?}", late.1)?;
    }
    release(hash, sim.release(), now)?;
    world(hash, &sim.world, now)?;
    match &sim.previous {
        Some(previous) => world(hash, previous, now),
        None => Ok(()),
    }
}

fn since(now: Timestamp, at: Timestamp) -> i128 {
    at.duration_since(now).as_millis()
}

fn release(hash: &mut Hash, release: &Release, now: Timestamp) -> fmt::Result {
    write!(
        hash,
        "{}{}{}{:?}{:?}{:?}{:?}{}{}{:?}{:?}{:?}",
        release.started_at.is_some(),
        release.digest.is_some(),
        release.plan.is_some(),
        release.not_ready.as_ref().map(|not_ready| (
            &not_ready.touches,
            &not_ready.failure,
            &not_ready.awaited
        )),
        release.joined,
        release.up_to_date,
        release.gone,
        release.detections,
        release.leased,
        release.leased_to_another.is_some(),
        release.to_retry.keys(),
        release.retried,
    )?;
    write!(hash, "{:?}{}", release.rolled_next, release.sick_waits)?;
    if let Some(wait) = &release.sick_wait {
        write!(
            hash,
            "sick{}{:?}{}",
            wait.instance,
            wait.kept,
            since(now, wait.until)
        )?;
    }
    if let (Some(_), Some(at)) = (release.awaits(), release.awaited_since) {
        write!(hash, "awaits{}", since(now, at))?;
    }
    if let Some((command, at)) = &release.paused {
        write!(hash, "paused{:?}{}", command.control, since(now, *at))?;
    }
    write!(hash, "{}", release.cancelled.is_some())?;
    if let Some(cause) = &release.rolling_back {
        write!(hash, "back{:?}", cause.step)?;
    }
    for (step, state) in release.steps.iter() {
        write!(hash, "{step:?}")?;
        step_state(hash, step, state, now)?;
    }
    write!(hash, "{}{:?}", release.looks_at_end, release.observation)
}

fn step_state(hash: &mut Hash, step: &Step, state: &StepState, now: Timestamp) -> fmt::Result {
    // For some steps (`Moment::Counts`) later decisions ask when the step was done: steps that run beside the
    // others, and steps that put something back once more.
    let timed = step.properties().moment == Moment::Counts;
    match &state.last {
        Some(last) if last.evidence().is_some() => {
            if let Some(Evidence::Muted { until }) = last.evidence() {
                write!(hash, "muted{}", since(now, *until))?;
            }
            hash.write_str("done")?;
            if timed {
                write!(
                    hash,
                    "{}{}",
                    since(now, state.patient_from),
                    since(now, state.last_at)
                )?;
            }
            Ok(())
        }
        last => {
            let kind = match last {
                None => "runs",
                Some(StepOutcome::Refused { .. }) => "refused",
                Some(StepOutcome::Transient { .. }) => "transient",
                Some(_) => "unknown",
            };
            write!(
                hash,
                "{:?}{}{:?}",
                state.obstacle,
                state.always_kept,
                state
                    .kept_since
                    .map(|at| since(now, at).max(-i128::from(limits::SICK_AFTER_MS))),
            )?;
            write!(
                hash,
                "{kind}{}/{}/{}/{}",
                state.attempts,
                state.refusals,
                since(now, state.patient_from).max(-i128::from(limits::RESTORE_PATIENCE_MS)),
                since(now, state.last_at).max(-i128::from(limits::BACKOFF_LAST_MS)),
            )?;
            match step.properties().attempt {
                // What is left of such a wait is reckoned from its first intent.
                Attempt::Drain | Attempt::Canary => write!(hash, "{}", since(now, state.begun_at)),
                _ => Ok(()),
            }
        }
    }
}

fn world(hash: &mut Hash, world: &World, now: Timestamp) -> fmt::Result {
    write!(
        hash,
        "{:?}{:?}{:?}{:?}{:?}{:?}{:?}{:?}{:?}",
        world.hosts,
        world.groups,
        world.alarms,
        world.alarm_tags,
        world.alarms_of_others,
        world.muted_until.map(|until| since(now, until)),
        world.firing,
        world.locked,
        world.noted,
    )?;
    write!(
        hash,
        "{:?}{:?}{:?}{:?}{:?}{:?}{:?}{:?}{}{}{}{}{}",
        world.pending,
        world.silent,
        world.faults,
        world.lease_owner,
        world.parameter,
        world.one_off,
        world.arrivals,
        world.departures,
        world.before_runs,
        world.performed.has_resumed(),
        world.performed.contains(&Step::Canary),
        world.performed.contains(&Step::DetectJoined),
        world.performed.contains(&Step::Confirm),
    )?;
    aws(hash, &world.aws, now)
}

fn aws(hash: &mut Hash, aws: &Aws, now: Timestamp) -> fmt::Result {
    write!(hash, "{:?}{:?}", aws.deleted, aws.unused)?;
    let moments = [aws.expired_until, aws.creates_from, aws.mutes_from];
    for (which, until) in moments.into_iter().enumerate() {
        if let Some(until) = until.filter(|until| *until > now) {
            write!(hash, "until{which}{}", since(now, until))?;
        }
    }
    for (instance, until) in &aws.initial {
        write!(hash, "initial{instance}{}", since(now, *until))?;
    }
    Ok(())
}
