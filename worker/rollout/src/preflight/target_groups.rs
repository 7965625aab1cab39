//! How the fleet's target groups were found.

use super::finding::Finding;
use crate::fleet::FleetSnapshot;

/// More groups asked in vain than this are worth a word: a minute of the account's requests.
const MANY: u32 = 100;

/// Target groups that the service's file names must be there. A long search is worth a word.
pub(super) fn found(snapshot: &FleetSnapshot, findings: &mut Vec<Finding>) {
    for name in &snapshot.missing_target_groups {
        let hint = "correct `target_groups` in the service's file, or remove the name there";
        findings.push(Finding::refuse(
            name,
            "there is no target group of that name",
            hint,
        ));
    }
    let asked = snapshot.asked_in_vain;
    if asked > MANY {
        let what = format!(
            "{asked} target groups of the VPC were asked in vain for these hosts; with `target_groups` in the \
             service's file none is"
        );
        findings.push(Finding::warn("target groups", what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Severity;

    fn findings(snapshot: &FleetSnapshot) -> Vec<Finding> {
        let mut findings = Vec::new();
        found(snapshot, &mut findings);
        findings
    }

    #[test]
    fn a_named_group_must_be_there() {
        let snapshot = FleetSnapshot {
            missing_target_groups: vec!["search-admin".to_owned()],
            ..FleetSnapshot::default()
        };
        let seen = findings(&snapshot);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].severity, Severity::Refuse);
        assert_eq!(seen[0].subject, "search-admin");
    }

    #[test]
    fn a_long_search_is_told_and_a_short_one_is_not() {
        let asked = |asked_in_vain| FleetSnapshot {
            asked_in_vain,
            ..FleetSnapshot::default()
        };
        assert_eq!(findings(&asked(MANY)), []);
        let seen = findings(&asked(MANY + 1));
        assert_eq!(seen[0].severity, Severity::Warn);
        assert!(seen[0].what.contains("target_groups"), "{seen:?}");
    }
}
