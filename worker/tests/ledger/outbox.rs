//! The outbox: in order, and whole after a restart.

use std::time::Duration;

use drawgate_lab::request_of;
use drawgate_rollout::Record;
use drawgate_schemas::{Event, Rejection, RejectionCode, StatusEvent};

use crate::fixtures::{accept, entry, event, lease, open, place, request};

fn rejected() -> StatusEvent {
    StatusEvent {
        release: None,
        environment: None,
        service: None,
        event: Event::Rejected {
            rejection: Rejection::new(RejectionCode::NotJson, "no"),
            body_sha256: "00".to_owned(),
        },
        ..event(&request(), 0)
    }
}

#[tokio::test]
async fn the_outbox_keeps_its_order_and_survives() {
    let place = place();
    let ledger = open(&place.path).await;
    let (one, two) = (request(), request_of("other"));
    accept(&ledger, &one).await;
    accept(&ledger, &two).await;
    let lease = lease(&ledger).await;
    for n in 2..=5 {
        ledger
            .append(
                &lease,
                one.id,
                &entry(n, Record::TakenOver),
                &[event(&one, n)],
                None,
            )
            .await
            .unwrap();
    }
    let rejection = rejected();
    ledger.put_event(&rejection).await.unwrap();
    ledger.put_event(&rejection).await.unwrap();
    tokio::time::timeout(Duration::from_secs(1), ledger.appended())
        .await
        .expect("woken");
    drop(ledger);

    let ledger = open(&place.path).await;
    let rows = ledger.unpublished(100).await.unwrap();
    let keys: Vec<&str> = rows.iter().map(|row| row.routing_key.as_str()).collect();
    let warning = "staging.search-api.warning";
    assert_eq!(
        keys,
        [
            warning,
            "staging.other.warning",
            warning,
            warning,
            warning,
            warning,
            "_._.rejected"
        ]
    );
    assert!(rows.is_sorted_by_key(|row| row.place));
    assert_eq!(rows[6].event_id, rejection.id);
    assert_eq!(
        serde_json::from_str::<StatusEvent>(&rows[6].json).unwrap(),
        rejection
    );
    ledger
        .mark_published(&[rows[0].place, rows[1].place])
        .await
        .unwrap();
    assert_eq!(ledger.unpublished(2).await.unwrap(), rows[2..4]);

    let (events, more) = ledger.events(one.id, 1, 3).await.unwrap();
    assert!(events.iter().map(|event| event.sequence).eq(2..=4) && more);
    let (events, more) = ledger.events(one.id, 4, 3).await.unwrap();
    assert!(events.iter().map(|event| event.sequence).eq(5..=5) && !more);
}
