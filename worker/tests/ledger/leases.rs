//! Leases of lanes: fenced by epochs, and free once their holder is gone.

use std::path::PathBuf;
use std::time::Duration;

use drawgate_lab::request_of;
use drawgate_rollout::Record;
use drawgate_worker::ledger::{Acquired, Ledger, LedgerError};

use crate::fixtures::{accept, entry, environment, is_held, lease, open, place, raw, request, service};

const SHORT_LEASE: Duration = Duration::from_millis(400);
const LANDING: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_lease_is_good_for_its_own_lane_only() {
    let place = place();
    let ledger = open(&place.path).await;
    let other = request_of("other");
    accept(&ledger, &other).await;
    let lease = lease(&ledger).await;
    let error = ledger
        .append(&lease, other.id, &entry(2, Record::Started), &[], None)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::WrongLane { .. }), "{error}");
}

#[tokio::test]
async fn a_holder_that_is_gone_loses_its_lane_at_once() {
    let place = place();
    let (a, b) = (open(&place.path).await, open(&place.path).await);
    let request = request();
    accept(&a, &request).await;
    let old = lease(&a).await;
    assert!(is_held(&b).await);
    // The ledger is dropped without giving the lane back, as in a crash.
    drop(a);
    let new = lease(&b).await;
    assert!(new.epoch() > old.epoch());
    for outcome in [
        b.append(&old, request.id, &entry(2, Record::Started), &[], None)
            .await,
        b.renew(&old).await,
    ] {
        assert!(outcome.unwrap_err().is_lost_lease());
    }
    b.append(&new, request.id, &entry(2, Record::TakenOver), &[], None)
        .await
        .unwrap();
}

#[tokio::test]
async fn trap_26_a_live_holder_keeps_its_lane_until_all_begun_landed() {
    let place = place();
    let a = Ledger::open_with_lease(&place.path, "a", SHORT_LEASE, LANDING)
        .await
        .unwrap();
    let b = Ledger::open_with_lease(&place.path, "b", SHORT_LEASE, LANDING)
        .await
        .unwrap();
    let request = request();
    accept(&a, &request).await;
    let old = lease(&a).await;
    match b.acquire(&environment(), &service()).await.unwrap() {
        Acquired::Held {
            holder,
            worker,
            expires_in,
        } => {
            assert_eq!((holder, worker.as_str()), (a.holder(), "a"));
            assert!(expires_in <= SHORT_LEASE + LANDING && expires_in > LANDING);
        }
        Acquired::Lease(_) => panic!("a lives"),
    }
    // A renewed lease outlives its first length.
    for _ in 0..4 {
        tokio::time::sleep(SHORT_LEASE / 2).await;
        a.renew(&old).await.unwrap();
        assert!(is_held(&b).await);
    }
    tokio::time::sleep(SHORT_LEASE).await;
    assert!(old.remaining().is_zero());
    // The steps that the worker had begun may still land.
    assert!(is_held(&b).await);
    tokio::time::sleep(LANDING).await;
    let new = lease(&b).await;
    assert!(a.renew(&old).await.unwrap_err().is_lost_lease());
    let lost = a
        .append(&old, request.id, &entry(2, Record::Started), &[], None)
        .await;
    assert!(lost.unwrap_err().is_lost_lease());
    // Giving back a lost lease takes nothing from the new owner.
    a.give_back(old).await.unwrap();
    b.append(&new, request.id, &entry(2, Record::Started), &[], None)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_lease_that_is_given_back_is_free_with_a_new_epoch() {
    let place = place();
    let (a, b) = (open(&place.path).await, open(&place.path).await);
    let first = lease(&a).await;
    let epoch = first.epoch();
    assert!(is_held(&a).await, "twice in one process is once too often");
    a.give_back(first).await.unwrap();
    assert_eq!(lease(&b).await.epoch(), epoch + 1);
}

#[tokio::test]
async fn a_lease_of_another_boot_has_expired() {
    let place = place();
    let (a, b) = (open(&place.path).await, open(&place.path).await);
    let _lease = lease(&a).await;
    raw(&place.path, "UPDATE lanes SET boot_id = 'another'").await;
    lease(&b).await;
}

#[tokio::test]
async fn a_lock_file_removed_by_hand_frees_nothing() {
    let place = place();
    let (a, b) = (open(&place.path).await, open(&place.path).await);
    let _lease = lease(&a).await;
    let directory = PathBuf::from(format!("{}.holders", place.path.display()));
    std::fs::remove_file(directory.join(format!("{}.lock", a.holder()))).unwrap();
    assert!(is_held(&b).await);
}

#[tokio::test]
async fn stale_lock_files_are_removed_except_those_that_leases_name() {
    let place = place();
    let directory = PathBuf::from(format!("{}.holders", place.path.display()));
    let files = || std::fs::read_dir(&directory).unwrap().count();
    drop(open(&place.path).await);
    let a = open(&place.path).await;
    assert_eq!(files(), 1, "the first one's was stale");
    let _lease = lease(&a).await;
    drop(a);
    let b = open(&place.path).await;
    assert_eq!(files(), 2, "the lease's holder is still spoken of");
    lease(&b).await;
}
