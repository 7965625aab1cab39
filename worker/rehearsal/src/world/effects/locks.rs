//! Locks and the fleet's lease, and whether each step has those that it needs.

use drawgate_rollout::{Evidence, Failure, ON_BASTION, Release, Stage, Step, StepOutcome};

use super::words::done;
use crate::world::*;

impl World {
    /// The other release ends, and restores its locked groups.
    pub(in crate::world) fn other_ends(&mut self) {
        if self.other.take().is_some() {
            for group in self.groups.values_mut() {
                group.tag = None;
                group.suspended.clear();
            }
            self.frees += 1;
        }
    }

    pub(super) fn lock(&mut self, release: &Release) -> StepOutcome {
        if let Some(other) = &mut self.other {
            if other.outlasts > 0 {
                other.outlasts -= 1;
                return StepOutcome::Transient {
                    failure: Failure::new("group web-asg is locked by another release"),
                };
            }
            self.other_ends();
        }
        let wanted = release.touches();
        let fresh = self
            .noted
            .as_ref()
            .is_some_and(|(locked, frees)| wanted.is_subset(locked) || *frees == self.frees);
        self.locked.extend(wanted.iter().cloned());
        done(Evidence::Locked { fresh })
    }

    /// Checks that a step which changes anything has its locks, and that no other release has them.
    pub(super) fn check_locks(&mut self, release: &Release, step: &Step) {
        if step.reads() {
            return;
        }
        let instance = step.instance().filter(|id| *id != ON_BASTION);
        let instance = instance.map(|id| format!("instance {id}"));
        // A host that joined is locked only before the release first touches it; until then other releases
        // may lock it.
        let untouched = |name: &String| {
            let mut joined = release.joined.iter();
            joined.any(|host| {
                format!("instance {}", host.instance) == *name && !release.touched(&host.instance)
            })
        };
        let missing = |name: &String| !self.locked.contains(name) && !untouched(name);
        if self.other.is_some()
            || (!release.touches().is_subset(&self.locked) && release.touches().iter().any(missing))
            || instance.iter().any(|name| !self.locked.contains(name))
        {
            self.broken.push(format!("{step} without its locks"));
        }
    }

    pub(super) fn take_lease(&mut self) -> StepOutcome {
        if let (None, Some(later)) = (self.lease_owner, self.too_soon_to_create()) {
            return later;
        }
        match self.lease_owner.replace(LeaseOwner::Us) {
            None => StepOutcome::done(),
            Some(LeaseOwner::Us) => StepOutcome::already(),
            Some(LeaseOwner::Another) => {
                self.lease_owner = Some(LeaseOwner::Another);
                done(Evidence::LeasedToAnother {
                    failure: Failure::new("the fleet's lease is held by worker bastion-b"),
                })
            }
        }
    }

    /// Checks that a step changes the fleet only while this worker has the lease.
    pub(super) fn check_lease(&mut self, release: &Release, step: &Step) {
        // During rollback and restore no answer about the lease stops a step, because the worker has the
        // lane.
        let puts_back = release.is_rolling_back() || release.stage() == Stage::Restoring;
        if puts_back && !release.done(&Step::TakeLease) {
            return;
        }
        let has_it = self.definition.lease_parameter.is_none() || self.lease_owner == Some(LeaseOwner::Us);
        if !has_it && !step.reads() {
            self.broken
                .push(format!("{step}, and the fleet's lease is {:?}", self.lease_owner));
        }
    }
}
