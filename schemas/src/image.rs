//! Image references, in the grammar of the distribution specification.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::name::InvalidName;

/// The digest of an image, which identifies its bytes: `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// This digest as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve hexadecimal digits: enough for a person to tell two digests apart.
    pub fn short(&self) -> &str {
        self.0.get(7..19).unwrap_or(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidName;

    fn try_from(value: String) -> Result<Self, InvalidName> {
        let hex = value.strip_prefix("sha256:").unwrap_or("");
        if hex.len() != 64 || !hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
            return Err(InvalidName::new(
                "digest",
                &value,
                "must be sha256: and 64 of 0-9, a-f",
            ));
        }
        Ok(Self(value))
    }
}

impl FromStr for Digest {
    type Err = InvalidName;

    fn from_str(value: &str) -> Result<Self, InvalidName> {
        Self::try_from(value.to_owned())
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Digest {
    fn schema_name() -> Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" })
    }
}

/// An image reference: `[registry/]repository[:tag][@digest]`. A tag or a digest is required, because
/// "whatever is newest" is not a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageReference {
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl ImageReference {
    /// Registry and repository, without tag and digest: the part that a service's allow-list names.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if the reference has one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if the reference has one.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What a person calls this version: the tag, or else the first twelve digits of the digest.
    pub fn version(&self) -> &str {
        self.tag()
            .or_else(|| self.digest().map(Digest::short))
            .unwrap_or("")
    }
}

/// Whether a text is a path component: lower-case letters and digits, separated by `.`, `_`, `__` or hyphens.
fn is_path_component(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.chars().all(inner)
        && edge(text.chars().next())
        && edge(text.chars().next_back())
        && !text.contains("..")
}

/// Whether the first component is a registry: it has a dot or a port, or is `localhost` (Docker decides it
/// the same way).
fn is_registry(text: &str) -> bool {
    let (host, port) = text
        .split_once(':')
        .map_or((text, None), |(host, port)| (host, Some(port)));
    let host_ok = !host.is_empty()
        && !host.starts_with(['-', '.'])
        && !host.ends_with(['-', '.'])
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let port_ok = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let looks_like_one = host.contains('.') || port.is_some() || host == "localhost";
    looks_like_one && host_ok && port_ok
}

fn check_repository(repository: &str) -> Result<(), String> {
    let mut components: Vec<&str> = repository.split('/').collect();
    if components.len() > 1 && components.first().is_some_and(|first| is_registry(first)) {
        components.remove(0);
    }
    if let Some(bad) = components.iter().find(|component| !is_path_component(component)) {
        return Err(format!(
            "has the component {bad:?}: a repository is written in lower case letters, digits, '.', '_' and '-', \
             as in registry.example.com/team/api:TAG"
        ));
    }
    Ok(())
}

fn is_tag(tag: &str) -> bool {
    tag.len() <= 128
        && tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && tag
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

impl FromStr for ImageReference {
    type Err = InvalidName;

    fn from_str(value: &str) -> Result<Self, InvalidName> {
        let invalid = |problem: String| InvalidName::new("image", value, problem);
        if value.is_empty() || value.len() > limits::IMAGE_CHARS {
            return Err(invalid(format!(
                "must have 1 to {} characters",
                limits::IMAGE_CHARS
            )));
        }
        let (name, digest) = match value.split_once('@') {
            Some((name, digest)) => (
                name,
                Some(
                    digest
                        .parse::<Digest>()
                        .map_err(|error| invalid(error.to_string()))?,
                ),
            ),
            None => (value, None),
        };
        // A colon before the last slash belongs to a registry's port, not to a tag.
        let after_slash = name.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match name.get(after_slash..).and_then(|last| last.find(':')) {
            Some(colon) => {
                let (repository, tag) = name.split_at(after_slash + colon);
                (repository, Some(tag.strip_prefix(':').unwrap_or(tag)))
            }
            None => (name, None),
        };
        check_repository(repository).map_err(invalid)?;
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(invalid(format!("has the tag {tag:?}, which no registry accepts")));
        }
        if tag.is_none() && digest.is_none() {
            return Err(invalid(
                "names no version: write repository:TAG or repository@sha256:…".to_owned(),
            ));
        }
        Ok(Self {
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

impl TryFrom<String> for ImageReference {
    type Error = InvalidName;

    fn try_from(value: String) -> Result<Self, InvalidName> {
        value.parse()
    }
}

impl From<ImageReference> for String {
    fn from(image: ImageReference) -> Self {
        image.to_string()
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl JsonSchema for ImageReference {
    fn schema_name() -> Cow<'static, str> {
        "ImageReference".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": limits::IMAGE_CHARS,
            "description": "[registry/]repository[:tag][@digest], with a tag or a digest."
        })
    }
}
