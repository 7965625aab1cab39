//! Extends the mute rules when they are about to end, during roll forward and rollback alike, until they are
//! deleted.

use jiff::Timestamp;

use super::Agenda;
use super::decision::Decision;
use crate::journal::{Step, StepOutcome};
use crate::limits::{self, after};

impl Agenda<'_> {
    /// Renews the mute rules when that is due.
    pub(super) fn renewal(&self, decisions: &[Decision]) -> Option<Decision> {
        let mutes = self.release.plan.as_ref().is_some_and(|plan| plan.mutes());
        let unmutes = |decision: &Decision| matches!(decision, Decision::Perform { step, .. } if *step == Step::Unsilence);
        let over = self.release.begun(&Step::Unsilence) || decisions.iter().any(unmutes);
        if !mutes || over || !self.release.done(&Step::Silence) {
            return None;
        }
        let at = self.renewal_due_at()?;
        Some(match at > self.now {
            true => Decision::WakeAt(at),
            false => self.perform(Step::Renew),
        })
    }

    /// When the next renewal is due; `None` while one is under way.
    fn renewal_due_at(&self) -> Option<Timestamp> {
        let silenced = self.release.steps.get(&Step::Silence)?;
        let Some(renewed) = self.release.steps.get(&Step::Renew) else {
            // A worker that took over does not know how long no worker ran, so it renews at once.
            let taken_over = silenced.patient_from > silenced.last_at;
            return Some(match taken_over {
                true => silenced.patient_from,
                false => after(silenced.last_at, limits::RENEW_MS),
            });
        };
        let taken_over = renewed.patient_from > renewed.last_at;
        match renewed.last.as_ref()? {
            _ if taken_over => Some(renewed.patient_from),
            StepOutcome::Transient { .. } | StepOutcome::Unknown { .. } => {
                Some(after(renewed.last_at, limits::RENEW_AGAIN_MS))
            }
            _ => Some(after(renewed.last_at, limits::RENEW_MS)),
        }
    }
}
