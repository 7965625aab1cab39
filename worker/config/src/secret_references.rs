//! `[container] secrets`: environment variables whose values are stored in AWS.
//!
//! ```text
//!   DATABASE_URL = "secretsmanager:search/{environment}#database_url"     a field of a JSON object
//!   LICENSE      = "ssm:/search/{environment}/license"                     a parameter, decrypted
//!   KEY          = "secretsmanager:search/key|base64"                      stored as Base64 of the value
//! ```

use std::collections::BTreeMap;

use drawgate_rollout::{SecretReference, SecretStore};
use drawgate_schemas::{Environment, Service};

use super::error::Problems;
use super::limits as at;
use super::placeholders::Template;
use super::reader::{Field, Templates};
use super::units::Most;
use super::variables::check_variable;

/// A reference with the texts that depend on the environment.
#[derive(Debug, Clone)]
pub(super) struct SecretTemplate {
    store: SecretStore,
    name: Template,
    field: Option<String>,
    base64: bool,
}

impl SecretTemplate {
    fn fill(&self, environment: &Environment, service: &Service) -> SecretReference {
        SecretReference {
            store: self.store,
            name: self.name.fill(environment, service),
            field: self.field.clone(),
            base64: self.base64,
        }
    }
}

/// The references of one target, by variable.
pub(super) fn fill(
    secrets: &BTreeMap<String, SecretTemplate>,
    environment: &Environment,
    service: &Service,
) -> BTreeMap<String, SecretReference> {
    let filled = secrets
        .iter()
        .map(|(variable, secret)| (variable.clone(), secret.fill(environment, service)));
    filled.collect()
}

const HINT: &str = "write NAME = \"secretsmanager:search/{environment}#field\" or \"ssm:/search/{environment}/name\"; \
                    `|base64` at the end where what is kept is Base64";

/// Reads the table. A variable that `env` sets too is a mistake: it would have two values.
pub(super) fn read(
    field: &Field<'_, '_>,
    env: &Templates,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, SecretTemplate> {
    let mut secrets = BTreeMap::new();
    let Some(table) = field.table(problems) else {
        return secrets;
    };
    let Most { most, reason } = field.most();
    for (count, (variable, value)) in table.entries().enumerate() {
        if count >= most {
            let what = format!("has more than {most} secrets: {reason}");
            field.invalid(what, problems);
            break;
        }
        check_variable(variable, &value.key, problems);
        if env.contains_key(variable) {
            value.invalid_hint("is in env too", "leave it out in one of them", problems);
        }
        if let Some(secret) = reference(&value, problems) {
            secrets.insert(variable.to_owned(), secret);
        }
    }
    secrets
}

fn reference(value: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<SecretTemplate> {
    let text = value.text(problems)?;
    value.template(problems)?;
    let wrong = |what: &str, problems: &mut Problems<'_>| {
        value.invalid_hint(what, HINT, problems);
        None
    };
    let (store, rest) = match text.split_once(':') {
        Some(("secretsmanager", rest)) => (SecretStore::SecretsManager, rest),
        Some(("ssm", rest)) => (SecretStore::ParameterStore, rest),
        _ => return wrong("does not say where the secret is kept", problems),
    };
    let (rest, base64) = match rest.split_once('|') {
        None => (rest, false),
        Some((rest, "base64")) => (rest, true),
        Some(_) => return wrong("ends with something else than `|base64`", problems),
    };
    let (name, field) = match rest.split_once('#') {
        None => (rest, None),
        Some((_, "")) => return wrong("names no field after `#`", problems),
        Some((name, field)) => (name, Some(field.to_owned())),
    };
    let template = Template::parse(name).ok()?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-:".contains(c);
    let filled = template.example();
    if filled.is_empty() || filled.len() > at::SECRET_NAME_CHARS || !filled.chars().all(allowed) {
        return wrong("has no secret's name", problems);
    }
    Some(SecretTemplate {
        store,
        name: template,
        field,
        base64,
    })
}
