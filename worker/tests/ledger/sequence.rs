//! The sequence of a lane's builds: its highest number, leaps above it, and how it is forgotten.

use drawgate_rollout::Record;
use drawgate_schemas::{Event, ForgottenSequence, Outcome, ReleaseRequest, StatusEvent};
use drawgate_worker::ledger::{Accept, Forget, Forgot, Leap, Ledger, LedgerError};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::fixtures::{entry, environment, event, lease_of, open, place, request, service};

fn build(sequence: u64) -> ReleaseRequest {
    ReleaseRequest {
        sequence: Some(sequence),
        ..request()
    }
}

async fn take_in(ledger: &Ledger, request: &ReleaseRequest, leap: Leap) -> Accept {
    let first = |ahead| {
        let record = Record::Accepted {
            request: Box::new(request.clone()),
            ahead,
            publisher: None,
            approval: None,
        };
        (entry(1, record), vec![event(request, 1)])
    };
    ledger.accept(request, first, 1000, leap).await.unwrap()
}

/// Accepts a build, and ends it with this outcome.
async fn ends(ledger: &Ledger, sequence: u64, outcome: Outcome) -> ReleaseRequest {
    let request = build(sequence);
    let accepted = take_in(ledger, &request, Leap::Meant).await;
    assert!(matches!(accepted, Accept::New { .. }), "{accepted:?}");
    end(ledger, &request, outcome).await;
    request
}

async fn end(ledger: &Ledger, request: &ReleaseRequest, outcome: Outcome) {
    let lease = lease_of(ledger, &service()).await;
    let started = entry(2, Record::Started);
    ledger
        .append(&lease, request.id, &started, &[], Some(outcome))
        .await
        .unwrap();
    ledger.give_back(lease).await.unwrap();
}

async fn forget(ledger: &Ledger, id: Uuid, expires_at: Timestamp) -> Result<Forgot, LedgerError> {
    let (environment, service) = (environment(), service());
    let forget = Forget {
        id,
        expires_at,
        environment: &environment,
        service: &service,
    };
    let make = |highest| {
        let forgotten = ForgottenSequence {
            highest,
            by: "anna".to_owned(),
            reason: "another workflow".parse().unwrap(),
            at: Timestamp::now(),
        };
        let event = StatusEvent {
            release: None,
            event: Event::SequenceForgotten(forgotten.clone()),
            ..event(&request(), 0)
        };
        (forgotten, event)
    };
    ledger.forget_sequence(&forget, make).await
}

fn soon() -> Timestamp {
    Timestamp::now() + SignedDuration::from_mins(1)
}

/// The highest number is that of releases that have succeeded, roll or wait; failed ones do not count. A leap
/// that is meant passes, and a lane without a number takes any.
#[tokio::test]
async fn trap_44_a_number_that_leaps_is_refused_unless_it_is_meant() {
    let place = place();
    let ledger = open(&place.path).await;
    ends(&ledger, 1 << 53, Outcome::RolledBack).await;
    ends(&ledger, 3_000_000, Outcome::Succeeded).await;
    for (sequence, taken) in [
        (1, true),
        (3_999_999, true),
        (4_999_999, true),
        (6_000_000, false),
        (1 << 53, false),
    ] {
        let accepted = take_in(&ledger, &build(sequence), Leap::Refused).await;
        let is_taken = matches!(accepted, Accept::New { .. });
        assert_eq!(is_taken, taken, "{sequence}: {accepted:?}");
        if !taken {
            assert_eq!(
                accepted,
                Accept::Leaps { highest: 4_999_999 },
                "one that waits counts"
            );
        }
    }
    let meant = build(1 << 53);
    assert_eq!(
        take_in(&ledger, &meant, Leap::Meant).await,
        Accept::New { ahead: 3 }
    );
    assert_eq!(
        take_in(&ledger, &meant, Leap::Refused).await,
        Accept::Same,
        "it came twice"
    );
    // Another lane has no number yet.
    let mut elsewhere = build(1 << 53);
    elsewhere.service = "other".parse().unwrap();
    assert_eq!(
        take_in(&ledger, &elsewhere, Leap::Refused).await,
        Accept::New { ahead: 0 }
    );
}

