//! Publishing: what goes out, and what is said when it does not arrive.

use drawgate_lab::wire::Wire;
use drawgate_schemas::{Rejection, ReleaseRequest};

use crate::program::{ID, drawgate, in_order, publish, shell};
use crate::rig::Rig;
use crate::worker::Worker;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_published_persistent_and_with_its_id() {
    let Some(rig) = Rig::new("published").await else {
        return;
    };
    let mut worker = Worker::start(&rig, "search-api").await;
    let ended = drawgate(&rig.url, &publish(&["--id", ID])).await;
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, format!("{ID}\n").as_str()),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains(&format!("drawgate watch {ID}")),
        "{}",
        ended.stderr
    );
    let message = worker.next_release().await;
    assert_eq!(message.properties.delivery_mode(), &Some(2));
    assert_eq!(message.properties.message_id().as_ref().unwrap().as_str(), ID);
    assert_eq!(message.routing_key.as_str(), "staging.search-api");
    assert!(message.properties.user_id().is_some());
    ReleaseRequest::decode(&message.data).unwrap();

    let json = drawgate(&rig.url, &publish(&["--format", "json"])).await;
    let published: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let message = worker.next_release().await;
    assert_eq!(
        published["release"],
        message.properties.message_id().as_ref().unwrap().as_str()
    );
    assert_eq!(published["body_sha256"], Rejection::body_sha256(&message.data));
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_22_a_target_that_nobody_serves_is_said_at_once() {
    let Some(rig) = Rig::new("no-route").await else {
        return;
    };
    let _worker = Worker::start(&rig, "another").await;
    for wait in [&[][..], &["--wait"][..]] {
        let ended = drawgate(&rig.url, &publish(wait)).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (5, ""), "{}", ended.stderr);
        in_order(
            &ended.stderr,
            &[
                "error: nobody listens for staging.search-api",
                "hint: check --environment",
            ],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_exchange_no_worker_ever_ran() {
    let Some(rig) = Rig::new("empty").await else {
        return;
    };
    rig.undeclare().await;
    let cases = [
        (publish(&[]), "drawgate.releases"),
        (publish(&["--wait"]), "drawgate.events"),
        (vec!["show", ID], "drawgate.control"),
        (vec!["watch", ID], "drawgate.control"),
    ];
    for (args, exchange) in cases {
        let ended = drawgate(&rig.url, &args).await;
        assert_eq!(ended.code, 5, "{args:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(&format!("has no exchange {exchange}")),
            "{args:?}: {}",
            ended.stderr
        );
        assert!(
            ended.stderr.contains("no worker ever ran there"),
            "{}",
            ended.stderr
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_printed_without_a_confirm_sends_the_same_bytes() {
    let Some(rig) = Rig::new("no-confirm").await else {
        return;
    };
    let mut worker = Worker::start(&rig, "search-api").await;
    let wire = Wire::before(&rig.url).await;
    wire.swallow_answers_after("drawgate.releases");
    let options = ["--reason", "it's late", "--expires-in", "2h"];
    let ended = drawgate(&wire.url, &publish(&options)).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (5, ""), "{}", ended.stderr);
    in_order(
        &ended.stderr,
        &["did not confirm within 15 s", "unknown whether", "harmless"],
    );
    let first = worker.next_release().await;

    let command = ended.stderr.lines().last().unwrap().trim();
    let ended = shell(&rig.url, command).await;
    assert_eq!(ended.code, 0, "{command}: {}", ended.stderr);
    assert_eq!(worker.next_release().await.data, first.data);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_takes_no_more_is_not_taken_for_a_success() {
    let Some(rig) = Rig::new("nack").await else { return };
    rig.full_queue("search-api").await;
    let ended = drawgate(&rig.url, &publish(&[])).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (5, ""), "{}", ended.stderr);
    in_order(&ended.stderr, &["(nack)", "harmless", "--id "]);
}
