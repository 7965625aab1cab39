//! The lanes as `status` reads them.

use drawgate_lab::request_of;
use drawgate_rollout::Record;
use drawgate_schemas::{Outcome, ReleaseId};

use crate::fixtures::{accept, entry, environment, lease, open, place, raw, request, service};

/// The last release of a lane is the one that ended last: an emergency ends before releases that were
/// accepted earlier, and a superseded build, which did nothing, does not count. A release that an older
/// worker ended, without a time, counts as ended before all that have one.
#[tokio::test]
async fn the_last_of_a_lane_is_what_ended_last() {
    let place = place();
    let ledger = open(&place.path).await;
    let [first, emergency, late] = [request(), request(), request()];
    for request in [&first, &emergency, &late] {
        accept(&ledger, request).await;
    }
    let lease = lease(&ledger).await;
    let end = async |release: ReleaseId, outcome| {
        let entry = entry(2, Record::Started);
        ledger
            .append(&lease, release, &entry, &[], Some(outcome))
            .await
            .unwrap();
    };
    let last = async || {
        let (environment, service) = (environment(), service());
        let mut lanes = ledger.lanes(Some(&environment), Some(&service)).await.unwrap();
        let lane = lanes.remove(&(environment, service)).unwrap();
        lane.last.map(|last| (last.id, last.outcome))
    };
    assert_eq!(last().await, None);
    end(emergency.id, Outcome::RolledBack).await;
    assert_eq!(last().await, Some((emergency.id, Outcome::RolledBack)));
    end(first.id, Outcome::Succeeded).await;
    end(late.id, Outcome::Superseded).await;
    assert_eq!(last().await, Some((first.id, Outcome::Succeeded)));
    raw(
        &place.path,
        "UPDATE releases SET ended_at = NULL WHERE outcome = 'succeeded'",
    )
    .await;
    assert_eq!(last().await, Some((emergency.id, Outcome::RolledBack)));
}

/// A lane's queue has its own releases in the order of acceptance, and none that has ended.
#[tokio::test]
async fn a_lane_reads_its_own_queue() {
    let place = place();
    let ledger = open(&place.path).await;
    let [first, second, third] = [request(), request(), request()];
    for request in [&first, &second, &third] {
        accept(&ledger, request).await;
    }
    accept(&ledger, &request_of("ingest")).await;
    let lease = lease(&ledger).await;
    let started = entry(2, Record::Started);
    ledger
        .append(&lease, second.id, &started, &[], None)
        .await
        .unwrap();
    ledger
        .append(&lease, first.id, &started, &[], Some(Outcome::Succeeded))
        .await
        .unwrap();
    let queue = ledger.queue_of(&environment(), &service()).await.unwrap();
    let read: Vec<(ReleaseId, bool)> = queue.iter().map(|queued| (queued.id, queued.begun)).collect();
    assert_eq!(read, [(second.id, true), (third.id, false)]);
}
