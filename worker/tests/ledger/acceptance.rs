//! Requests: each is accepted once, and none by a full lane.

use std::sync::Arc;
use std::time::Instant;

use drawgate_lab::request_of;
use drawgate_rollout::{Entry, Record};
use drawgate_schemas::{ReleaseRequest, StatusEvent};
use drawgate_worker::ledger::{Accept, Leap, Ledger};

use crate::fixtures::{accept, entry, open, place, request, service};

#[tokio::test]
async fn a_request_is_accepted_once() {
    let place = place();
    let ledger = open(&place.path).await;
    let first = request();
    assert_eq!(accept(&ledger, &first).await, Accept::New { ahead: 0 });
    assert_eq!(accept(&ledger, &first).await, Accept::Same);
    let other = ReleaseRequest {
        image: "registry.example.com/search-api:other".parse().unwrap(),
        ..first.clone()
    };
    assert_eq!(accept(&ledger, &other).await, Accept::Reused);
    let second = request();
    assert_eq!(accept(&ledger, &second).await, Accept::New { ahead: 1 });
    assert_eq!(
        accept(&ledger, &request_of("other")).await,
        Accept::New { ahead: 0 }
    );

    let journal = ledger.journal(first.id).await.unwrap();
    assert_eq!(journal.len(), 1);
    assert!(matches!(&journal[0].record, Record::Accepted { request, ahead: 0, .. } if **request == first));
    assert_eq!(
        ledger.unpublished(10).await.unwrap().len(),
        3,
        "one event each, none for the repeats"
    );
    assert_eq!(ledger.ahead_of(second.id).await.unwrap(), 1);
    assert_eq!(ledger.open_releases().await.unwrap()[1].id, second.id);
    let head = ledger.release_head(first.id).await.unwrap().unwrap();
    assert_eq!((head.service, head.outcome), (service(), None));
    assert_eq!(ledger.release_head(request().id).await.unwrap(), None);
}

#[tokio::test]
async fn a_full_lane_takes_nothing_in() {
    let place = place();
    let ledger = open(&place.path).await;
    for _ in 0..3 {
        accept(&ledger, &request()).await;
    }
    let late = request();
    let build = |_| -> (Entry, Vec<StatusEvent>) { panic!("nothing is built for a full lane") };
    // Three releases are open: one runs, two wait.
    assert_eq!(
        ledger.accept(&late, build, 2, Leap::Refused).await.unwrap(),
        Accept::LaneFull
    );
    assert_eq!(ledger.release_head(late.id).await.unwrap(), None);
    let build = |ahead| {
        (
            entry(
                1,
                Record::Accepted {
                    request: Box::new(late.clone()),
                    ahead,
                    publisher: None,
                    approval: None,
                },
            ),
            vec![],
        )
    };
    assert_eq!(
        ledger.accept(&late, build, 3, Leap::Refused).await.unwrap(),
        Accept::New { ahead: 3 }
    );
}

#[tokio::test]
async fn two_processes_accept_each_request_once() {
    let place = place();
    let (a, b) = (open(&place.path).await, open(&place.path).await);
    let requests: Arc<Vec<ReleaseRequest>> = Arc::new((0..100).map(|_| request()).collect());
    let work = |ledger: Ledger, requests: Arc<Vec<ReleaseRequest>>| {
        tokio::spawn(async move {
            let mut new = 0;
            for request in requests.iter() {
                new += usize::from(matches!(accept(&ledger, request).await, Accept::New { .. }));
            }
            new
        })
    };
    let began = Instant::now();
    let (one, two) = (
        work(a.clone(), Arc::clone(&requests)),
        work(b, Arc::clone(&requests)),
    );
    assert_eq!(one.await.unwrap() + two.await.unwrap(), requests.len());
    println!(
        "200 requests offered, 100 accepted by two in {:?}",
        began.elapsed()
    );
    let open = a.open_releases().await.unwrap();
    assert_eq!(open.len(), requests.len());
    for (place, release) in open.iter().enumerate() {
        assert_eq!(a.ahead_of(release.id).await.unwrap() as usize, place);
        let journal = a.journal(release.id).await.unwrap();
        assert!(matches!(journal[0].record, Record::Accepted { ahead, .. } if ahead as usize == place));
    }
}
