//! Freezes, the releases that have succeeded in an environment, and the order of a queue.

use drawgate_lab::request_of;
use drawgate_rollout::{Evidence, Queued, Record, Step, StepOutcome, next};
use drawgate_schemas::{Digest, Environment, Freeze, Outcome};
use drawgate_worker::ledger::Accept;
use jiff::{SignedDuration, Timestamp};

use crate::fixtures::{accept, entry, lease_of, open, place, raw};

fn freeze(environment: Option<&str>, until: Timestamp, reason: &str) -> Freeze {
    Freeze {
        environment: environment.map(|name| name.parse().unwrap()),
        until,
        reason: reason.parse().unwrap(),
        by: "anna".to_owned(),
        since: Timestamp::now(),
    }
}

#[tokio::test]
async fn a_freeze_is_kept_until_its_end_and_one_for_each_environment() {
    let place = place();
    let ledger = open(&place.path).await;
    let now = Timestamp::now();
    let hour = SignedDuration::from_hours(1);
    let staging: Environment = "staging".parse().unwrap();
    for freeze in [
        freeze(Some("staging"), now + hour, "first"),
        freeze(Some("staging"), now + hour + hour, "second"),
        freeze(None, now + hour, "all"),
    ] {
        ledger.freeze(&freeze, now).await.unwrap();
    }
    drop(ledger);
    let ledger = open(&place.path).await;
    let reasons = async |at: Timestamp| {
        let freezes = ledger.freezes(at).await.unwrap();
        freezes
            .iter()
            .map(|freeze| freeze.reason.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(reasons(now).await, ["all", "second"]);
    assert_eq!(reasons(now + hour).await, ["second"]);
    assert!(ledger.thaw(Some(&staging), now).await.unwrap());
    assert!(!ledger.thaw(Some(&staging), now).await.unwrap());
    assert_eq!(reasons(now).await, ["all"]);
    // A freeze that is over has ended by itself, so there is nothing to thaw.
    assert!(!ledger.thaw(None, now + hour).await.unwrap());
}

/// A release by tag counts with the digest that was resolved, a release by digest with the requested one; a
/// failed release has not succeeded. The same holds for releases of an older worker, whose ledger had no
/// column for the digest.
#[tokio::test]
async fn what_has_succeeded_is_known_by_its_digest() {
    let place = place();
    let mut ledger = open(&place.path).await;
    let mut kept = Vec::new();
    let digest = |c: &str| format!("sha256:{}", c.repeat(64)).parse::<Digest>().unwrap();
    for (service, asked, found, outcome) in [
        ("by-tag", None, Some("a"), Outcome::Succeeded),
        ("by-digest", Some("b"), None, Outcome::Succeeded),
        ("failed", None, Some("c"), Outcome::RolledBack),
    ] {
        let mut request = request_of(service);
        if let Some(asked) = asked {
            request.image = format!("registry.example.com/api@{}", digest(asked))
                .parse()
                .unwrap();
        }
        accept(&ledger, &request).await;
        let lease = lease_of(&ledger, &request.service).await;
        let append = async |n, record, ended| {
            let entry = entry(n, record);
            ledger
                .append(&lease, request.id, &entry, &[], ended)
                .await
                .unwrap();
        };
        append(2, Record::Intent { step: Step::Resolve }, None).await;
        let evidence = found.map_or(Evidence::Nothing, |found| Evidence::Resolved {
            digest: digest(found),
        });
        let outcome_of = Record::Outcome {
            step: Step::Resolve,
            outcome: StepOutcome::Done { evidence },
        };
        append(3, outcome_of, None).await;
        append(4, Record::Started, Some(outcome)).await;
        kept.push((request, asked.or(found).map(digest).unwrap(), outcome));
    }
    for older in [false, true] {
        if older {
            ledger.close().await;
            drop(ledger);
            for undo in BEFORE_GATES {
                raw(&place.path, undo).await;
            }
            ledger = open(&place.path).await;
        }
        for (request, this, outcome) in &kept {
            let succeeded = async |digest: &Digest, environment: &Environment| {
                ledger
                    .has_succeeded(&request.service, digest, environment)
                    .await
                    .unwrap()
            };
            assert_eq!(
                succeeded(this, &request.environment).await,
                *outcome == Outcome::Succeeded,
                "{}, of an older worker: {older}",
                request.service
            );
            assert!(!succeeded(&digest("d"), &request.environment).await);
            assert!(!succeeded(this, &"elsewhere".parse().unwrap()).await);
        }
    }
}

/// Statements that undo the migration for gates, so that the ledger is as older workers had it.
const BEFORE_GATES: [&str; 4] = [
    "DROP INDEX releases_by_digest",
    "ALTER TABLE releases DROP COLUMN digest",
    "DROP TABLE freezes",
    "DELETE FROM _sqlx_migrations WHERE version = 6",
];

/// The order of a queue: the release that has begun, then emergencies, then the others as they came; the same
/// in a ledger of an older worker.
#[tokio::test]
async fn an_emergency_goes_after_what_has_begun_and_before_the_rest() {
    let place = place();
    let mut ledger = open(&place.path).await;
    let (waits, rolls, mut emergency) = (request_of("api"), request_of("api"), request_of("api"));
    emergency.emergency = Some("checkout is down".parse().unwrap());
    accept(&ledger, &waits).await;
    accept(&ledger, &rolls).await;
    let lease = lease_of(&ledger, &rolls.service).await;
    ledger
        .append(&lease, rolls.id, &entry(2, Record::Started), &[], None)
        .await
        .unwrap();
    assert_eq!(accept(&ledger, &emergency).await, Accept::New { ahead: 1 });
    for older in [false, true] {
        if older {
            ledger.close().await;
            drop(ledger);
            for undo in [
                "DROP TRIGGER line_of_journal",
                "ALTER TABLE releases DROP COLUMN emergency",
                "ALTER TABLE releases DROP COLUMN begun",
                "DELETE FROM _sqlx_migrations WHERE version = 7",
            ] {
                raw(&place.path, undo).await;
            }
            ledger = open(&place.path).await;
        }
        for (request, ahead) in [(&waits, 2), (&rolls, 0), (&emergency, 1)] {
            let open = ledger.open_releases().await.unwrap();
            let open = open.iter().find(|open| open.id == request.id).unwrap();
            assert_eq!(
                (open.emergency, open.begun),
                (request.emergency.is_some(), request.id == rolls.id)
            );
            if !open.begun {
                assert_eq!(
                    ledger.ahead_of(request.id).await.unwrap(),
                    ahead,
                    "older: {older}"
                );
            }
        }
    }
}

/// The ledger counts the releases ahead of one, and the core decides which is first. Both follow one rule,
/// whichever has begun and whichever is an emergency.
#[tokio::test]
async fn the_ledger_counts_by_the_rule_of_the_core() {
    let place = place();
    let ledger = open(&place.path).await;
    let lease = lease_of(&ledger, &request_of("api").service).await;
    for begun in [None, Some(0), Some(2)] {
        let mut queue = Vec::new();
        for emergency in [false, true, false, true] {
            let mut request = request_of("api");
            request.emergency = emergency.then(|| "checkout is down".parse().unwrap());
            accept(&ledger, &request).await;
            queue.push(Queued {
                id: request.id,
                emergency,
                begun: false,
            });
        }
        if let Some(n) = begun {
            let queued: &mut Queued = &mut queue[n];
            let started = entry(2, Record::Started);
            ledger
                .append(&lease, queued.id, &started, &[], None)
                .await
                .unwrap();
            queued.begun = true;
        }
        let mut rest = queue.clone();
        for ahead in 0.. {
            let Some(first) = next(&rest).copied() else { break };
            assert_eq!(ledger.ahead_of(first.id).await.unwrap(), ahead, "{queue:?}");
            rest.retain(|queued| queued.id != first.id);
        }
        for queued in queue {
            let n = if queued.begun { 3 } else { 2 };
            let ended = entry(n, Record::Started);
            let outcome = Some(Outcome::Superseded);
            ledger
                .append(&lease, queued.id, &ended, &[], outcome)
                .await
                .unwrap();
        }
    }
}
