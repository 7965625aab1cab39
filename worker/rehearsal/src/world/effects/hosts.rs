//! Containers and programs on a host.

use std::collections::BTreeMap;

use drawgate_rollout::definition::RestartPolicy;
use drawgate_rollout::{Evidence, HostPlan, LABEL_RELEASE, Phase, Release, Step, StepOutcome};
use drawgate_schemas::Direction;

use super::words::{done, done_or_already, ran_before, refused, run_program};
use crate::world::*;

impl World {
    pub(super) fn on_host(
        &mut self,
        release: &Release,
        instance: &str,
        direction: Direction,
        phase: Phase,
    ) -> StepOutcome {
        let planned = release.host(instance).unwrap().clone();
        // `Deregister` may find that the floor keeps the host in service; then the step has done nothing to
        // it.
        if !matches!(phase, Phase::Create | Phase::Deregister) {
            self.host(instance).disturbed = true;
        }
        if self.performed.has_resumed() {
            self.broken
                .push(format!("{instance} is worked on after scaling was resumed"));
        }
        // A single host that rolls back within the failure budget may do so, because the release does not
        // give the version up.
        if direction == Direction::Back
            && release.is_rolling_back()
            && self.parameter.as_deref() == Some(VALUE)
            && !release.begun(&Step::RestoreDesired)
        {
            self.broken.push(format!(
                "{instance} goes back while new instances start what failed"
            ));
        }
        match phase {
            Phase::Create => self.create(release, instance),
            Phase::Deregister => self.deregister(release, instance, direction),
            Phase::Drain => self.drain(release, instance, direction),
            Phase::Swap => self.swap(&planned, direction),
            Phase::Verify => self.verify(&planned, direction),
            Phase::SetRestartPolicy => self.enable(&planned, direction),
            Phase::Register => self.register(instance),
            Phase::AwaitHealthy => self.settle(&planned, direction),
        }
    }

    pub(super) fn create(&mut self, release: &Release, instance: &str) -> StepOutcome {
        let host = self.host(instance);
        if host.new.is_some() {
            return StepOutcome::already();
        }
        let labels = BTreeMap::from([(LABEL_RELEASE.to_owned(), release.request.id.to_string())]);
        host.new = Some(Container {
            running: false,
            restart: RestartPolicy::No,
            labels,
        });
        StepOutcome::done()
    }

    pub(super) fn swap(&mut self, planned: &HostPlan, direction: Direction) -> StepOutcome {
        let commanded = self.definition.command().is_some();
        let host = self.hosts.get_mut(&planned.instance).unwrap();
        let is_out = |target| matches!(target, Target::Absent | Target::GroupGone);
        if !host.targets().all(is_out) {
            self.broken.push(format!(
                "{} swapped while it is {:?}",
                planned.instance,
                host.targets().collect::<Vec<_>>()
            ));
        }
        if commanded {
            return run_program(host, direction);
        }
        if direction == Direction::Forward {
            let Some(new) = &mut host.new else {
                return refused("the created container is gone");
            };
            if planned.before.is_some() && host.old.is_none() {
                return refused("the old container is gone");
            }
            if let Some(old) = &mut host.old {
                old.restart = RestartPolicy::No;
                old.running = self.mutant == Some(Mutant::LeavesTheOldRunning);
            }
            host.named = Some(Which::New);
            if std::mem::replace(&mut new.running, true) {
                return StepOutcome::already();
            }
            return done(Evidence::Swapped {
                without_container_ms: planned.before.as_ref().map(|_| 800),
            });
        }
        if planned.before.is_some() && host.old.is_none() {
            return refused("the old container is gone");
        }
        if let Some(new) = &mut host.new {
            new.restart = RestartPolicy::No;
            new.running = false;
        }
        host.named = host.old.as_ref().map(|_| Which::Old);
        if let Some(old) = &mut host.old {
            old.running |= ran_before(planned);
        }
        StepOutcome::done()
    }

    pub(super) fn verify(&mut self, planned: &HostPlan, direction: Direction) -> StepOutcome {
        if direction == Direction::Back && !ran_before(planned) {
            return StepOutcome::already();
        }
        let host = self.host(&planned.instance);
        match host.serving(direction) {
            Some(container) if container.running => return StepOutcome::done(),
            _ => {}
        }
        // A host may have been rebooted after its swap: the old container is started again, and the next look
        // judges it.
        if let (Direction::Back, Some(old)) = (direction, &mut host.old) {
            old.running = true;
        }
        refused("the container ended")
    }

    pub(super) fn enable(&mut self, planned: &HostPlan, direction: Direction) -> StepOutcome {
        let wanted = match direction {
            Direction::Forward => self.definition.container().map(|container| container.restart),
            Direction::Back => planned.before.as_ref().map(|before| before.restart),
        };
        let host = self.host(&planned.instance);
        let container = match direction {
            Direction::Forward => &mut host.new,
            Direction::Back => &mut host.old,
        };
        match (container, wanted) {
            (_, None) => StepOutcome::already(),
            (None, Some(_)) => refused("the container is gone"),
            (Some(container), Some(wanted)) => {
                let before = std::mem::replace(&mut container.restart, wanted);
                done_or_already(before != wanted)
            }
        }
    }

    pub(super) fn clean_up(&mut self, release: &Release, instance: &str) -> StepOutcome {
        let one_off = self.one_off.take().is_some();
        let host = self.host(instance);
        // A running container may serve requests, so it stays, whatever failed before.
        let fails = |new: &mut Container| !new.running;
        let failed = release.is_rolling_back() && host.named != Some(Which::New);
        let removed = failed && host.new.take_if(fails).is_some();
        done_or_already(one_off || removed)
    }
}
