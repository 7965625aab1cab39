//! Permissions: what is not allowed refuses the release; what could not be proved is said.

use std::collections::BTreeMap;

use super::finding::Finding;
use crate::fleet::{Denial, Missing, Permissions, Trial, Unproved, Write};

const SUBJECT: &str = "permissions";

pub(super) fn judge(permissions: &Permissions, findings: &mut Vec<Finding>) {
    findings.extend(denied(permissions));
    let mut by_reason: BTreeMap<&str, Vec<&Unproved>> = BTreeMap::new();
    for unproved in &permissions.unproved {
        by_reason.entry(&unproved.why).or_default().push(unproved);
    }
    let notes = by_reason.into_iter().map(|(why, unproved)| note(why, &unproved));
    findings.extend(notes);
}

/// The refusal of a release where permissions are missing. It names all of them at once: who grants one after the
/// other waits for a release each time.
pub fn denied(permissions: &Permissions) -> Option<Finding> {
    if permissions.missing.is_empty() {
        return None;
    }
    let missing: Vec<String> = permissions.missing.iter().map(line).collect();
    let principal = permissions.principal.as_deref().unwrap_or("the worker");
    let what = format!("{principal} may not: {}", missing.join("; "));
    Some(Finding::refuse(SUBJECT, what, hint(&permissions.missing)))
}

fn line(missing: &Missing) -> String {
    let more = match missing.more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{} on {}{more} ({})",
        missing.action,
        missing.on.join(", "),
        missing.denial.why()
    )
}

fn hint(missing: &[Missing]) -> String {
    let grants = missing
        .iter()
        .filter(|missing| missing.denial == Denial::NotAllowed);
    let grants: Vec<String> = grants.map(Missing::statement).collect();
    let denied = missing
        .iter()
        .filter(|missing| missing.denial != Denial::NotAllowed);
    let mut denied: Vec<&str> = denied.map(|missing| missing.action.action()).collect();
    denied.dedup();
    let mut hints = Vec::new();
    if !grants.is_empty() {
        hints.push(format!("add to its policy: {}", grants.join(", ")));
    }
    if !denied.is_empty() {
        hints.push(format!(
            "change the policy that stands against {}: no other statement can allow it",
            denied.join(", ")
        ));
    }
    hints.join("; ")
}

/// Tells how what IAM could not say is proved all the same, and what is not.
fn note(why: &str, unproved: &[&Unproved]) -> Finding {
    let tried_how = |trials: &[Trial]| {
        let writes = unproved.iter().map(|unproved| unproved.action);
        let mut writes: Vec<Write> = writes.filter(|write| trials.contains(&write.trial())).collect();
        writes.dedup();
        writes
            .into_iter()
            .map(Write::action)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let tried = tried_how(&[Trial::DryRun, Trial::Harmless]);
    let by_step = tried_how(&[Trial::ItsStep]);
    let not = tried_how(&[Trial::None]);
    let mut parts = vec![format!("not simulated, because {why}")];
    let texts = [
        ("tried before the first host", tried),
        ("needed before the first host", by_step),
        ("NOT PROVED", not),
    ];
    parts.extend(
        texts
            .into_iter()
            .filter(|(_, writes)| !writes.is_empty())
            .map(|(how, writes)| format!("{how}: {writes}")),
    );
    Finding::warn(SUBJECT, parts.join("; "))
}
