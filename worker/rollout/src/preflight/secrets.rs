//! Which version of each secret the containers of a release get.

use std::collections::BTreeMap;

use super::finding::Finding;
use crate::definition::ServiceDefinition;
use crate::fleet::{FleetSnapshot, SecretSnapshot};

/// The version of each secret, by environment variable: every host of a release gets the same one.
pub(super) fn secret_versions(
    definition: &ServiceDefinition,
    snapshot: &FleetSnapshot,
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    for (variable, reference) in definition.secrets() {
        let (why, hint) = match snapshot.secrets.get(variable) {
            Some(SecretSnapshot::Read { version }) => {
                versions.insert(variable.clone(), version.clone());
                continue;
            }
            Some(SecretSnapshot::Unreadable { why, hint }) => (why.clone(), hint.clone()),
            None => ("was not read".to_owned(), None),
        };
        let hint = hint.unwrap_or_else(|| "check `secrets` in the service's file".to_owned());
        let what = format!("{reference} cannot be read: {why}");
        findings.push(Finding::refuse(format!("secret {variable}"), what, hint));
    }
    versions
}
