//! What holds a release: nothing is begun while it does, and cancelling or its own expiry end it all the same.

use drawgate_rollout::{Approval, Decision, Entry, Record, Release, could_begin, decide};
use drawgate_schemas::{Freeze, Hold, Order, Ordered, Outcome};
use jiff::{SignedDuration, Timestamp};

use crate::world::{digest, request};

fn hold(until: Timestamp) -> Hold {
    Hold::Frozen(Freeze {
        environment: None,
        until,
        reason: "db upgrade".parse().unwrap(),
        by: "anna".to_owned(),
        since: Timestamp::UNIX_EPOCH,
    })
}

/// An accepted release of a digest, and what is appended to it.
fn release(records: Vec<Record>) -> Release {
    release_with(None, records)
}

fn release_with(approval: Option<Approval>, records: Vec<Record>) -> Release {
    let mut request = request();
    request.image = format!("registry.example.com/api@{}", digest('d'))
        .parse()
        .unwrap();
    request.expires_at = Some(at(600));
    let accepted = Record::Accepted {
        request: Box::new(request),
        ahead: 0,
        publisher: None,
        approval: approval.map(Box::new),
    };
    let entries: Vec<Entry> = std::iter::once(accepted)
        .chain(records)
        .zip(1..)
        .map(|(record, n)| Entry { n, at: at(0), record })
        .collect();
    Release::fold(&entries).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 60) + SignedDuration::from_secs(seconds)
}

fn held() -> Record {
    Record::Held {
        holds: vec![hold(at(300))],
    }
}

#[test]
fn nothing_is_begun_while_it_is_held_and_its_turn_comes_after_it() {
    let release = release(vec![held()]);
    for seconds in [0, 299, 301] {
        let decided = decide(&release, at(seconds));
        assert!(
            matches!(decided[..], [Decision::WakeAt(again)] if again > at(seconds)),
            "{decided:?}"
        );
    }
    let release = self::release(vec![held(), Record::Held { holds: Vec::new() }]);
    assert_eq!(decide(&release, at(301)), [Decision::AwaitTurn]);
}

#[test]
fn a_journal_that_begins_a_held_release_is_refused() {
    let mut release = release(vec![held()]);
    let begun = Entry {
        n: 3,
        at: at(1),
        record: Record::Started,
    };
    let illegal = release.apply(&begun).unwrap_err();
    assert_eq!(illegal.why, "it is held");
}

#[test]
fn held_it_expires_and_is_cancelled_as_any_that_waits() {
    let ended = |release: &Release, now| match &decide(release, now)[..] {
        [Decision::Append(Record::Ended { ended })] => ended.outcome,
        other => panic!("{other:?}"),
    };
    assert_eq!(ended(&release(vec![held()]), at(600)), Outcome::Rejected);
    let cancel = Record::Ordered {
        id: "o".to_owned(),
        ordered: Ordered {
            order: Order::Cancel,
            by: "ben".to_owned(),
            reason: None,
            digest: None,
        },
    };
    let mut cancelled = release(vec![held(), cancel]);
    let now = at(1);
    while let [Decision::Append(record), ..] = &decide(&cancelled, now)[..] {
        let entry = Entry {
            n: cancelled.last_entry + 1,
            at: now,
            record: record.clone(),
        };
        cancelled.apply(&entry).unwrap();
    }
    assert_eq!(cancelled.ended.unwrap().outcome, Outcome::Cancelled);
}

/// Neither one that waits for its approval or is blocked, nor one that is paused, cancelled or too late: it may never begin. What counts is what holds it now.
#[test]
fn trap_44_one_that_cannot_begin_now_takes_nobodys_place() {
    let order = |order| Record::Ordered {
        id: "o".to_owned(),
        ordered: Ordered {
            order,
            by: "ben".to_owned(),
            reason: None,
            digest: None,
        },
    };
    let asked = Approval {
        from: vec!["ops".to_owned()],
        people: ["ben".to_owned()].into(),
        count: 1,
        within_ms: 3_600_000,
    };
    let approved = Record::Ordered {
        id: "o".to_owned(),
        ordered: Ordered {
            order: Order::Approve,
            by: "ben".to_owned(),
            reason: None,
            digest: Some(digest('d')),
        },
    };
    assert!(!could_begin(
        &release_with(Some(asked.clone()), Vec::new()),
        &[],
        at(1)
    ));
    assert!(could_begin(
        &release_with(Some(asked), vec![approved]),
        &[],
        at(1)
    ));
    let free = release(Vec::new());
    assert!(could_begin(&free, &[], at(1)));
    assert!(!could_begin(&free, &[hold(at(300))], at(1)), "frozen by now");
    assert!(!could_begin(&free, &[], at(600)), "it has expired");
    // Its driver has not noted yet that the freeze is over.
    let was_held = release(vec![held()]);
    assert!(could_begin(&was_held, &[], at(301)));
    for kind in [Order::Pause, Order::Cancel] {
        assert!(!could_begin(&release(vec![order(kind)]), &[], at(1)), "{kind}");
    }
}
