//! Events that were missed while it waits: asked for, and told once.

use std::time::Duration;

use drawgate_lab::wire::Wire;
use drawgate_schemas::{Outcome, RejectionCode};

use crate::program::{drawgate, in_order, publish};
use crate::rig::Rig;
use crate::story::{rejected, story};
use crate::worker::Worker;

#[tokio::test(flavor = "multi_thread")]
async fn trap_24_events_missed_while_disconnected_are_asked_for() {
    let Some(rig) = Rig::new("reset").await else {
        return;
    };
    let mut worker = Worker::start(&rig, "search-api").await;
    worker.page_of(2);
    let wire = Wire::before(&rig.url).await;
    let url = wire.url.clone();
    let running = tokio::spawn(async move { drawgate(&url, &publish(&["--wait"])).await });
    let request = worker.accept().await;
    let story = story(&request, Outcome::Succeeded);
    worker.say(story[0].clone()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    wire.cut();
    wire.closed().await;
    for event in &story[1..4] {
        worker.say(event.clone()).await;
    }
    // The first question after the reconnect is lost, so it has to be asked again.
    worker.be_deaf_to(1);
    wire.mend();
    // The program asks at once, and not only after some silence.
    tokio::time::timeout(Duration::from_secs(4), worker.asked(1))
        .await
        .expect("a question after the reconnect");
    worker.answered(2).await;
    worker.say(story[4].clone()).await;
    let ended = running.await.unwrap();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let told = [
        "accepted by",
        "is lost",
        "connected again",
        "step 2",
        "step 3",
        "step 4",
        "all of it",
    ];
    in_order(&ended.stderr, &told);
    assert!(worker.times_asked() >= 3, "{} questions", worker.times_asked());
    assert_eq!(worker.releases_seen(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_lost_leaves_a_gap_that_is_asked_for() {
    let Some(rig) = Rig::new("gap").await else { return };
    let mut worker = Worker::start(&rig, "search-api").await;
    let url = rig.url.clone();
    let running = tokio::spawn(async move { drawgate(&url, &publish(&["--wait"])).await });
    let request = worker.accept().await;
    for event in story(&request, Outcome::Succeeded) {
        if event.sequence == 3 {
            worker.remember(event);
        } else {
            worker.say(event).await;
        }
    }
    let ended = running.await.unwrap();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    in_order(
        &ended.stderr,
        &["accepted by", "step 2", "step 3", "step 4", "all of it"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_that_was_missed_comes_again_with_the_same_bytes() {
    let Some(rig) = Rig::new("missed-no").await else {
        return;
    };
    let mut worker = Worker::start(&rig, "search-api").await;
    let wire = Wire::before(&rig.url).await;
    let url = wire.url.clone();
    let running = tokio::spawn(async move { drawgate(&url, &publish(&["--wait"])).await });
    let first = worker.next_release().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    wire.cut();
    wire.closed().await;
    worker
        .publish_event(&rejected(&first.data, RejectionCode::LaneFull))
        .await;
    wire.mend();
    let again = worker.next_release().await;
    assert_eq!(first.data, again.data);
    worker
        .publish_event(&rejected(&again.data, RejectionCode::LaneFull))
        .await;
    let ended = running.await.unwrap();
    assert_eq!(ended.code, 3, "{}", ended.stderr);
}
