//! `ReleaseRequest` v1: the one message that a build server sends.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::image::ImageReference;
use crate::limits::{self, LONG_TEXT_CHARS, TEXT_CHARS};
use crate::name::{Environment, ReleaseId, Service, Text};
use crate::rejection::{Rejection, RejectionCode};
use crate::sha256;

/// The number 1. A message of another version is refused as such before its other fields are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Version1;

impl TryFrom<u64> for Version1 {
    type Error = String;

    fn try_from(version: u64) -> Result<Self, String> {
        if version == 1 {
            Ok(Self)
        } else {
            Err(format!("version {version} is not 1"))
        }
    }
}

impl From<Version1> for u64 {
    fn from(_: Version1) -> Self {
        1
    }
}

impl JsonSchema for Version1 {
    fn schema_name() -> Cow<'static, str> {
        "Version1".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": 1 })
    }
}

/// A request to release one version of one service to the fleet of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// The version of this format: always 1.
    pub version: Version1,
    /// The release's id, chosen by the sender. Publishing the same message again is harmless, because an id
    /// is accepted once.
    pub id: ReleaseId,
    /// The environment of the target.
    pub environment: Environment,
    /// The service of the target.
    pub service: Service,
    /// The image to release. Its tag is resolved to a digest once, and every host gets those bytes.
    pub image: ImageReference,
    /// The commit that was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Text<TEXT_CHARS>>,
    /// The branch that was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Text<TEXT_CHARS>>,
    /// The build's place in the order of builds; a higher number is newer. At most 2^53, and not more than
    /// 1,000,000 above the highest of its target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 9_007_199_254_740_992_u64))]
    pub sequence: Option<u64>,
    /// The build that made the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// The person who asks, as the sender says it. It is for display and proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Text<TEXT_CHARS>>,
    /// When the request was made.
    pub requested_at: Timestamp,
    /// The last moment at which the release may begin: later it is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Why the release is asked for, for the people who watch it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<LONG_TEXT_CHARS>>,
    /// Release although a later build waits or was released, and although every host runs this image already.
    /// A rollback sets this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Why nothing may block this release: no freeze, no shut window, no missing approval and no missing
    /// promotion. The worker takes it only from the users whom its file names, and tells everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<Text<LONG_TEXT_CHARS>>,
    /// Options that make this roll more careful than the service's file asks for.
    #[serde(default, skip_serializing_if = "Options::is_empty")]
    pub options: Options,
}

/// The build that made an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The CI that ran the build: `teamcity`, `buildkite`, `github-actions`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<Text<TEXT_CHARS>>,
    /// The build's number, as its CI writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Text<TEXT_CHARS>>,
    /// Address at which a person finds the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Text<LONG_TEXT_CHARS>>,
}

/// Options of one roll. Each may only make the roll more careful than the service's file does: fewer hosts at
/// once, longer waits, more looks. A less careful value is refused, because the sender would believe that it
/// was heeded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Most hosts that may be out at once; not more than the service's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_unavailable: Option<u32>,
    /// Seconds for which a host must stay healthy before it counts as done; not less than the service's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 3600))]
    pub min_healthy_time_s: Option<u32>,
    /// Least seconds between deregistering a host and stopping its container; not less than the service's
    /// own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 3600))]
    pub min_drain_s: Option<u32>,
}

impl Options {
    /// Whether no option is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The version of a message, whatever else the message has.
#[derive(Deserialize)]
struct VersionOf {
    version: Option<serde_json::Value>,
}

impl ReleaseRequest {
    /// Reads a release request from a message body.
    ///
    /// # Errors
    /// A [`Rejection`] that says what is wrong and what would be right. It is final for these bytes.
    pub fn decode(body: &[u8]) -> Result<Self, Rejection> {
        if body.len() > limits::MESSAGE_BYTES {
            let detail = format!("{} bytes; at most {} are read", body.len(), limits::MESSAGE_BYTES);
            return Err(Rejection::new(RejectionCode::TooLarge, detail));
        }
        let version: VersionOf = serde_json::from_slice(body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Rejection::new(RejectionCode::Invalid, error.to_string()),
            _ => Rejection::new(RejectionCode::NotJson, error.to_string()),
        })?;
        match version.version {
            Some(serde_json::Value::Number(number)) if number.as_u64() == Some(1) => {}
            Some(other) => {
                let detail = format!("version is {other}; this worker reads version 1");
                return Err(Rejection::new(RejectionCode::WrongVersion, detail));
            }
            None => {
                let detail = "no version; write \"version\": 1";
                return Err(Rejection::new(RejectionCode::WrongVersion, detail));
            }
        }
        let request: Self = serde_json::from_slice(body)
            .map_err(|error| Rejection::new(RejectionCode::Invalid, error.to_string()))?;
        request.check()?;
        Ok(request)
    }

    /// Checks the rules that no single field can check.
    fn check(&self) -> Result<(), Rejection> {
        let invalid = |detail: &str| Err(Rejection::new(RejectionCode::Invalid, detail));
        if self.options.max_unavailable == Some(0) {
            return invalid("options.max_unavailable is 0: at least one host must be allowed out");
        }
        let longest_s = 3600;
        if self.options.min_healthy_time_s.is_some_and(|s| s > longest_s)
            || self.options.min_drain_s.is_some_and(|s| s > longest_s)
        {
            return invalid("options.min_healthy_time_s and options.min_drain_s are at most 3600");
        }
        if let Some(sequence) = self.sequence.filter(|sequence| *sequence > limits::SEQUENCE) {
            let detail = format!(
                "sequence is {sequence}, and at most {} (2^53) is read: send the build's number, or leave it out",
                limits::SEQUENCE
            );
            return Err(Rejection::new(RejectionCode::Invalid, detail));
        }
        if self
            .expires_at
            .is_some_and(|expires_at| expires_at <= self.requested_at)
        {
            return invalid("expires_at is not after requested_at");
        }
        Ok(())
    }

    /// SHA-256 over the request as this program writes it, in hexadecimal: white space and the order of
    /// fields do not count. Two messages with one id must have the same fingerprint.
    pub fn fingerprint(&self) -> String {
        // Writing a plain struct with string keys cannot fail.
        sha256::hex_of(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// What a person calls this version: the revision's first characters, or else the image's tag.
    pub fn version_name(&self) -> String {
        match &self.revision {
            Some(revision) if is_commit(revision.as_str()) => revision.as_str().chars().take(7).collect(),
            Some(revision) => limits::cut(revision.as_str(), 24),
            None => self.image.version().to_owned(),
        }
    }
}

fn is_commit(text: &str) -> bool {
    text.len() >= 7 && text.chars().all(|c| c.is_ascii_hexdigit())
}
