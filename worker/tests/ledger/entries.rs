//! Entries of the journal: each whole, and each once.

use std::sync::Arc;

use drawgate_rollout::Record;
use drawgate_schemas::Outcome;
use drawgate_worker::ledger::{LedgerError, Reported};

use crate::fixtures::{accept, entry, event, lease, open, place, request};

#[tokio::test]
async fn an_end_frees_the_lane_and_closes_the_journal() {
    let place = place();
    let ledger = open(&place.path).await;
    let (first, second) = (request(), request());
    accept(&ledger, &first).await;
    accept(&ledger, &second).await;
    let lease = lease(&ledger).await;
    let events = [event(&first, 2), event(&first, 3)];
    ledger
        .append(
            &lease,
            first.id,
            &entry(2, Record::Started),
            &events,
            Some(Outcome::RolledBack),
        )
        .await
        .unwrap();
    assert_eq!(
        ledger.release_head(first.id).await.unwrap().unwrap().outcome,
        Some(Outcome::RolledBack)
    );
    assert_eq!(ledger.ahead_of(second.id).await.unwrap(), 0);
    assert_eq!(ledger.open_releases().await.unwrap().len(), 1);
    let error = ledger
        .append(&lease, first.id, &entry(3, Record::TakenOver), &[], None)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::HasEnded { .. }), "{error}");
    let error = ledger
        .append(&lease, request().id, &entry(1, Record::TakenOver), &[], None)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::UnknownRelease { .. }), "{error}");
}

#[tokio::test]
async fn a_failed_append_leaves_nothing() {
    let place = place();
    let ledger = open(&place.path).await;
    let request = request();
    accept(&ledger, &request).await;
    let lease = lease(&ledger).await;
    // The sequence number of the second event is taken: the entry and the first event must not stay either.
    let events = [event(&request, 2), event(&request, 1)];
    let error = ledger
        .append(&lease, request.id, &entry(2, Record::Started), &events, None)
        .await
        .unwrap_err();
    assert!(!error.is_unavailable(), "a definite no: {error}");
    assert_eq!(ledger.journal(request.id).await.unwrap().len(), 1);
    assert_eq!(ledger.events(request.id, 0, 10).await.unwrap().0.len(), 1);
    // The failure leaves no open transaction on the connection: the next append works at once.
    for n in 2..10 {
        ledger
            .append(
                &lease,
                request.id,
                &entry(n, Record::TakenOver),
                &[event(&request, n)],
                None,
            )
            .await
            .unwrap();
    }
}

/// Entries of one transaction follow each other, and are written all or not at all.
#[tokio::test]
async fn entries_written_together_are_all_there_or_none() {
    let place = place();
    let ledger = open(&place.path).await;
    let request = request();
    accept(&ledger, &request).await;
    let lease = lease(&ledger).await;
    let reported = |n| Reported {
        entry: entry(n, Record::TakenOver),
        events: vec![event(&request, n)],
    };
    let write = |numbers: [u64; 3]| {
        let entries = numbers.map(reported);
        let (ledger, lease) = (&ledger, &lease);
        async move { ledger.append_all(None, lease, request.id, &entries, None).await }
    };
    let error = write([2, 3, 5]).await.unwrap_err();
    assert!(
        matches!(error, LedgerError::NotNext { n: 5, next: 4, .. }),
        "{error}"
    );
    assert_eq!(ledger.journal(request.id).await.unwrap().len(), 1);
    write([2, 3, 4]).await.unwrap();
    assert_eq!(ledger.journal(request.id).await.unwrap().len(), 4);
    assert_eq!(ledger.events(request.id, 0, 10).await.unwrap().0.len(), 4);
}

#[tokio::test]
async fn of_two_writers_of_one_entry_one_wins() {
    let place = place();
    let ledger = open(&place.path).await;
    let request = request();
    accept(&ledger, &request).await;
    let lease = Arc::new(lease(&ledger).await);
    for n in 2..30 {
        let write = || {
            let (ledger, lease, id) = (ledger.clone(), Arc::clone(&lease), request.id);
            tokio::spawn(async move {
                ledger
                    .append(&lease, id, &entry(n, Record::TakenOver), &[], None)
                    .await
            })
        };
        let (one, two) = (write(), write());
        let results = [one.await.unwrap(), two.await.unwrap()];
        assert_eq!(
            results.iter().filter(|result| result.is_ok()).count(),
            1,
            "{results:?}"
        );
        assert!(
            results
                .iter()
                .any(|result| matches!(result, Err(LedgerError::NotNext { .. }))),
            "{results:?}"
        );
    }
    assert!(
        ledger
            .journal(request.id)
            .await
            .unwrap()
            .iter()
            .map(|entry| entry.n)
            .eq(1..30)
    );
}
