//! Rejections: why a message was refused for good.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::sha256;

/// A final refusal: the same message would be refused again tomorrow, so it goes to the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Rejection {
    /// The code of the rejection, for programs.
    pub code: RejectionCode,
    /// What is wrong with the message, and what would be right, for people.
    pub detail: String,
}

impl Rejection {
    /// Makes a rejection; its detail is cut to [`limits::DETAIL_CHARS`].
    pub fn new(code: RejectionCode, detail: impl AsRef<str>) -> Self {
        Self {
            code,
            detail: limits::cut(detail.as_ref(), limits::DETAIL_CHARS),
        }
    }

    /// SHA-256 of a message's bytes, in hexadecimal. With it a sender recognises the rejection of its own
    /// message, even when the worker could not read the message at all.
    pub fn body_sha256(body: &[u8]) -> String {
        sha256::hex_of(body)
    }
}

/// The code of a rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RejectionCode {
    /// The body is longer than 64 KiB.
    TooLarge,
    /// The body is not JSON.
    NotJson,
    /// The body has no version, or one that this worker does not read.
    WrongVersion,
    /// A field is missing, unknown, too long or malformed.
    Invalid,
    /// The routing key names another target than the body.
    WrongRoutingKey,
    /// No service of this name is in the worker's files.
    UnknownService,
    /// The service has no environment of this name.
    UnknownEnvironment,
    /// The image is not on the service's allow-list.
    ImageNotAllowed,
    /// An option asks for less care than the service's file does.
    LessCareful,
    /// The request's `expires_at` has passed.
    Expired,
    /// Another request with this id was accepted before.
    IdReused,
    /// The lane has as many waiting releases as it may have.
    LaneFull,
    /// The target needs an approval, and the message does not say who publishes it.
    NoPublisher,
    /// The request is an emergency, and its publisher may not declare one.
    NoEmergency,
    /// The build's number leaps too far above the highest of its target.
    SequenceJump,
    /// The broker gave up on the message, or the message could not be read from the broker.
    DeadLettered,
}

impl RejectionCode {
    /// The code as headers write it.
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
