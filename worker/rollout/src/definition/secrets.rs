//! Where the secrets of a service are kept. The values are nowhere in here, and so in no journal and no
//! event.

use std::fmt;

use serde::{Deserialize, Serialize};

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
