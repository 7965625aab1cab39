//! Secrets of a service: where they are kept, and which version of each a release gives to its containers. The values are
//! nowhere in here, and so in no journal and no event.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::definition::ServiceDefinition;
use crate::preflight::Finding;
use crate::snapshot::FleetSnapshot;

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretReference {
    /// In which service.
    pub store: SecretStore,
    /// Its name or ARN there.
    pub name: String,
    /// The field of a JSON object, where the secret is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Whether what is found there is Base64 of the value.
    #[serde(default)]
    pub base64: bool,
}

/// An AWS service that keeps secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretStore {
    /// AWS Secrets Manager.
    SecretsManager,
    /// AWS Systems Manager Parameter Store.
    ParameterStore,
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.store {
            SecretStore::SecretsManager => "secretsmanager:",
            SecretStore::ParameterStore => "ssm:",
        })?;
        f.write_str(&self.name)?;
        if let Some(field) = &self.field {
            write!(f, "#{field}")?;
        }
        f.write_str(if self.base64 { "|base64" } else { "" })
    }
}

/// What was seen of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "secret", rename_all = "snake_case")]
pub enum SecretSnapshot {
    /// It can be read.
    Read {
        /// The version that is current.
        version: String,
    },
    /// It cannot.
    Unreadable {
        /// Why.
        why: String,
        /// The way out.
        hint: Option<String>,
    },
}

/// The version of each secret, by environment variable: every host of a release gets the same.
pub(crate) fn secret_versions(
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
