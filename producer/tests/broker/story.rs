//! Status events as a worker says them.

use drawgate_schemas::{Ended, Event, Outcome, Rejection, RejectionCode, ReleaseRequest, StatusEvent};
use jiff::Timestamp;
use uuid::Uuid;

/// Five events: an acceptance, three steps and the end.
pub(crate) fn story(request: &ReleaseRequest, outcome: Outcome) -> Vec<StatusEvent> {
    let step = |number: u64| Event::Warning {
        text: format!("step {number}"),
    };
    let events = vec![
        Event::Accepted {
            version_name: request.version_name(),
            image: request.image.to_string(),
            ahead: 0,
            requested_by: None,
            build: None,
            build_url: None,
        },
        step(2),
        step(3),
        step(4),
        Event::Ended(Box::new(Ended {
            outcome,
            summary: "all of it".to_owned(),
            hint: None,
            receipt: None,
        })),
    ];
    let number = |(sequence, event)| StatusEvent {
        about: None,
        id: Uuid::now_v7(),
        release: Some(request.id),
        sequence,
        at: Timestamp::now(),
        environment: Some(request.environment.clone()),
        service: Some(request.service.clone()),
        worker: "bastion-a".to_owned(),
        event,
    };
    (1..).zip(events).map(number).collect()
}

/// The rejection of a message that could not be read.
pub(crate) fn rejected(body: &[u8], code: RejectionCode) -> StatusEvent {
    StatusEvent {
        about: None,
        id: Uuid::now_v7(),
        release: None,
        sequence: 0,
        at: Timestamp::now(),
        environment: None,
        service: None,
        worker: "bastion-a".to_owned(),
        event: Event::Rejected {
            rejection: Rejection::new(code, "no, and why not"),
            body_sha256: Rejection::body_sha256(body),
        },
    }
}
