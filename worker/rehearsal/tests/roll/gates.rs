//! Admission: no release begins while it has blockers; a cancel or its expiry ends a blocked release all the
//! same.

use drawgate_rollout::{
    Approval, Decision, Entry, Gates, Other, Policies, QueueView, Queued, Record, Release, Rival, decide,
};
use drawgate_schemas::{Control, ControlCommand, Freeze, Outcome, ReleaseId};
use jiff::{SignedDuration, Timestamp};

use crate::world::{digest, request};

fn freeze(until: Timestamp) -> Freeze {
    Freeze {
        environment: None,
        until,
        reason: "db upgrade".parse().unwrap(),
        by: "anna".to_owned(),
        since: Timestamp::UNIX_EPOCH,
    }
}

fn frozen() -> Vec<Freeze> {
    vec![freeze(at(300))]
}

/// A queue in which this release is first.
fn first(release: &Release, freezes: Vec<Freeze>, now: Timestamp) -> QueueView {
    QueueView {
        at: now,
        next: Some(queued(release.request.id)),
        freezes,
        has_room: true,
        proven: true,
        ..QueueView::default()
    }
}

fn queued(id: ReleaseId) -> Queued {
    Queued {
        id,
        emergency: false,
        begun: false,
    }
}

fn begins(decided: &[Decision]) -> bool {
    decided == [Decision::Append(Record::Started)]
}

/// An accepted release with a digest, and these records after it.
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

fn blocked() -> Record {
    Record::Blocked {
        blockers: frozen()
            .into_iter()
            .map(drawgate_schemas::Blocker::Frozen)
            .collect(),
    }
}

fn is_ready(decided: &[Decision]) -> bool {
    decided.contains(&Decision::AwaitSlot)
}

#[test]
fn a_freeze_blocks_until_its_end_and_is_recorded() {
    let release = release(Vec::new());
    let blocked = decide(&release, Some(&first(&release, frozen(), at(0))), at(0));
    assert_eq!(blocked, [Decision::Append(self::blocked())]);
    let release = self::release(vec![self::blocked()]);
    for seconds in [0, 299] {
        let decided = decide(
            &release,
            Some(&first(&release, frozen(), at(seconds))),
            at(seconds),
        );
        let looks_again =
            |decision: &Decision| matches!(decision, Decision::WakeAt(again) if *again > at(seconds));
        assert!(
            decided.iter().any(looks_again) && !is_ready(&decided),
            "{decided:?}"
        );
    }
    let over = decide(&release, Some(&first(&release, frozen(), at(300))), at(300));
    assert_eq!(over, [Decision::Append(Record::Blocked { blockers: Vec::new() })]);
    let release = self::release(vec![self::blocked(), Record::Blocked { blockers: Vec::new() }]);
    assert!(begins(&decide(
        &release,
        Some(&first(&release, frozen(), at(300))),
        at(300)
    )));
}

#[test]
fn nothing_begins_out_of_turn_or_without_facts_or_room() {
    let release = release(Vec::new());
    let first = first(&release, Vec::new(), at(1));
    assert!(begins(&decide(&release, Some(&first), at(1))));
    let other: ReleaseId = "0190f6f0-0000-7000-8000-00000000000b".parse().unwrap();
    let behind = QueueView {
        next: Some(queued(other)),
        ..first.clone()
    };
    let begun = QueueView {
        next: first.next.map(|next| Queued { begun: true, ..next }),
        ..first.clone()
    };
    let full = QueueView {
        has_room: false,
        ..first
    };
    for (queue, ready) in [
        (Some(&behind), true),
        (Some(&begun), true),
        (Some(&full), true),
        (None, false),
    ] {
        let decided = decide(&release, queue, at(1));
        assert!(!begins(&decided), "{queue:?}: {decided:?}");
        assert_eq!(is_ready(&decided), ready, "{queue:?}: {decided:?}");
    }
}

#[test]
fn what_has_not_succeeded_elsewhere_is_rejected() {
    let release = release(Vec::new());
    let gates = Gates {
        requires: Some("staging".parse().unwrap()),
        windows: None,
    };
    let mut queue = first(&release, Vec::new(), at(1));
    queue.policies = Policies {
        gates,
        ..Policies::default()
    };
    assert!(begins(&decide(&release, Some(&queue), at(1))));
    queue.proven = false;
    assert_eq!(
        ended(&decide(&release, Some(&queue), at(1))),
        Some(Outcome::Rejected)
    );
}

