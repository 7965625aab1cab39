//! Waiting for the end of a release that was published.

use std::time::Duration;

use drawgate_schemas::{Outcome, RejectionCode, ReleaseRequest};

use crate::program::{drawgate, finish, in_order, interrupt, publish, start};
use crate::rig::Rig;
use crate::story::{rejected, story};
use crate::worker::Worker;

#[tokio::test(flavor = "multi_thread")]
async fn waiting_tells_each_event_once_and_ends_with_the_release() {
    let Some(rig) = Rig::new("success").await else {
        return;
    };
    let mut worker = Worker::start(&rig, "search-api").await;
    let running = tokio::spawn({
        let url = rig.url.clone();
        async move { drawgate(&url, &publish(&["--wait", "--requested-by", "ben"])).await }
    });
    let request = worker.accept().await;
    for event in story(&request, Outcome::Succeeded) {
        worker.say(event.clone()).await;
        worker.publish_event(&event).await;
    }
    let ended = running.await.unwrap();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.stdout, "succeeded\n");
    in_order(
        &ended.stderr,
        &[
            "by ben",
            "accepted by bastion-a",
            "step 2",
            "step 3",
            "step 4",
            "all of it",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn in_json_each_event_is_a_line_and_the_last_is_the_end() {
    let Some(rig) = Rig::new("json").await else { return };
    let mut worker = Worker::start(&rig, "search-api").await;
    let running = tokio::spawn({
        let url = rig.url.clone();
        async move { drawgate(&url, &publish(&["--wait", "--format", "json"])).await }
    });
    let request = worker.accept().await;
    for event in story(&request, Outcome::RolledBack) {
        worker.say(event).await;
    }
    let ended = running.await.unwrap();
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let lines: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let numbers: Vec<u64> = lines
        .iter()
        .map(|line| line["data"]["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(lines[4]["data"]["event"]["outcome"], "rolled_back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_recognised_by_the_hash_of_the_bytes() {
    let Some(rig) = Rig::new("rejected").await else {
        return;
    };
    let mut worker = Worker::start(&rig, "search-api").await;
    let running = tokio::spawn({
        let url = rig.url.clone();
        async move { drawgate(&url, &publish(&["--wait"])).await }
    });
    let message = worker.next_release().await;
    let request = ReleaseRequest::decode(&message.data).unwrap();
    let mut theirs = rejected(b"other bytes under the same id", RejectionCode::IdReused);
    theirs.release = Some(request.id);
    theirs.environment = Some(request.environment.clone());
    theirs.service = Some(request.service.clone());
    worker.publish_event(&theirs).await;
    // The worker rejects as if it could not read the message: without an id and a target.
    worker
        .publish_event(&rejected(&message.data, RejectionCode::WrongVersion))
        .await;
    let ended = running.await.unwrap();
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(
        ended.stdout.starts_with("rejected (wrong_version): "),
        "{}",
        ended.stdout
    );
    assert!(!ended.stderr.contains("id_reused"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_24_to_stop_waiting_is_not_to_stop_the_release() {
    let Some(rig) = Rig::new("stop").await else { return };
    let mut worker = Worker::start(&rig, "search-api").await;
    let mut running = start(&rig.url, &publish(&["--wait"]));
    worker.accept().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    interrupt(&running);
    let ended = finish(&mut running).await;
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    in_order(
        &ended.stderr,
        &[
            "interrupted: stopped waiting; the release goes on",
            "hint: drawgate watch ",
        ],
    );

    let ended = drawgate(&rig.url, &publish(&["--wait", "--timeout", "1s"])).await;
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    in_order(
        &ended.stderr,
        &["--timeout has passed: stopped waiting", "hint: drawgate watch "],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_no_worker_takes_is_said_to_wait() {
    let Some(rig) = Rig::new("waits").await else {
        return;
    };
    let _worker = Worker::start(&rig, "search-api").await;
    let ended = drawgate(&rig.url, &publish(&["--wait", "--timeout", "8s"])).await;
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    in_order(
        &ended.stderr,
        &["no worker has taken the message yet", "--timeout has passed"],
    );
}
