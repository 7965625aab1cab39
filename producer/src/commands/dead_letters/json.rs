//! What programs read of a dead letter.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::broker::DeadLetter;

/// A dead letter, for programs.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    id: String,
    rejected_at: Option<Timestamp>,
    age_s: Option<i64>,
    reason: &'a str,
    detail: &'a str,
    environment: &'a str,
    service: &'a str,
    version: Option<&'a str>,
    release: Option<&'a str>,
    routing_key: &'a str,
    published_by: Option<&'a str>,
    /// The worker that refused the message; `None` where the broker itself gave up on it.
    worker: Option<&'a str>,
    bytes: usize,
    /// The message, where it is JSON and one letter is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Value>,
}

impl<'a> Shown<'a> {
    pub(super) fn of(letter: &'a DeadLetter, now: Timestamp) -> Self {
        Self {
            id: letter.id.to_string(),
            rejected_at: letter.rejected_at,
            age_s: letter
                .rejected_at
                .map(|at| now.duration_since(at).as_secs().max(0)),
            reason: &letter.reason,
            detail: &letter.detail,
            environment: letter.environment(),
            service: letter.service(),
            version: letter.said.version.as_deref(),
            release: letter.said.release.as_deref(),
            routing_key: &letter.routing_key,
            published_by: letter.published_by.as_deref(),
            worker: letter.worker.as_deref(),
            bytes: letter.body.len(),
            message: None,
        }
    }

    pub(super) fn with_message(letter: &'a DeadLetter, now: Timestamp) -> Self {
        Self {
            message: serde_json::from_slice(&letter.body).ok(),
            ..Self::of(letter, now)
        }
    }
}
