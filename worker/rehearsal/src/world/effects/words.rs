//! Outcomes of steps, and the processes that a release suspends in a group.

use std::collections::BTreeMap;

use drawgate_rollout::definition::RestartPolicy;
use drawgate_rollout::{
    DesiredPlan, Evidence, Failure, FloorKept, HostPlan, LABEL_RELEASE, Obstacle, Phase, Release, Step,
    StepOutcome,
};
use drawgate_schemas::Direction;

use crate::world::*;

/// The outcome of a step whose instance was terminated.
pub(super) fn without_host(step: &Step) -> StepOutcome {
    match step {
        // Nobody can tell how far the command came, so it does not count as done.
        Step::CreateBefore { .. } | Step::RunBefore { .. } => StepOutcome::Transient {
            failure: Failure::new("the host does not answer"),
        },
        // The load balancer has dropped the target; a later step that needs the host sees that the host is
        // gone.
        Step::Host {
            phase: Phase::Deregister,
            ..
        } => StepOutcome::already(),
        Step::Host {
            phase: Phase::Drain, ..
        } => StepOutcome::done(),
        _ => done(Evidence::Gone {
            why: "terminated in EC2".to_owned(),
        }),
    }
}

/// An instance whose boot script started this release's version.
pub(super) fn booted_host(release: &Release, restart: RestartPolicy, like: &Host) -> Host {
    let container = Container {
        running: true,
        restart,
        labels: BTreeMap::from([(LABEL_RELEASE.to_owned(), release.request.id.to_string())]),
    };
    Host {
        old: None,
        new: Some(container),
        named: Some(Which::New),
        ..like.clone()
    }
}

pub(super) fn wanted(release: &Release) -> DesiredPlan {
    release.plan.as_ref().unwrap().desired.clone().unwrap()
}

/// Exchanges one program for the other, as the service's deploy script does.
pub(super) fn run_program(host: &mut Host, direction: Direction) -> StepOutcome {
    let comes = match direction {
        Direction::Forward => Which::New,
        Direction::Back => Which::Old,
    };
    let new = host.new.get_or_insert_with(old_container);
    new.running = comes == Which::New;
    if let Some(old) = &mut host.old {
        old.running = comes == Which::Old;
    }
    host.named = Some(comes);
    done(ran("a host", &[]))
}

pub(super) fn ran(on: &str, output: &[&str]) -> Evidence {
    Evidence::Ran {
        on: on.to_owned(),
        output: output.iter().map(|line| (*line).to_owned()).collect(),
    }
}

pub(super) fn ran_before(planned: &HostPlan) -> bool {
    planned.told_before.is_some() || planned.before.as_ref().is_some_and(|before| before.running)
}

/// The processes of a group that this release suspends.
pub(super) fn ours<'r>(release: &'r Release, name: &str) -> impl Iterator<Item = String> + use<'r> {
    let groups = &release.plan.as_ref().unwrap().groups;
    let group = groups.iter().find(|group| group.name == name);
    group
        .into_iter()
        .flat_map(|group| &group.suspend)
        .map(|process| process.as_str().to_owned())
}

/// The suspended processes of a group that would replace unhealthy hosts.
pub(super) fn replacing<'r>(release: &'r Release, name: &str) -> impl Iterator<Item = String> + use<'r> {
    let groups = &release.plan.as_ref().unwrap().groups;
    let group = groups.iter().find(|group| group.name == name);
    group
        .into_iter()
        .flat_map(|group| group.replaces())
        .map(|process| process.as_str().to_owned())
}

pub(super) fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

pub(super) fn kept_in(kept: FloorKept) -> StepOutcome {
    StepOutcome::Transient {
        failure: Failure::new("the floor must be kept").with_obstacle(Obstacle::Floor(kept)),
    }
}

pub(in crate::world) fn done(evidence: Evidence) -> StepOutcome {
    StepOutcome::Done { evidence }
}

pub(super) fn done_or_already(changed: bool) -> StepOutcome {
    match changed {
        true => StepOutcome::done(),
        false => StepOutcome::already(),
    }
}

pub(in crate::world) fn refused(what: &str) -> StepOutcome {
    StepOutcome::Refused {
        failure: Failure::new(what),
    }
}
