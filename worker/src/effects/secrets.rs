//! Secrets on their way from their store into a container's environment. They are read when a container is
//! created, in the version that the plan names, and kept nowhere.

use std::collections::BTreeMap;

use aws_smithy_types::base64;
use drawgate_rollout::definition::{ContainerDefinition, ServiceDefinition};
use drawgate_rollout::{SecretReference, SecretSnapshot, SecretStore, StepOutcome};

use super::connections::Effects;
use super::outcome::{Effect, Sorted, refused};
use super::task::Task;
use crate::aws::StoredSecret;

/// Largest value: one environment variable of a Linux process has 128 KiB with its name.
const VALUE_BYTES: usize = 120 * 1024;

impl Effects {
    /// Whether each secret of a service can be read, and which version is current.
    pub(super) async fn secret_snapshots(
        &self,
        definition: &ServiceDefinition,
    ) -> Effect<BTreeMap<String, SecretSnapshot>> {
        let mut seen = BTreeMap::new();
        for (variable, reference) in definition.secrets() {
            let read = self.stored(reference, None).await.and_then(|stored| {
                value_of(reference, &stored)?;
                Ok(stored.version)
            });
            let snapshot = match read {
                Ok(version) => SecretSnapshot::Read { version },
                Err(StepOutcome::Refused { failure }) => SecretSnapshot::Unreadable {
                    why: failure.what,
                    hint: failure.hint,
                },
                Err(passing) => return Err(passing),
            };
            seen.insert(variable.clone(), snapshot);
        }
        Ok(seen)
    }

    /// The environment of a container of this service, secrets included: for the request that creates it, and
    /// nothing else.
    pub(super) async fn environment(
        &self,
        task: Task<'_>,
        service: &ContainerDefinition,
    ) -> Effect<BTreeMap<String, String>> {
        let mut environment = service.env.clone();
        environment.extend(self.secret_values(task).await?);
        Ok(environment)
    }

    /// The service's secrets by variable, of the versions that the plan names.
    pub(super) async fn secret_values(&self, task: Task<'_>) -> Effect<BTreeMap<String, String>> {
        let mut values = BTreeMap::new();
        for (variable, reference) in task.plan.definition.secrets() {
            let Some(version) = task.plan.secrets.get(variable) else {
                return refused(format!("secret {variable} is not in the plan"));
            };
            let stored = self.stored(reference, Some(version)).await?;
            values.insert(variable.clone(), value_of(reference, &stored)?);
        }
        Ok(values)
    }

    async fn stored(&self, reference: &SecretReference, version: Option<&str>) -> Effect<StoredSecret> {
        let name = &reference.name;
        match reference.store {
            SecretStore::SecretsManager => Box::pin(self.aws.secret(name, version)).await.sorted(),
            SecretStore::ParameterStore => Box::pin(self.aws.secret_parameter(name, version)).await.sorted(),
        }
    }
}

/// The value that a reference means. Errors never contain a part of it.
fn value_of(reference: &SecretReference, stored: &StoredSecret) -> Effect<String> {
    let text = match &reference.field {
        None => stored.text.clone(),
        Some(field) => field_of(&stored.text, field).or_else(|why| refused(format!("{reference}: {why}")))?,
    };
    let value = if reference.base64 {
        let bytes = base64::decode(text.trim()).ok();
        let decoded = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.map_or_else(|| refused(format!("{reference} is no Base64 of a text")), Ok)?
    } else {
        text
    };
    if value.contains('\0') || value.len() > VALUE_BYTES {
        return refused(format!(
            "{reference} cannot be an environment variable: it holds a zero byte, or more than {VALUE_BYTES} bytes"
        ));
    }
    Ok(value)
}

fn field_of(text: &str, field: &str) -> Result<String, String> {
    let Ok(serde_json::Value::Object(object)) = serde_json::from_str(text) else {
        return Err(format!("is no JSON object, so that it has no field {field}"));
    };
    match object.get(field) {
        Some(serde_json::Value::String(value)) => Ok(value.clone()),
        Some(value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => Ok(value.to_string()),
        Some(_) => Err(format!("its field {field} is no text")),
        None => Err(format!("has no field {field}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(field: Option<&str>, base64: bool) -> SecretReference {
        SecretReference {
            store: SecretStore::SecretsManager,
            name: "search/staging".to_owned(),
            field: field.map(str::to_owned),
            base64,
        }
    }

    fn value(text: &str, field: Option<&str>, base64: bool) -> Result<String, String> {
        let stored = StoredSecret {
            text: text.to_owned(),
            version: "1".to_owned(),
        };
        value_of(&reference(field, base64), &stored).map_err(|outcome| {
            outcome
                .failure()
                .map(|failure| failure.what.clone())
                .unwrap_or_default()
        })
    }

    #[test]
    fn whole_or_by_field_or_from_base64() {
        assert_eq!(value("hush", None, false).unwrap(), "hush");
        let json = "{\"url\":\"postgres://x\",\"port\":5432,\"tls\":true,\"key\":\"aHVzaA==\"}";
        assert_eq!(value(json, Some("url"), false).unwrap(), "postgres://x");
        assert_eq!(value(json, Some("port"), false).unwrap(), "5432");
        assert_eq!(value(json, Some("tls"), false).unwrap(), "true");
        assert_eq!(value(json, Some("key"), true).unwrap(), "hush");
        assert_eq!(value("aHVzaA==\n", None, true).unwrap(), "hush");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        let long = "hush".repeat(40_000);
        for (text, field, base64) in [
            ("hush", Some("url"), false),
            ("{\"other\":\"hush\"}", Some("url"), false),
            ("{\"url\":[\"hush\"]}", Some("url"), false),
            ("hush!", None, true),
            ("hush\0", None, false),
            (long.as_str(), None, false),
        ] {
            let said = value(text, field, base64).unwrap_err();
            assert!(
                said.contains("search/staging") && !said.contains("hush"),
                "{said}"
            );
        }
    }
}
