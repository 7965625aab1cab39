//! How the fleet's target groups were found.

use std::collections::BTreeMap;

use super::finding::Finding;
use crate::fleet::{FleetSnapshot, ForeignTarget};

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
    in_other_vpcs(snapshot, findings);
}

/// Refuses where the fleet seems to be reached from another VPC and its file does not name that target group: it would be
/// stopped under its traffic. A target that is registered within the other VPC is another machine with the same address
/// there, as far as AWS says.
fn in_other_vpcs(snapshot: &FleetSnapshot, findings: &mut Vec<Finding>) {
    let mut by_group: BTreeMap<&str, Vec<&ForeignTarget>> = BTreeMap::new();
    for target in &snapshot.foreign_targets {
        by_group.entry(&target.target_group).or_default().push(target);
    }
    for (group, targets) in by_group {
        let from_outside = targets.iter().filter(|target| target.from_outside).count();
        let first = targets
            .iter()
            .find(|target| target.from_outside)
            .or(targets.first());
        let Some(ForeignTarget {
            address, instance, ..
        }) = first
        else {
            continue;
        };
        if from_outside == 0 {
            let what = format!(
                "is of another VPC and has the address of {instance}, {address}, as a target there: it is taken for another \
                 machine's; where the fleet is reached there, name this target group in `target_groups` of the service's file"
            );
            findings.push(Finding::warn(group, what));
            continue;
        }
        let what = format!(
            "is of another VPC and has {from_outside} of the fleet's addresses as targets from outside that VPC, first \
             {address} of {instance}"
        );
        let hint = "name the fleet's target groups in `target_groups` of the service's file: with this one where the fleet \
                    is reached there, by peering, and without it where other machines have these addresses";
        findings.push(Finding::refuse(group, what, hint));
    }
    let unasked = snapshot.unasked_foreign;
    if unasked > 0 {
        let what = format!(
            "{unasked} target groups of other VPCs have addresses as their targets and were not asked for these hosts; one \
             in which the fleet is reached, by peering, has to be named in `target_groups` of the service's file"
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

    #[test]
    fn an_address_from_outside_refuses_until_groups_are_named() {
        let target = |target_group: &str, address: &str, from_outside| ForeignTarget {
            target_group: target_group.to_owned(),
            address: address.to_owned(),
            instance: "i-1".to_owned(),
            from_outside,
        };
        let snapshot = FleetSnapshot {
            foreign_targets: vec![
                target("peered", "10.0.0.5", true),
                target("peered", "10.0.0.6", true),
                target("stranger", "10.0.0.5", false),
            ],
            ..FleetSnapshot::default()
        };
        let seen: Vec<_> = findings(&snapshot)
            .into_iter()
            .map(|finding| (finding.subject, finding.severity))
            .collect();
        assert_eq!(
            seen,
            [
                ("peered".to_owned(), Severity::Refuse),
                ("stranger".to_owned(), Severity::Warn)
            ]
        );
    }

    #[test]
    fn groups_of_other_vpcs_that_nobody_asked_are_told() {
        let snapshot = FleetSnapshot {
            unasked_foreign: 30,
            ..FleetSnapshot::default()
        };
        let seen = findings(&snapshot);
        assert_eq!((seen.len(), seen[0].severity), (1, Severity::Warn));
        assert!(
            seen[0].what.starts_with("30 target groups of other VPCs"),
            "{seen:?}"
        );
    }
}
