//! The path of one host: which phases it goes through, forward and back.

use drawgate_schemas::Direction;

use super::fold::Release;
use crate::fleet::HostPlan;
use crate::journal::{Phase, Step};

pub(crate) const FORWARD: [Phase; 8] = Phase::ALL;

/// The same list without `Create`: the old container was kept.
const BACK: [Phase; 7] = [
    Phase::Deregister,
    Phase::Drain,
    Phase::Swap,
    Phase::Verify,
    Phase::SetRestartPolicy,
    Phase::Register,
    Phase::AwaitHealthy,
];

/// The service's own programs create no container beside the old one, and none whose restart policy waits for
/// its verification.
const COMMAND: [Phase; 6] = [
    Phase::Deregister,
    Phase::Drain,
    Phase::Swap,
    Phase::Verify,
    Phase::Register,
    Phase::AwaitHealthy,
];

/// On the bastion no host is taken out of service, and none put back.
const ON_BASTION: [Phase; 2] = [Phase::Swap, Phase::Verify];

/// Where no swap was begun, only the targets are put back. That must not need permissions or hosts that
/// failed just now.
const BACK_UNSWAPPED: [Phase; 2] = [Phase::Register, Phase::AwaitHealthy];

/// The phases of a host in one direction.
pub(crate) fn phases(release: &Release, host: &HostPlan, direction: Direction) -> &'static [Phase] {
    let kind = Kind::of(release);
    match (direction, kind) {
        (Direction::Back, _)
            if !release.touched(&host.instance) || release.host_stays_on_new_version(&host.instance) =>
        {
            &[]
        }
        (_, Kind::Bastion) => &ON_BASTION,
        (Direction::Forward, Kind::Container) => &FORWARD,
        (Direction::Forward, Kind::Command) => &COMMAND,
        (Direction::Back, _)
            if !release.begun(&Step::on_host(&host.instance, Direction::Forward, Phase::Swap)) =>
        {
            &BACK_UNSWAPPED
        }
        (Direction::Back, Kind::Container) => &BACK,
        (Direction::Back, Kind::Command) => &COMMAND,
    }
}

/// What a swap is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Container,
    Command,
    Bastion,
}

impl Kind {
    fn of(release: &Release) -> Self {
        match &release.plan {
            Some(plan) if plan.definition.runs_on_bastion() => Self::Bastion,
            Some(plan) if plan.definition.command().is_some() => Self::Command,
            _ => Self::Container,
        }
    }
}

/// The phase that takes a host out of service; the phases before it touch nothing that serves.
pub(crate) fn first_touch(release: &Release) -> Phase {
    match Kind::of(release) {
        Kind::Bastion => Phase::Swap,
        Kind::Container | Kind::Command => Phase::Deregister,
    }
}

/// The phase whose good end means that a host is in service again.
pub(crate) fn last(release: &Release) -> Phase {
    match Kind::of(release) {
        Kind::Bastion => Phase::Verify,
        Kind::Container | Kind::Command => Phase::AwaitHealthy,
    }
}

/// The steps of a host in one direction.
pub(crate) fn steps(release: &Release, host: &HostPlan, direction: Direction) -> impl Iterator<Item = Step> {
    let instance = host.instance.clone();
    phases(release, host, direction)
        .iter()
        .map(move |phase| Step::on_host(&instance, direction, *phase))
}

impl Release {
    /// Whether `[before]` ran to its end and cannot be undone: then only a person can take hosts on the new
    /// version back.
    pub fn is_one_way(&self) -> bool {
        let irreversible = self
            .plan
            .as_ref()
            .and_then(|plan| plan.definition.before.as_ref())
            .is_some_and(|before| !before.reversible);
        let ran_to_its_end = |instance: &String| {
            self.done(&Step::RunBefore {
                instance: instance.clone(),
            })
        };
        irreversible && self.roster.before.as_ref().is_some_and(ran_to_its_end)
    }

    /// Whether a host keeps the new version during rollback: it serves with that version, and nothing undoes
    /// what `[before]` did.
    pub fn host_stays_on_new_version(&self, instance: &str) -> bool {
        self.is_one_way() && self.is_through(instance, Direction::Forward)
    }

    /// Whether new instances go on starting the new version during rollback: every known host serves with it,
    /// and no host is rolled back.
    pub fn desired_stays_on_new_version(&self) -> bool {
        self.is_one_way() && self.begun(&Step::PublishDesired)
    }

    /// Whether a host is out of service by our doing: deregistered, or perhaps so, and not yet healthy again.
    pub fn is_out(&self, host: &HostPlan) -> bool {
        crate::release::path::is_out(self, host)
    }

    /// Whether a host was taken out of service during the roll forward, or may have been: an intent is
    /// enough. A host that is retried counts too, although its steps begin anew.
    pub fn touched(&self, instance: &str) -> bool {
        self.retried.contains(instance)
            || (self.begun(&Step::on_host(
                instance,
                Direction::Forward,
                crate::release::path::first_touch(self),
            )) && self.kept_in(instance, Direction::Forward).is_none())
    }

    /// Whether a host is through in one direction: it serves again, with the new version or with the previous
    /// one.
    pub fn is_through(&self, instance: &str, direction: Direction) -> bool {
        self.done(&Step::on_host(instance, direction, last(self)))
    }
}

/// Whether a host is out of service by our doing: deregistered, or perhaps so, and not yet healthy again.
pub(crate) fn is_out(release: &Release, host: &HostPlan) -> bool {
    if release.gone.contains(&host.instance) {
        return false;
    }
    let through = |direction| release.is_through(&host.instance, direction);
    let begun = |direction| {
        let first = Step::on_host(&host.instance, direction, first_touch(release));
        release.begun(&first) && release.kept_in(&host.instance, direction).is_none()
    };
    match (begun(Direction::Forward), through(Direction::Forward)) {
        (false, _) => false,
        (true, false) => !through(Direction::Back),
        (true, true) => begun(Direction::Back) && !through(Direction::Back),
    }
}
