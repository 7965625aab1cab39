//! The state of AWS beside the fleet, as the steps find it.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_rollout::{OnRollback, Reaches, Step};
use jiff::Timestamp;

use super::host::Target;

/// An Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaling {
    /// The suspended processes.
    pub suspended: BTreeSet<String>,
    /// The release id in the group's tag.
    pub tag: Option<String>,
    /// The processes that the tag names as suspended.
    pub tag_says: BTreeSet<String>,
}

/// An alarm as a look shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenAlarm {
    /// Whether its actions are on.
    pub on: bool,
    /// Whether it carries the release's tag.
    pub ours: bool,
    /// Whether a release of another service silences it.
    pub of_others: bool,
}

/// The state of AWS beside the fleet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Aws {
    /// Whether the first look of the step being performed shows what was before the last change.
    pub is_stale: bool,
    /// Each Auto Scaling group before its last change.
    pub groups_before: BTreeMap<String, Scaling>,
    /// Each alarm before its last change.
    pub alarms_before: BTreeMap<String, SeenAlarm>,
    /// The targets of each host before their last change.
    pub targets_before: BTreeMap<String, Vec<Target>>,
    /// The parameter of the desired version before its last change.
    pub parameter_before: Option<Option<String>>,
    /// Target groups that somebody has deleted.
    pub deleted: BTreeSet<String>,
    /// Target groups that somebody has taken out of their listeners.
    pub unused: BTreeSet<String>,
    /// Until when the credentials of the worker are expired.
    pub expired_until: Option<Timestamp>,
    /// From when on Parameter Store creates the parameters that the release asks for.
    pub creates_from: Option<Timestamp>,
    /// The beginning of the mute rule, where it is later than its making.
    pub mutes_from: Option<Timestamp>,
    /// How long a new target is `initial`.
    pub initial_ms: u64,
    /// Hosts whose new targets are `initial`, each with the moment at which they are not any more.
    pub initial: BTreeMap<String, Timestamp>,
}

/// Whether a step makes calls to AWS.
pub(crate) fn calls_aws(step: &Step) -> bool {
    let lease = matches!(step, Step::TakeLease | Step::GiveLeaseBack);
    lease
        || matches!(
            step.properties().reaches,
            Reaches::Fleet | Reaches::Aws | Reaches::Alarms
        )
}

/// Whether a step watches alongside the others. Such a step is patient by itself while it sees nothing.
pub(crate) fn is_a_watch(step: &Step) -> bool {
    step.properties().on_rollback == OnRollback::StopAlways
}
