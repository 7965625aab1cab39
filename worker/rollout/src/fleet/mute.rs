//! Mute rules: which a release makes, for which alarms, and for how long.
//!
//! A rule names at most 100 alarms and knows no patterns (Amazon CloudWatch API Reference, "MuteTargets"). It
//! ends by itself, so that nothing stays silent when every worker is gone; while the roll lasts, it is
//! renewed (`decide/mute.rs`).

use drawgate_schemas::ReleaseId;

use super::plan::{AlarmPlan, Plan};
use crate::definition::SilenceBy;
use crate::limits;

/// Alarms that one rule may name.
const NAMES: usize = 100;

/// A rule as a release makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MuteRule {
    /// Its name: the same whenever it is asked for.
    pub name: String,
    /// The name of a rule that goes on where this one ends, when CloudWatch does not let this one be extended.
    pub successor: String,
    /// The alarms that it mutes.
    pub alarms: Vec<String>,
}

impl Plan {
    /// Whether mute rules silence the alarms, instead of disabling their actions.
    pub fn mutes(&self) -> bool {
        self.definition.alarms.by == SilenceBy::MuteRule && !self.alarms.is_empty()
    }

    /// The mute rules of a release; none where the actions are disabled.
    pub fn mute_rules(&self, release: ReleaseId) -> Vec<MuteRule> {
        if !self.mutes() {
            return Vec::new();
        }
        let (environment, service) = (&self.definition.environment, &self.definition.service);
        let name = |n: usize| format!("drawgate-{environment}-{service}-{release}-{}", n + 1);
        let rule = |(n, alarms): (usize, &[AlarmPlan])| MuteRule {
            name: name(n),
            successor: format!("{}-next", name(n)),
            alarms: alarms.iter().map(|alarm| alarm.name.clone()).collect(),
        };
        self.alarms.chunks(NAMES).enumerate().map(rule).collect()
    }

    /// What an attempt to silence all alarms, or to renew their rules, takes at the rates of CloudWatch.
    pub(crate) fn silence_ms(&self) -> u64 {
        match self.mutes() {
            true => self.rules() * limits::MUTE_RULE_MS + limits::MUTE_BEGINS_MS,
            false => self.alarms.len() as u64 * limits::SILENCE_ALARM_MS,
        }
    }

    /// What an attempt to unsilence all alarms takes at the same rates; rules are extended before they are
    /// deleted.
    pub(crate) fn unsilence_ms(&self) -> u64 {
        match self.mutes() {
            true => 2 * self.rules() * limits::MUTE_RULE_MS + limits::MUTE_BEGINS_MS,
            false => self.alarms.len() as u64 * limits::UNSILENCE_ALARM_MS,
        }
    }

    fn rules(&self) -> u64 {
        self.alarms.len().div_ceil(NAMES) as u64
    }
}
