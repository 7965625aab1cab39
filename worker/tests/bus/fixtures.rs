//! Requests and status events.

use drawgate_lab::request_of;
use drawgate_schemas::{About, Ended, Event, HostRef, Outcome, ReleaseRequest, Started, StatusEvent};
use jiff::Timestamp;
use uuid::Uuid;

pub(crate) fn request() -> ReleaseRequest {
    request_of("search-api")
}

pub(crate) fn event(request: &ReleaseRequest, sequence: u64, event: Event) -> StatusEvent {
    let about = About {
        to: "4f2c91e".to_owned(),
        from: Some("9d11ab0".to_owned()),
        requested_by: Some("ben".to_owned()),
        build: Some("812".to_owned()),
        build_url: None,
    };
    StatusEvent {
        about: Some(about),
        id: Uuid::now_v7(),
        release: Some(request.id),
        sequence,
        at: Timestamp::now(),
        environment: Some(request.environment.clone()),
        service: Some(request.service.clone()),
        worker: "bastion-1".to_owned(),
        event,
    }
}

pub(crate) fn warning(request: &ReleaseRequest, sequence: u64) -> StatusEvent {
    event(
        request,
        sequence,
        Event::Warning {
            text: "w".repeat(200),
        },
    )
}

pub(crate) fn started() -> Event {
    Event::Started(Box::new(Started {
        hosts: vec![HostRef {
            instance: "i-1".to_owned(),
            address: "10.0.0.1".to_owned(),
        }],
        from: Some("9d11ab0".to_owned()),
        to: "4f2c91e".to_owned(),
        digest: Some(format!("sha256:{}", "a".repeat(64)).parse().unwrap()),
        max_unavailable: 1,
        groups: vec![],
        target_groups: vec![],
        expected_s: 1,
        warnings: vec![],
    }))
}

pub(crate) fn ended() -> Event {
    let summary = "1 of 1 on 4f2c91e".to_owned();
    Event::Ended(Box::new(Ended {
        outcome: Outcome::Succeeded,
        summary,
        hint: None,
        receipt: None,
    }))
}
