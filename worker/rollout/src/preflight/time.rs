//! Time: whether the roll fits its bound, and what would fall into the suspension.

use super::finding::Finding;
use crate::definition::Process;
use crate::fleet::{FleetSnapshot, Plan, ScheduledAction};
use crate::limits::after;

/// How far beyond the expected duration scheduled actions are looked for: a roll that needs twice its time is
/// nothing unusual.
const MARGIN: u64 = 2;

/// Judges the plan's duration, and notes in it the scheduled actions that may be missed.
pub(super) fn judge(plan: &mut Plan, snapshot: &FleetSnapshot, findings: &mut Vec<Finding>) {
    let expected_ms = plan.expected_ms();
    let most_ms = plan.definition.roll.max_roll_ms;
    let subject = format!("{}.{}", plan.definition.environment, plan.definition.service);
    if expected_ms > most_ms {
        let what = format!(
            "would take about {} min, longer than roll.max_roll, {} min",
            expected_ms.div_ceil(60_000),
            most_ms / 60_000
        );
        let hint = "let more hosts out at once, raise roll.max_roll, or shorten the deregistration delay";
        findings.push(Finding::refuse(subject, what, hint));
    }
    scheduled(plan, snapshot, expected_ms, findings);
}

/// Notes the scheduled actions that would be missed: Auto Scaling does not make up for an action that comes
/// due while `ScheduledActions` is suspended (Amazon EC2 Auto Scaling User Guide, "Suspend and resume
/// processes").
fn scheduled(plan: &mut Plan, snapshot: &FleetSnapshot, expected_ms: u64, findings: &mut Vec<Finding>) {
    let until = after(snapshot.at, expected_ms.saturating_mul(MARGIN));
    let allowed = plan.definition.roll.allow_missed_actions;
    for group in &mut plan.groups {
        if !group.suspend.contains(&Process::ScheduledActions) {
            continue;
        }
        let seen = snapshot.groups.iter().find(|seen| seen.name == group.name);
        let due = |action: &&ScheduledAction| (snapshot.at..=until).contains(&action.at);
        let due = seen.iter().flat_map(|seen| &seen.scheduled).filter(due);
        group.scheduled = due.cloned().collect();
        for action in &group.scheduled {
            let what = format!(
                "scheduled action {} is due at {}, while scheduled actions may be suspended",
                action.name, action.at
            );
            findings.push(if allowed {
                Finding::warn(&group.name, what)
            } else {
                let hint = "publish after it, or say roll.allow_missed_actions = true; the receipt then says what to \
                            run";
                Finding::refuse(&group.name, what, hint)
            });
        }
    }
}
