//! Mute rules: which a release makes, for which alarms, and for how long.
//!
//! A rule names at most 100 alarms and knows no patterns (Amazon CloudWatch API Reference, "MuteTargets"); it ends by
//! itself, so that nothing stays silent when every worker is gone; while the roll lasts, its end is put off.

use drawgate_schemas::ReleaseId;
use jiff::Timestamp;

use crate::decide::Decision;
use crate::definition::SilenceBy;
use crate::limits::{self, after};
use crate::plan::Plan;
use crate::record::StepOutcome;
use crate::state::Release;
use crate::step::Step;

/// Alarms that one rule may name.
const NAMES: usize = 100;

/// A rule as a release wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MuteRule {
    /// Its name: the same whenever it is asked for.
    pub name: String,
    /// The alarms that it mutes.
    pub alarms: Vec<String>,
}

impl Plan {
    /// Whether alarms are muted, and not their actions disabled.
    pub fn mutes(&self) -> bool {
        self.definition.alarms.by == SilenceBy::MuteRule && !self.alarms.is_empty()
    }

    /// The rules of a release; none where the actions are disabled.
    pub fn mute_rules(&self, release: ReleaseId) -> Vec<MuteRule> {
        if !self.mutes() {
            return Vec::new();
        }
        let (environment, service) = (&self.definition.environment, &self.definition.service);
        let rule = |(n, alarms): (usize, &[crate::plan::AlarmPlan])| MuteRule {
            name: format!("drawgate-{environment}-{service}-{release}-{}", n + 1),
            alarms: alarms.iter().map(|alarm| alarm.name.clone()).collect(),
        };
        self.alarms.chunks(NAMES).enumerate().map(rule).collect()
    }
}

/// Putting off the end of the rules, when that is due: on the way forward and on the way back alike, until they are
/// deleted.
pub(crate) fn renewal(release: &Release, now: Timestamp, decisions: &[Decision]) -> Option<Decision> {
    let mutes = release.plan.as_ref().is_some_and(|plan| plan.mutes());
    let unmutes =
        |decision: &Decision| matches!(decision, Decision::Perform { step, .. } if *step == Step::Unsilence);
    let over = release.begun(&Step::Unsilence) || decisions.iter().any(unmutes);
    if !mutes || over || !release.done(&Step::Silence) {
        return None;
    }
    let at = due_at(release)?;
    if at > now {
        return Some(Decision::WakeAt(at));
    }
    Some(Decision::Perform {
        step: Step::Renew,
        deadline: after(now, limits::attempt_ms(&Step::Renew, release)),
    })
}

/// `None` while it is under way.
fn due_at(release: &Release) -> Option<Timestamp> {
    let silenced = release.steps.get(&Step::Silence)?;
    let Some(renewed) = release.steps.get(&Step::Renew) else {
        // A worker that took up does not know for how long nobody was there.
        let taken_up = silenced.patient_from > silenced.last_at;
        return Some(match taken_up {
            true => silenced.patient_from,
            false => after(silenced.last_at, limits::RENEW_MS),
        });
    };
    let taken_up = renewed.patient_from > renewed.last_at;
    match renewed.last.as_ref()? {
        _ if taken_up => Some(renewed.patient_from),
        StepOutcome::Transient { .. } | StepOutcome::Unknown { .. } => {
            Some(after(renewed.last_at, limits::RENEW_AGAIN_MS))
        }
        _ => Some(after(renewed.last_at, limits::RENEW_MS)),
    }
}
