//! The names that address a release, and bounded text.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limits;

/// Why a name or text was refused. The message says what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {value:?} {problem}")]
pub struct InvalidName {
    pub(crate) kind: &'static str,
    pub(crate) value: String,
    pub(crate) problem: String,
}

impl InvalidName {
    pub(crate) fn new(kind: &'static str, value: &str, problem: impl Into<String>) -> Self {
        Self {
            kind,
            value: limits::cut(value, 80),
            problem: problem.into(),
        }
    }
}

/// Checks one word of a routing key: it must not contain `.`, `*` or `#`, because AMQP topics give them a
/// meaning.
fn check_word(kind: &'static str, value: &str) -> Result<(), InvalidName> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends_well = !value.starts_with('-') && !value.ends_with('-');
    if value.is_empty() || value.len() > limits::NAME_CHARS || !value.chars().all(allowed) || !ends_well {
        return Err(InvalidName::new(
            kind,
            value,
            format!(
                "must be 1 to {} of a-z, 0-9 and inner hyphens",
                limits::NAME_CHARS
            ),
        ));
    }
    Ok(())
}

macro_rules! word {
    ($(#[$meta:meta])* $name:ident, $kind:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// This name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(value: String) -> Result<Self, InvalidName> {
                check_word($kind, &value)?;
                Ok(Self(value))
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(value: &str) -> Result<Self, InvalidName> {
                Self::try_from(value.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "maxLength": limits::NAME_CHARS,
                    "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
                })
            }
        }
    };
}

word! {
    /// The name of an environment: `staging`, `production`, `personal-ben`.
    Environment, "environment"
}

word! {
    /// The name of a service: `search-api`.
    Service, "service"
}

word! {
    /// The name of a site: the place of one bastion, whose worker reads a queue of its own.
    Site, "site"
}

/// The id of a release: a UUID of version 7 (RFC 9562), so that ids sort by the time at which they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Uuid", into = "Uuid")]
pub struct ReleaseId(Uuid);

impl ReleaseId {
    /// The last eight characters of the id, for names that are made from it. The first eight encode only the
    /// time and stay alike for a minute.
    pub fn short(&self) -> String {
        let text = self.0.simple().to_string();
        text.get(24..).unwrap_or(&text).to_owned()
    }
}

impl TryFrom<Uuid> for ReleaseId {
    type Error = InvalidName;

    fn try_from(id: Uuid) -> Result<Self, InvalidName> {
        if id.get_version_num() != 7 {
            return Err(InvalidName::new(
                "release id",
                &id.to_string(),
                "must be a UUID of version 7",
            ));
        }
        Ok(Self(id))
    }
}

impl FromStr for ReleaseId {
    type Err = InvalidName;

    fn from_str(value: &str) -> Result<Self, InvalidName> {
        let id = Uuid::try_parse(value)
            .map_err(|_| InvalidName::new("release id", value, "must be a UUID of version 7"))?;
        Self::try_from(id)
    }
}

impl From<ReleaseId> for Uuid {
    fn from(id: ReleaseId) -> Self {
        id.0
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl JsonSchema for ReleaseId {
    fn schema_name() -> Cow<'static, str> {
        "ReleaseId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "uuid", "description": "A UUID of version 7." })
    }
}

/// One line of text with 1 to `MAX` characters. Control characters and characters that change the direction
/// of text are refused, because they could rewrite an operator's terminal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// This text as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = InvalidName;

    fn try_from(value: String) -> Result<Self, InvalidName> {
        if value.is_empty() || value.chars().count() > MAX {
            return Err(InvalidName::new(
                "text",
                &value,
                format!("must have 1 to {MAX} characters"),
            ));
        }
        if value.chars().any(|c| c.is_control() || is_bidirectional(c)) {
            return Err(InvalidName::new(
                "text",
                &value,
                "must be one line without control characters",
            ));
        }
        Ok(Self(value))
    }
}

/// Whether a character changes the direction of the text that follows. Such a character lets a line read as
/// something else than it is (Unicode Technical Report 36, "Bidirectional Text Spoofing").
fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl<const MAX: usize> FromStr for Text<MAX> {
    type Err = InvalidName;

    fn from_str(value: &str) -> Result<Self, InvalidName> {
        Self::try_from(value.to_owned())
    }
}

impl<const MAX: usize> From<Text<MAX>> for String {
    fn from(text: Text<MAX>) -> Self {
        text.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> JsonSchema for Text<MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Text{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": MAX })
    }
}
