//! What AWS lets come between: old answers, throttling in bursts, a target group that is deleted or not used any more,
//! credentials that expire, names that are not free yet, a minute that ends. A release has to succeed after any of it: none of it is a
//! definite no, and none of it is anybody's will.

use drawgate_rollout::{Phase, Reaches, Step, limits, patience_ms};

use super::Interleaving;
use crate::sim::Sim;
use crate::world::{Extent, Fault, World, calls_aws, is_a_watch};

/// What a burst of throttling leaves of a step's patience: the longest pause before the next attempt, and that
/// attempt.
const LEFT_MS: u64 = 15_000;

impl Interleaving {
    /// Whether AWS brings it, and neither the step nor the fleet nor a person.
    pub fn is_of_aws(&self) -> bool {
        matches!(
            self,
            Self::StaleLook
                | Self::Throttled(_)
                | Self::GroupDeleted(_)
                | Self::GroupUnused(_)
                | Self::CredentialsExpire
                | Self::NameNotFree
                | Self::MinuteEnds
                | Self::Faulty(Fault::Unconfirmed | Fault::UnconfirmedHalf)
        )
    }

    /// What AWS may let come when this step is about to end.
    pub(crate) fn of_aws_at_the_end_of(sim: &Sim, step: &Step) -> Vec<Self> {
        let world = &sim.world;
        let mut all = Vec::new();
        if world.may_be_stale(step) {
            all.push(Self::StaleLook);
        }
        if sees_target_groups(step) {
            all.extend(groups(world).map(Self::GroupDeleted));
            let used = groups(world).filter(|arn| !world.aws.unused.contains(arn));
            all.extend(used.map(Self::GroupUnused));
        }
        if is_trying_again(sim) {
            return all;
        }
        if looks_at_its_own_change(step) {
            all.push(Self::Faulty(Fault::Unconfirmed));
            if world.extents(step).contains(&Extent::Half) {
                all.push(Self::Faulty(Fault::UnconfirmedHalf));
            }
        }
        // What comes before the plan touches nothing, and the model's clock begins with the plan.
        if sim.release().plan.is_some() && calls_aws(step) && !is_a_watch(step) {
            let burst = burst(sim, step);
            all.extend((burst > 0).then_some(Self::Throttled(burst)));
            all.push(Self::CredentialsExpire);
        }
        let creates = match step {
            Step::TakeLease => world.lease_owner.is_none(),
            Step::ReserveDesired => world.parameter.is_none(),
            _ => false,
        };
        all.extend(creates.then_some(Self::NameNotFree));
        let makes_a_rule = *step == Step::Silence && world.muted_until.is_none();
        if makes_a_rule && sim.release().plan.as_ref().is_some_and(|plan| plan.mutes()) {
            all.push(Self::MinuteEnds);
        }
        all
    }
}

/// Whether AWS has turned a step away, which is to be tried again. What else would delay it then could outlast its
/// patience, after which a release rightly goes back.
fn is_trying_again(sim: &Sim) -> bool {
    let release = sim.release();
    let expired = sim.world.aws.expired_until.is_some_and(|until| sim.now < until);
    let throttled = sim
        .world
        .faults
        .iter()
        .any(|(_, fault, _)| *fault == Fault::Throttled);
    let mut steps = release.steps.iter();
    expired || throttled || steps.any(|(step, state)| state.attempts > 1 && !release.done(step))
}

/// The target groups that are there.
fn groups(world: &World) -> impl Iterator<Item = String> {
    let groups = world.fleet.target_groups.iter().map(|group| group.arn.clone());
    groups.filter(|arn| !world.aws.deleted.contains(arn))
}

/// How many attempts in a row AWS may throttle until the step's patience, as on the way forward, is nearly over.
fn burst(sim: &Sim, step: &Step) -> usize {
    let release = sim.release();
    let Some(state) = release.steps.get(step) else {
        return 0;
    };
    let patience = patience_ms(step, release).min(limits::PATIENCE_MS);
    let spent = limits::between_ms(state.patient_from, sim.now);
    let mut left = patience.saturating_sub(spent + LEFT_MS);
    let mut burst = 0_u32;
    loop {
        let pause = match step {
            Step::Renew => limits::RENEW_AGAIN_MS,
            _ => limits::backoff_ms(state.attempts + burst),
        };
        let next = pause + sim.takes_ms(step).max(1_000);
        if next > left {
            return usize::try_from(burst).unwrap_or(0);
        }
        left -= next;
        burst += 1;
    }
}

/// Whether the step ends with a look at what it has changed.
fn looks_at_its_own_change(step: &Step) -> bool {
    matches!(
        step,
        Step::Suspend { .. }
            | Step::Resume { .. }
            | Step::LetReplace { .. }
            | Step::SuspendAgain { .. }
            | Step::Silence
            | Step::Unsilence
            | Step::PublishDesired
            | Step::RestoreDesired
    )
}

/// Whether the step looks at target groups, or changes who is in them. A group that is deleted at any other moment
/// makes no difference before the next such step ends.
fn sees_target_groups(step: &Step) -> bool {
    match step {
        Step::Host { phase, .. } => matches!(
            phase,
            Phase::Deregister | Phase::Drain | Phase::Register | Phase::AwaitHealthy
        ),
        Step::Resume { .. } | Step::LetReplace { .. } => true,
        _ => step.properties().reaches == Reaches::Fleet,
    }
}
