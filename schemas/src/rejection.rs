//! Why a message was refused for good.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::sha256;

/// A refusal that will be the same tomorrow: the message goes to the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Rejection {
    /// The kind of mistake.
    pub code: RejectionCode,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl Rejection {
    /// A refusal; the detail is cut to its bound.
    pub fn new(code: RejectionCode, detail: impl AsRef<str>) -> Self {
        Self {
            code,
            detail: limits::cut(detail.as_ref(), limits::DETAIL_CHARS),
        }
    }

    /// SHA-256 of a message's bytes, in hexadecimal: how a sender recognises that it is its own message that was
    /// rejected, even when the message could not be read at all.
    pub fn body_sha256(body: &[u8]) -> String {
        sha256::hex_of(body)
    }
}

/// The kinds of mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RejectionCode {
    /// The body is longer than is read.
    TooLarge,
    /// The body is not JSON.
    NotJson,
    /// The body is of another version.
    WrongVersion,
    /// A field is missing, unknown, too long or malformed.
    Invalid,
    /// The routing key names another target than the body.
    WrongRoutingKey,
    /// No such service on this worker.
    UnknownService,
    /// The service has no such environment.
    UnknownEnvironment,
    /// The image is not on the service's allow-list.
    ImageNotAllowed,
    /// An option asks for less care than the service's file.
    LessCareful,
    /// The request's time has passed.
    Expired,
    /// Another request with this id was accepted before.
    IdReused,
    /// The lane holds as many waiting releases as it may.
    LaneFull,
    /// It needs approval, and does not say who publishes it.
    NoPublisher,
    /// It is to pass every gate, and its publisher may not let it.
    NoEmergency,
    /// Its build's number leaps too far above the highest of its target.
    SequenceJump,
    /// The broker gave up on the message.
    DeadLettered,
}

impl RejectionCode {
    /// As it stands in a header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NotJson => "not_json",
            Self::WrongVersion => "wrong_version",
            Self::Invalid => "invalid",
            Self::WrongRoutingKey => "wrong_routing_key",
            Self::UnknownService => "unknown_service",
            Self::UnknownEnvironment => "unknown_environment",
            Self::ImageNotAllowed => "image_not_allowed",
            Self::LessCareful => "less_careful",
            Self::Expired => "expired",
            Self::IdReused => "id_reused",
            Self::LaneFull => "lane_full",
            Self::NoPublisher => "no_publisher",
            Self::NoEmergency => "no_emergency",
            Self::SequenceJump => "sequence_jump",
            Self::DeadLettered => "dead_lettered",
        }
    }
}

impl fmt::Display for RejectionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
