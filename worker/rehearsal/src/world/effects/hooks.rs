//! `[before]` and `[after]`.

use drawgate_rollout::{Failure, Release, StepOutcome};

use super::words::{done, ran, refused};
use crate::world::*;

impl World {
    /// Starts the container of `[before]`, but only when it has never run.
    pub(super) fn start_before(&mut self) {
        let again = self.mutant == Some(Mutant::RunsBeforeAgain) && self.one_off.is_some();
        if again || self.one_off == Some(OneOff::Created) {
            self.one_off = Some(OneOff::Running);
            self.before_runs += 1;
        }
    }

    pub(super) fn run_before(&mut self, instance: &str) -> StepOutcome {
        if self.hosts.values().any(|host| host.disturbed)
            || self.groups.values().any(|group| group.tag.is_some())
        {
            self.broken
                .push("[before] ran after something was touched".to_owned());
        }
        self.start_before();
        match self.one_off {
            None => refused("the container of [before] is gone"),
            Some(_) => {
                self.one_off = Some(OneOff::Exited);
                if self.before_code != 0 {
                    return refused("[before] ended with exit code 1");
                }
                done(ran(instance, &["3 tables"]))
            }
        }
    }

    /// Runs `[after]`: in a container on a host, or on the bastion.
    pub(super) fn run_after(&self, release: &Release) -> StepOutcome {
        let definition = self.definition.after.as_ref();
        let in_container = definition.is_some_and(|after| matches!(after.place, Place::Container { .. }));
        let host = release.any_host().and_then(|instance| self.hosts.get(instance));
        match host {
            Some(host) if in_container && !host.member => StepOutcome::Transient {
                failure: Failure::new("the host does not answer"),
            },
            _ => done(ran("a host", &[])),
        }
    }
}
