//! Locks: taken all or none, fenced, whole after a kill, and free with the release's end.

use std::collections::BTreeSet;

use drawgate_lab::request_of;
use drawgate_rollout::Record;
use drawgate_schemas::{Outcome, ReleaseRequest};
use drawgate_worker::ledger::{Lease, Ledger, LedgerError, LockNote, Locking};

use crate::fixtures::{accept, entry, lease_of, open, place};

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Accepts a release of a service of its own, and acquires its lane.
async fn release_of(ledger: &Ledger, service: &str) -> (ReleaseRequest, Lease) {
    let request = request_of(service);
    accept(ledger, &request).await;
    let lease = lease_of(ledger, &request.service).await;
    (request, lease)
}

async fn end(ledger: &Ledger, lease: &Lease, request: &ReleaseRequest, outcome: Outcome) {
    let entry = entry(2, Record::Started);
    ledger
        .append(lease, request.id, &entry, &[], Some(outcome))
        .await
        .unwrap();
}

fn is_ours(locking: &Locking) -> bool {
    matches!(locking, Locking::Ours { .. })
}

#[tokio::test]
async fn trap_07_locks_are_taken_all_or_none_and_name_who_has_them() {
    let place = place();
    let ledger = open(&place.path).await;
    let (search, search_lane) = release_of(&ledger, "search-api").await;
    let (ingest, ingest_lane) = release_of(&ledger, "ingest").await;
    let wanted = names(&["group web", "instance i-1", "instance i-2"]);
    assert!(is_ours(
        &ledger.lock(&search_lane, search.id, &wanted).await.unwrap()
    ));
    // The same release takes the locks again, and one more.
    let more = names(&["group web", "instance i-1", "instance i-2", "instance i-3"]);
    assert!(is_ours(
        &ledger.lock(&search_lane, search.id, &more).await.unwrap()
    ));

    let other = names(&["group other", "instance i-2", "instance i-3", "instance i-4"]);
    let Locking::Held(held) = ledger.lock(&ingest_lane, ingest.id, &other).await.unwrap() else {
        panic!("two have one lock");
    };
    assert_eq!(
        (held.name.as_str(), held.release),
        ("instance i-2", search.id),
        "the first by name"
    );
    assert_eq!(
        (held.environment, held.service),
        (search.environment.clone(), search.service.clone())
    );
    let locks = ledger.locks().await.unwrap();
    assert!(
        locks.iter().all(|lock| lock.release == search.id),
        "none was taken: {locks:?}"
    );
    let apart = names(&["group other", "instance i-4"]);
    assert!(is_ours(
        &ledger.lock(&ingest_lane, ingest.id, &apart).await.unwrap()
    ));
}

#[tokio::test]
async fn trap_07_every_end_frees_the_locks_and_is_seen_to() {
    let place = place();
    let ledger = open(&place.path).await;
    let wanted = names(&["group web"]);
    for (round, outcome) in (0..).zip([Outcome::Succeeded, Outcome::Failed, Outcome::NeedsOperator]) {
        let (first, lane) = release_of(&ledger, &format!("first-{round}")).await;
        let (second, second_lane) = release_of(&ledger, &format!("second-{round}")).await;
        ledger.lock(&lane, first.id, &wanted).await.unwrap();
        let note = ledger.lock_note(second.id).await.unwrap();
        assert!(!is_ours(
            &ledger.lock(&second_lane, second.id, &wanted).await.unwrap()
        ));
        let mut freed = ledger.freed_locks();
        end(&ledger, &lane, &first, outcome).await;
        freed.changed().await.unwrap();
        let Locking::Ours { frees } = ledger.lock(&second_lane, second.id, &wanted).await.unwrap() else {
            panic!("not free after {outcome}");
        };
        assert_eq!(frees, note.frees + 1, "what was seen before is not what is");
        let note = ledger.lock_note(second.id).await.unwrap();
        assert_eq!(
            note,
            LockNote {
                ours: wanted.clone(),
                frees
            }
        );
        end(&ledger, &second_lane, &second, Outcome::Succeeded).await;
    }
    assert!(ledger.locks().await.unwrap().is_empty());
    // The end of a release without locks does not raise the count of freed locks.
    let before = ledger.lock_note(request_of("none").id).await.unwrap().frees;
    let (none, lane) = release_of(&ledger, "none").await;
    end(&ledger, &lane, &none, Outcome::Failed).await;
    assert_eq!(ledger.lock_note(none.id).await.unwrap().frees, before);
}

#[tokio::test]
async fn trap_07_locks_are_the_releases_and_not_the_processes() {
    let place = place();
    let (a, b) = (open(&place.path).await, open(&place.path).await);
    let (first, old) = release_of(&a, "first").await;
    let wanted = names(&["group web", "instance i-1"]);
    a.lock(&old, first.id, &wanted).await.unwrap();
    // The ledger is dropped as in a crash.
    drop(a);
    let (second, second_lane) = release_of(&b, "second").await;
    assert!(
        !is_ours(&b.lock(&second_lane, second.id, &wanted).await.unwrap()),
        "free after a crash"
    );
    let new = lease_of(&b, &first.service).await;
    assert!(
        is_ours(&b.lock(&new, first.id, &wanted).await.unwrap()),
        "lost by the take-up"
    );
    // A worker that has lost the lane takes no locks.
    let error = b.lock(&old, first.id, &wanted).await.unwrap_err();
    assert!(error.is_lost_lease(), "{error}");
    let error = b.lock(&new, second.id, &wanted).await.unwrap_err();
    assert!(matches!(error, LedgerError::WrongLane { .. }), "{error}");
}

#[tokio::test]
async fn trap_07_of_many_that_ask_at_once_one_has_the_lock() {
    let place = place();
    let (a, b) = (open(&place.path).await, open(&place.path).await);
    let mut lanes = Vec::new();
    for n in 0..8 {
        let ledger = if n % 2 == 0 { &a } else { &b };
        lanes.push((ledger.clone(), release_of(ledger, &format!("service-{n}")).await));
    }
    // Each release asks for two of three names, so that requests could cross.
    let sets = [names(&["x", "y"]), names(&["y", "z"]), names(&["x", "z"])];
    let mut open: Vec<_> = lanes.into_iter().zip(sets.iter().cycle().cloned()).collect();
    let mut rounds = 0;
    while !open.is_empty() {
        let asked = open
            .iter()
            .map(|((ledger, (request, lane)), wanted)| ledger.lock(lane, request.id, wanted));
        let answers = futures_util::future::join_all(asked).await;
        let winners: Vec<usize> = answers
            .iter()
            .enumerate()
            .filter(|(_, answer)| is_ours(answer.as_ref().unwrap()))
            .map(|(n, _)| n)
            .collect();
        assert_eq!(winners.len(), 1, "any two of the sets share a name");
        let ((ledger, (request, lane)), _) = open.remove(winners[0]);
        end(&ledger, &lane, &request, Outcome::Succeeded).await;
        rounds += 1;
    }
    assert_eq!(rounds, 8);
}
