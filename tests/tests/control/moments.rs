//! The moments of a roll at which a control command is given.

use drawgate_schemas::{Direction, HostPhase, ReleaseId};
use drawgate_tests::{Events, random};

use HostPhase::{AwaitingHealthy, Deregistering, Draining, Registering, Swapping, Verifying};
use Moment::{Kind, Phase, Waiting};

/// Number of moments of a cancel, and of rolls with pauses, that `make test` takes.
pub(crate) const A_FEW_CANCELS: usize = 6;
pub(crate) const A_FEW_ROLLS: usize = 3;

/// A moment of a roll forward, named by the event that tells of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// The release is approved, and queued behind another release of its lane.
    Waiting,
    Kind(&'static str),
    Phase(HostPhase, usize),
}

pub(crate) const MOMENTS: [Moment; 20] = [
    Kind("accepted"),
    Kind("awaits_approval"),
    Waiting,
    Kind("started"),
    Kind("staged"),
    Kind("scaling_suspended"),
    Kind("alarms_silenced"),
    Phase(Deregistering, 1),
    Phase(Draining, 1),
    Phase(Swapping, 1),
    Phase(Verifying, 1),
    Phase(Registering, 1),
    Phase(AwaitingHealthy, 1),
    Phase(Deregistering, 3),
    Phase(Draining, 3),
    Phase(Swapping, 3),
    Phase(Verifying, 3),
    Phase(Registering, 3),
    Phase(AwaitingHealthy, 3),
    Kind("baking"),
];

/// All moments except the first, spread over as few rolls as they fit in.
pub(crate) const PAUSES: [&[Moment]; 7] = [
    &[
        Kind("awaits_approval"),
        Phase(Deregistering, 1),
        Phase(AwaitingHealthy, 3),
    ],
    &[Kind("started"), Phase(Draining, 1), Phase(Deregistering, 3)],
    &[Waiting, Phase(Swapping, 1), Phase(Draining, 3)],
    &[Phase(Verifying, 1), Phase(Swapping, 3)],
    &[Phase(Registering, 1), Phase(Verifying, 3)],
    &[Phase(AwaitingHealthy, 1), Phase(Registering, 3)],
    &[
        Kind("staged"),
        Kind("scaling_suspended"),
        Kind("alarms_silenced"),
        Kind("baking"),
    ],
];

/// All of them with `make orders`; otherwise `count` of them, by a seed that is printed.
pub(crate) fn chosen<T: Copy>(all: &[T], count: usize) -> Vec<T> {
    if std::env::var("DRAWGATE_CONTROL").is_ok_and(|wanted| wanted == "all") {
        return all.to_vec();
    }
    let mut chance = random::seeded_by("DRAWGATE_CONTROL_SEED");
    let mut left = all.to_vec();
    while left.len() > count {
        let nth = chance.below(left.len() as u64);
        left.remove(usize::try_from(nth).unwrap());
    }
    left
}

/// Waits until the n-th host (from 1) begins a phase of the roll forward.
pub(crate) async fn begins(events: &Events, id: ReleaseId, host: usize, phase: HostPhase) {
    events.nth_phase(id, Direction::Forward, phase, host).await;
}
