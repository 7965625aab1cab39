//! The way of one host: which phases it goes through, forward and back.

use drawgate_schemas::Direction;

use crate::plan::HostPlan;
use crate::state::{Release, host_step};
use crate::step::{Phase, Step};

const FORWARD: [Phase; 8] = [
    Phase::Create,
    Phase::Deregister,
    Phase::Drain,
    Phase::Swap,
    Phase::Verify,
    Phase::Enable,
    Phase::Register,
    Phase::Settle,
];

/// The same list without `Create`: the old container was kept.
const BACK: [Phase; 7] = [
    Phase::Deregister,
    Phase::Drain,
    Phase::Swap,
    Phase::Verify,
    Phase::Enable,
    Phase::Register,
    Phase::Settle,
];

/// Where the containers were never touched, putting the targets back is all. It must not need permissions or hosts
/// that failed just now.
const BACK_UNSWAPPED: [Phase; 2] = [Phase::Register, Phase::Settle];

/// The phases of a host in one direction.
pub(crate) fn phases(release: &Release, host: &HostPlan, direction: Direction) -> &'static [Phase] {
    match direction {
        Direction::Forward => &FORWARD,
        Direction::Back if !release.touched(&host.instance) || release.stays(&host.instance) => &[],
        Direction::Back if !release.begun(&host_step(&host.instance, Direction::Forward, Phase::Swap)) => {
            &BACK_UNSWAPPED
        }
        // Nothing ran before: there is nothing to check, and no health to wait for beyond what was.
        Direction::Back => &BACK,
    }
}

/// The steps of a host in one direction.
pub(crate) fn steps(release: &Release, host: &HostPlan, direction: Direction) -> impl Iterator<Item = Step> {
    let instance = host.instance.clone();
    phases(release, host, direction)
        .iter()
        .map(move |phase| host_step(&instance, direction, *phase))
}

/// Whether a host is out of service by our doing: deregistered, or perhaps so, and not yet healthy again.
pub(crate) fn is_out(release: &Release, host: &HostPlan) -> bool {
    if release.gone.contains(&host.instance) {
        return false;
    }
    let settled = |direction| release.done(&host_step(&host.instance, direction, Phase::Settle));
    let begun = |direction| release.begun(&host_step(&host.instance, direction, Phase::Deregister));
    match (begun(Direction::Forward), settled(Direction::Forward)) {
        (false, _) => false,
        (true, false) => !settled(Direction::Back),
        (true, true) => begun(Direction::Back) && !settled(Direction::Back),
    }
}
