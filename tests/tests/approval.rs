//! Approvals: who may give them, which digest they are bound to, and that nothing is touched without them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Outcome, ReleaseId};
use drawgate_tests::{Beginning, Prepared, Rolling, Scene};
use serde_json::json;

const PEOPLE: &str =
    "[people]\nshared = [\"ci\"]\n\n[groups]\nops = [\"anna\", \"ben\", \"ci\", \"drawgate\"]\n";

/// A fleet whose releases need this approval.
fn needing(approval: &str) -> Beginning {
    Rolling::of("search")
        .service(|service| service.more = format!("[environment.staging]\napproval = {approval}"))
        .configured(PEOPLE)
}

/// Sends an answer to the question for an approval; gives exit code and output.
async fn answers(scene: &Scene, user: &str, verb: &str, id: ReleaseId, more: &[&str]) -> (i32, String) {
    let id = id.to_string();
    let arguments = [&[verb, id.as_str(), "--yes"], more].concat();
    let output = scene.drawgate_as(user, &arguments).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), said)
}

async fn refused(scene: &Scene, user: &str, id: ReleaseId, more: &[&str], why: &str) {
    let (code, said) = answers(scene, user, "approve", id, more).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(why), "{said}");
}

/// An approval by the publisher, by a shared login or by a stranger does not count, whatever the message says
/// of itself. The worker may be killed while the release waits. The approval is for the image that was
/// resolved, wherever its tag has moved since.
#[tokio::test]
async fn trap_29_somebody_else_approves_this_very_image() {
    let mut roll = needing("{ from = [\"ops\"] }").image("v2").begin().await;

    let id = roll.publish_with_options("v2", &["--requested-by", "anna"]).await;
    roll.events.kind(id, "awaits_approval").await;
    let moved = roll.scene.lab.image("search", "v2", "v2-moved", "ok").await;
    assert_ne!(moved, roll.digest("v2"));
    roll.worker.kill().await;
    roll.worker = roll.scene.worker().await;
    refused(
        &roll.scene,
        "drawgate",
        id,
        &[],
        "drawgate published it: somebody else has to approve it",
    )
    .await;
    refused(&roll.scene, "ci", id, &[], "ci may not: that is for ops").await;
    refused(
        &roll.scene,
        "anna",
        id,
        &["--digest", &moved],
        "the approval is for ",
    )
    .await;
    let state = roll.scene.show(id).await["state"].clone();
    assert_eq!(
        (
            &state["type"],
            &state["approval"]["from"],
            &state["approval"]["publisher"]
        ),
        (&json!("waiting"), &json!(["ops"]), &json!("drawgate"))
    );
    roll.assert_containers_as_before().await;

    let (code, said) = answers(
        &roll.scene,
        "anna",
        "approve",
        id,
        &["--digest", roll.digest("v2")],
    )
    .await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("it begins once it is the first of its queue"),
        "{said}"
    );
    roll.judge(id, Outcome::Succeeded).await;
    roll.assert_runs("v2").await;
    refused(&roll.scene, "ben", id, &[], "it has ended: succeeded").await;
    roll.end_after_kill().await;
}

/// One operator approves and another rejects at the same moment: one of them wins, and each is told.
#[tokio::test]
async fn approved_and_rejected_at_the_same_moment() {
    let roll = needing("{ from = [\"ops\"] }").begin().await;
    let mut rejected = 0;
    for round in 0..6 {
        let before_it = rejected;
        let version = format!("v{}", round + 2);
        roll.scene.lab.image("search", &version, &version, "ok").await;
        let id = roll.publish(&version).await;
        roll.events.kind(id, "awaits_approval").await;
        let (yes, no) = tokio::join!(
            answers(&roll.scene, "anna", "approve", id, &[]),
            answers(&roll.scene, "ben", "reject", id, &["--reason", "not today"]),
        );
        let ended = roll.events.end(id).await;
        let journal = roll.scene.journal(id).await;
        for ((code, said), order) in [(yes, "approve"), (no, "reject")] {
            let taken = journal
                .iter()
                .any(|entry| entry["record"]["command"]["control"] == order);
            // 5: the worker's answer did not come in time, and the operator is told so.
            assert!(
                code == 5 || (code == 0) == taken,
                "{order}, taken {taken}: {code} {said}"
            );
            rejected += u32::from(order == "reject" && taken);
        }
        let outcome = match rejected > before_it {
            true => Outcome::Rejected,
            false => Outcome::Succeeded,
        };
        roll.judge_telling(id, outcome).await;
        if outcome == Outcome::Rejected {
            assert_eq!(ended.summary, "rejected by ben: not today; nothing was touched");
        }
    }
    roll.look().await.assert_aws_as(&roll.before);
    roll.end().await;
}

/// Without a user id that the broker vouches for, nobody knows the publisher, so nobody can be told apart
/// from the publisher either.
#[tokio::test]
async fn without_a_name_that_the_broker_vouches_for_it_is_refused() {
    let Prepared { scene, .. } = needing("{ from = [\"ops\"], count = 2, within = \"1h\" }")
        .prepare()
        .await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let request = json!({
        "version": 1, "id": "0193a5b1-7c2e-7d10-8a44-5c1f2e9b0d7c", "environment": "staging", "service": "search",
        "image": scene.image("search", "v1"), "requested_at": "2026-01-01T00:00:00Z", "requested_by": "anna",
    });
    scene
        .broker
        .publish("staging.search", &serde_json::to_vec(&request).unwrap())
        .await;
    let dead = scene.broker.dead_letter().await;
    assert_eq!(dead.reason, "no_publisher", "{}", dead.detail);
    assert!(dead.detail.contains("user_id"), "{}", dead.detail);

    // Two approvals need two people.
    let id = scene.publish("search", "v1", &[]).await;
    events.kind(id, "awaits_approval").await;
    let (code, said) = answers(&scene, "anna", "approve", id, &[]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("1 of 2 have approved it"), "{said}");
    refused(&scene, "anna", id, &[], "anna has approved it already").await;
    let (code, said) = answers(&scene, "ben", "approve", id, &[]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(events.end(id).await.outcome, Outcome::Succeeded);
    scene.end(worker).await;
}
