//! Events and views for unit tests.

pub(crate) mod letters;
pub(crate) mod stories;

use drawgate_schemas::{
    Digest, Direction, Ended, Event, HostPhase, HostProgress, LaneView, Outcome, Rejection, RejectionCode,
    ReleaseId, ReleaseRequest, ReleaseState, ReleaseView, StatusEvent,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// The id of the release that these events are about.
pub(crate) fn release() -> ReleaseId {
    "01936a5e-7c2e-7d10-8a44-5c1f2e9b0d7c".parse().unwrap()
}

/// When the release begins.
pub(crate) fn begin() -> Timestamp {
    "2025-03-04T15:15:00Z".parse().unwrap()
}

pub(crate) fn request() -> ReleaseRequest {
    let json = r#"{
        "version": 1, "id": "01936a5e-7c2e-7d10-8a44-5c1f2e9b0d7c",
        "environment": "staging", "service": "search-api",
        "image": "registry.example.com/search-api:4f2c91e", "revision": "4f2c91e07ab2",
        "branch": "main", "sequence": 812, "requested_by": "ben", "reason": "fixes the empty result page",
        "build": { "system": "teamcity", "number": "812", "url": "https://ci.example.com/812" },
        "requested_at": "2025-03-04T15:14:58Z", "expires_at": "2025-03-04T17:14:58Z"
    }"#;
    ReleaseRequest::decode(json.as_bytes()).unwrap()
}

/// A lane to which nothing was ever released.
pub(crate) fn lane(environment: &str, service: &str) -> LaneView {
    LaneView {
        environment: environment.parse().unwrap(),
        service: service.parse().unwrap(),
        running: None,
        waiting: Vec::new(),
        waiting_count: 0,
        last: None,
        freezes: Vec::new(),
    }
}

/// The digest of the desired version.
pub(crate) fn digest() -> Digest {
    format!("sha256:e084{}09d7", "a".repeat(56)).parse().unwrap()
}

/// An event, `sequence` times five seconds after the release began.
pub(crate) fn event(sequence: u64, event: Event) -> StatusEvent {
    StatusEvent {
        about: None,
        id: Uuid::from_u128(u128::from(sequence)),
        release: Some(release()),
        sequence,
        at: begin() + SignedDuration::from_secs(5 * sequence.cast_signed()),
        environment: Some("staging".parse().unwrap()),
        service: Some("search-api".parse().unwrap()),
        worker: "bastion-a".to_owned(),
        event,
    }
}

pub(crate) fn warning(text: &str) -> Event {
    Event::Warning {
        text: text.to_owned(),
    }
}

/// An end of the release with an outcome only.
pub(crate) fn ended(outcome: Outcome) -> Event {
    Event::Ended(Box::new(Ended {
        outcome,
        summary: "so it went".to_owned(),
        hint: None,
        receipt: None,
    }))
}

/// The rejection of a message with these bytes.
pub(crate) fn rejected(code: RejectionCode, body: &[u8]) -> StatusEvent {
    let rejection = Rejection::new(
        code,
        "no service \"search-api\" here; this worker has: ingest, web",
    );
    let body_sha256 = Rejection::body_sha256(body);
    let mut event = event(
        1,
        Event::Rejected {
            rejection,
            body_sha256,
        },
    );
    event.sequence = 0;
    event
}

/// The progress of one host, of six.
pub(crate) fn host(instance: &str, direction: Direction, phase: HostPhase, done: u32) -> HostProgress {
    HostProgress {
        instance: instance.to_owned(),
        direction,
        phase,
        done,
        total: 6,
        expected_s: (phase == HostPhase::Draining).then_some(30),
        detail: None,
    }
}

/// An answer to `show`.
pub(crate) fn view_with(events: Vec<StatusEvent>, state: ReleaseState, more: bool) -> ReleaseView {
    ReleaseView {
        request: request(),
        digest: Some(digest()),
        state,
        events,
        more,
        logs: Vec::new(),
    }
}

/// An answer to `show` without events.
pub(crate) fn view() -> ReleaseView {
    view_with(Vec::new(), ReleaseState::Running, false)
}

/// A freeze of production.
pub(crate) fn freeze() -> drawgate_schemas::Freeze {
    drawgate_schemas::Freeze {
        environment: "production".parse().ok(),
        until: begin() + jiff::SignedDuration::from_hours(2),
        reason: "db upgrade".parse().unwrap(),
        by: "anna".to_owned(),
        since: begin(),
    }
}
