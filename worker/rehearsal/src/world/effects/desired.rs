//! The parameter with the desired version.

use drawgate_rollout::{DesiredPlan, Evidence, Release, StepOutcome};

use super::words::{done, refused, wanted};
use crate::world::*;

impl World {
    /// Whether the parameter has a value that is neither this release's nor the original one.
    pub(super) fn is_foreign(&self, planned: &DesiredPlan) -> bool {
        let seen = self.parameter.as_deref();
        seen != planned.before.as_deref() && !seen.is_some_and(|seen| planned.is_ours(seen))
    }

    pub(super) fn reserve(&mut self, release: &Release) -> StepOutcome {
        let planned = wanted(release);
        if self.hosts.values().any(|host| host.disturbed) {
            self.broken.push("reserved after a host was touched".to_owned());
        }
        if self.is_foreign(&planned) {
            return refused("changed by somebody else");
        }
        if let (None, Some(later)) = (&self.parameter, self.too_soon_to_create()) {
            return later;
        }
        self.parameter = Some(planned.reserved().to_owned());
        StepOutcome::done()
    }

    pub(super) fn publish(&mut self, release: &Release) -> StepOutcome {
        let planned = wanted(release);
        let touched = self.hosts.values().filter(|host| host.member && host.disturbed);
        for host in touched {
            if !(host.healthy() || host.sick) || host.named != Some(Which::New) {
                let what = "published before every known host is good";
                self.broken.push(what.to_owned());
            }
        }
        if self.is_foreign(&planned) {
            return refused("changed by somebody else");
        }
        let evidence = Evidence::Published {
            at: crate::time::start(),
        };
        let before = self.parameter.replace(planned.value.clone());
        match before == self.parameter {
            true => StepOutcome::AlreadyDone { evidence },
            false => done(evidence),
        }
    }

    /// Restores the parameter. A value that is not this release's stays as it is.
    pub(super) fn unpublish(&mut self, release: &Release) -> StepOutcome {
        let planned = wanted(release);
        let is_ours = |seen: &String| planned.is_ours(seen);
        let before = self.aws.parameter_before.as_ref().filter(|_| self.aws.is_stale);
        let seen = before.unwrap_or(&self.parameter);
        if !seen.as_ref().is_some_and(is_ours) {
            return StepOutcome::already();
        }
        if self.mutant != Some(Mutant::ForgetsToUnpublish) {
            self.parameter = planned.before;
        }
        StepOutcome::done()
    }
}