/// A refused leap has its event and dead letter already: when it is delivered again, also to another process,
/// the answer is the same, whatever the lane's number is by then.
#[tokio::test]
async fn trap_44_what_leapt_once_is_refused_when_it_comes_again() {
    let place = place();
    let mut ledger = open(&place.path).await;
    ends(&ledger, 812, Outcome::Succeeded).await;
    let leapt = build(1_500_000);
    let refused = Accept::Leaps { highest: 812 };
    assert_eq!(take_in(&ledger, &leapt, Leap::Refused).await, refused);
    ends(&ledger, 1_000_000, Outcome::Succeeded).await;
    ledger.close().await;
    ledger = open(&place.path).await;
    assert_eq!(take_in(&ledger, &leapt, Leap::Refused).await, refused);
    assert!(matches!(
        take_in(&ledger, &build(1_500_001), Leap::Refused).await,
        Accept::New { .. }
    ));
    assert_eq!(ledger.release_head(leapt.id).await.unwrap(), None);
    // Forgetting the sequence lets the build pass.
    forget(&ledger, Uuid::now_v7(), soon()).await.unwrap();
    let accepted = take_in(&ledger, &leapt, Leap::Refused).await;
    assert!(matches!(accepted, Accept::New { .. }), "{accepted:?}");
}

/// Of many builds that come at once, each is judged by the number that the others have given the lane.
#[tokio::test(flavor = "multi_thread")]
async fn trap_44_of_numbers_that_come_at_once_none_leaps_unseen() {
    let place = place();
    let ledger = open(&place.path).await;
    let low: Vec<ReleaseRequest> = (0..8).map(|n| build(812 + n)).collect();
    let high: Vec<ReleaseRequest> = (0..8).map(|n| build(20_260_101 + n)).collect();
    let all = low.iter().zip(&high).flat_map(|(low, high)| [low, high]);
    let taken =
        futures_util::future::join_all(all.map(|request| take_in(&ledger, request, Leap::Refused))).await;
    let of = |accepted: &Accept| matches!(accepted, Accept::New { .. });
    // The first build gives the lane its number; no lower build is refused, and a leap above it is.
    let highs = taken
        .iter()
        .skip(1)
        .step_by(2)
        .filter(|accepted| of(accepted))
        .count();
    assert_eq!(taken.iter().step_by(2).filter(|accepted| of(accepted)).count(), 8);
    let leapt = taken
        .iter()
        .filter(|accepted| matches!(accepted, Accept::Leaps { highest } if *highest < 900))
        .count();
    assert_eq!(highs + leapt, 8, "{taken:?}");
    assert!(
        leapt == 0 || highs == 0,
        "one was judged by a lane that another one had changed: {taken:?}"
    );
}

/// After the sequence is forgotten, releases that succeeded before supersede no other; an open release still
/// counts. A repeated request is done once, and a request that comes too late is not done.
#[tokio::test]
async fn trap_44_a_lanes_number_is_forgotten_once_and_on_record() {
    let place = place();
    let mut ledger = open(&place.path).await;
    let nothing = forget(&ledger, Uuid::now_v7(), soon()).await.unwrap();
    assert_eq!((nothing.forgotten, nothing.open.len()), (None, 0));
    ends(&ledger, 811, Outcome::Succeeded).await;
    ends(&ledger, 812, Outcome::Succeeded).await;
    let open_one = build(900);
    take_in(&ledger, &open_one, Leap::Refused).await;
    let late = forget(&ledger, Uuid::now_v7(), Timestamp::now()).await;
    assert!(matches!(late, Err(LedgerError::TooLate)), "{late:?}");

    let id = Uuid::now_v7();
    let first = forget(&ledger, id, soon()).await.unwrap();
    assert_eq!(first.open, [(open_one.id, 900)]);
    let events = ledger.unpublished(100).await.unwrap().len();
    ledger.close().await;
    ledger = open(&place.path).await;
    let again = forget(&ledger, id, Timestamp::now()).await.unwrap();
    assert_eq!(again, first);
    let kept = ledger
        .forgotten_sequences(&environment(), &service(), 10)
        .await
        .unwrap();
    assert_eq!(kept, [first.forgotten.unwrap()]);
    assert_eq!((kept[0].highest, kept[0].by.as_str()), (812, "anna"));
    let told = ledger.unpublished(100).await.unwrap();
    assert_eq!(told.len(), events, "told once");
    let told = told.last().unwrap();
    assert_eq!(told.routing_key, "staging.search-api.sequence_forgotten");
    assert!(told.json.contains("another workflow"), "{}", told.json);

    let newcomer = build(1);
    take_in(&ledger, &newcomer, Leap::Refused).await;
    let numbers = async |ledger: &Ledger| {
        let others = ledger.others_of(newcomer.id).await.unwrap();
        others.iter().map(|other| other.sequence).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&ledger).await, [Some(900)], "only the open one");
    end(&ledger, &open_one, Outcome::Succeeded).await;
    assert_eq!(
        numbers(&ledger).await,
        [Some(900)],
        "and it counts once it has succeeded"
    );
    let second = forget(&ledger, Uuid::now_v7(), soon()).await.unwrap();
    assert_eq!(second.forgotten.map(|forgotten| forgotten.highest), Some(900));
    assert!(numbers(&ledger).await.is_empty());
}