fn ended(decided: &[Decision]) -> Option<Outcome> {
    match decided {
        [Decision::Append(Record::Ended { ended })] => Some(ended.outcome),
        _ => None,
    }
}

#[test]
fn a_journal_that_begins_a_held_release_is_refused() {
    let mut release = release(vec![self::blocked()]);
    let begun = Entry {
        n: 3,
        at: at(1),
        record: Record::Started,
    };
    let illegal = release.apply(&begun).unwrap_err();
    assert_eq!(illegal.why, "it is blocked");
}

#[test]
fn held_it_expires_and_is_cancelled_as_any_that_waits() {
    let expired = release(vec![self::blocked()]);
    let decided = decide(&expired, Some(&first(&expired, frozen(), at(600))), at(600));
    assert_eq!(ended(&decided), Some(Outcome::Rejected));
    let cancel = Record::Control {
        id: "o".to_owned(),
        command: ControlCommand {
            control: Control::Cancel,
            by: "ben".to_owned(),
            reason: None,
            digest: None,
        },
    };
    let mut cancelled = release(vec![self::blocked(), cancel]);
    let now = at(1);
    while let [Decision::Append(record), ..] = &decide(&cancelled, None, now)[..] {
        let entry = Entry {
            n: cancelled.last_entry + 1,
            at: now,
            record: record.clone(),
        };
        cancelled.apply(&entry).unwrap();
    }
    assert_eq!(cancelled.ended.unwrap().outcome, Outcome::Cancelled);
}

/// A release that awaits approval, is blocked, paused, cancelled or expired supersedes no other, because it
/// may never begin. What blocks it now counts, not what its journal says.
#[test]
fn trap_44_one_that_cannot_begin_now_takes_nobodys_place() {
    let command = |control| Record::Control {
        id: "o".to_owned(),
        command: ControlCommand {
            control,
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
    let approved = Record::Control {
        id: "o".to_owned(),
        command: ControlCommand {
            control: Control::Approve,
            by: "ben".to_owned(),
            reason: None,
            digest: Some(digest('d')),
        },
    };
    let supersedes = |rival: Release, freezes: Vec<Freeze>, now| {
        let own = release(Vec::new());
        let id: ReleaseId = "0190f6f0-0000-7000-8000-00000000000b".parse().unwrap();
        let mut queue = first(&own, freezes, now);
        queue.policies.supersede = drawgate_rollout::Supersede::ByArrival;
        queue.others = vec![Other {
            id,
            sequence: None,
            came_later: true,
            has_succeeded: false,
        }];
        assert_eq!(decide(&own, Some(&queue), now), [Decision::LookAt(id)]);
        let release = Some(rival);
        queue.rivals.insert(
            id,
            Rival {
                release,
                proven: true,
            },
        );
        ended(&decide(&own, Some(&queue), now)) == Some(Outcome::Superseded)
    };
    let waits_for_approval = release_with(Some(asked.clone()), Vec::new());
    assert!(!supersedes(waits_for_approval, Vec::new(), at(1)));
    let is_approved = release_with(Some(asked), vec![approved]);
    assert!(supersedes(is_approved, Vec::new(), at(1)));
    let free = || release(Vec::new());
    assert!(supersedes(free(), Vec::new(), at(1)));
    assert!(!supersedes(free(), frozen(), at(1)), "frozen by now");
    assert!(!supersedes(free(), Vec::new(), at(600)), "it has expired");
    // Its driver has not recorded yet that the freeze is over.
    assert!(supersedes(release(vec![self::blocked()]), Vec::new(), at(301)));
    for kind in [Control::Pause, Control::Cancel] {
        assert!(
            !supersedes(release(vec![command(kind)]), Vec::new(), at(1)),
            "{kind}"
        );
    }
}

/// A paused release in the queue can still be superseded.
#[test]
fn a_paused_release_that_waits_is_superseded_too() {
    let paused = release(vec![Record::Control {
        id: "o".to_owned(),
        command: ControlCommand {
            control: Control::Pause,
            by: "ben".to_owned(),
            reason: None,
            digest: None,
        },
    }]);
    let mut queue = first(&paused, Vec::new(), at(1));
    queue.policies.supersede = drawgate_rollout::Supersede::ByArrival;
    queue.others = vec![Other {
        id: "0190f6f0-0000-7000-8000-00000000000b".parse().unwrap(),
        sequence: None,
        came_later: true,
        has_succeeded: true,
    }];
    let decided = decide(&paused, Some(&queue), at(1));
    assert_eq!(ended(&decided), Some(Outcome::Superseded), "{decided:?}");
}
