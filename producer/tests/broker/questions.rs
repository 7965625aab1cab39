//! Questions to the workers: show and watch.

use std::time::Duration;

use drawgate_schemas::Outcome;

use crate::program::{ID, drawgate, in_order, publish};
use crate::rig::Rig;
use crate::story::story;
use crate::worker::Worker;

#[tokio::test(flavor = "multi_thread")]
async fn watching_tells_the_past_and_then_the_rest() {
    let Some(rig) = Rig::new("watch").await else {
        return;
    };
    let mut worker = Worker::start(&rig, "search-api").await;
    worker.page_of(2);
    drawgate(&rig.url, &publish(&["--id", ID])).await;
    let request = worker.accept().await;
    let story = story(&request, Outcome::NeedsOperator);
    for event in &story[..3] {
        worker.say(event.clone()).await;
    }
    let url = rig.url.clone();
    let running = tokio::spawn(async move { drawgate(&url, &["watch", ID]).await });
    worker.answered(3).await;
    for event in &story[3..] {
        worker.say(event.clone()).await;
    }
    let ended = running.await.unwrap();
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    in_order(
        &ended.stderr,
        &[
            "search-api 4f2c91e -> staging",
            "accepted by",
            "step 2",
            "step 3",
            "step 4",
        ],
    );
    assert!(
        ended.stdout.starts_with("stopped and needs an operator: "),
        "{}",
        ended.stdout
    );

    let ended = drawgate(&rig.url, &["watch", ID]).await;
    assert_eq!(ended.code, 4, "again, after its end: {}", ended.stderr);
    in_order(&ended.stderr, &["accepted by", "step 2", "step 3", "step 4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_release_and_silent_workers_are_told_apart() {
    let Some(rig) = Rig::new("unknown").await else {
        return;
    };
    let worker = Worker::start(&rig, "search-api").await;
    for command in ["show", "watch"] {
        let ended = drawgate(&rig.url, &[command, ID]).await;
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(
            ended
                .stderr
                .contains(&format!("no worker knows release {ID} (asked: bastion-a)")),
            "{}",
            ended.stderr
        );
    }
    worker.be_deaf_to(u32::MAX);
    for command in ["show", "watch"] {
        let ended = drawgate(&rig.url, &[command, ID]).await;
        assert_eq!(ended.code, 5, "{}", ended.stderr);
        assert!(
            ended.stderr.contains("no worker answered within 5 s"),
            "{}",
            ended.stderr
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_workers_the_one_that_knows_is_heard() {
    let Some(rig) = Rig::new("sites").await else {
        return;
    };
    let mut knows = Worker::start(&rig, "search-api").await;
    let _other = Worker::named(&rig, "ingest", "bastion-b").await;
    drawgate(&rig.url, &publish(&["--id", ID])).await;
    let request = knows.accept().await;
    knows.answer_after(Duration::from_millis(500));
    for event in story(&request, Outcome::Succeeded) {
        knows.say(event).await;
    }
    let ended = drawgate(&rig.url, &["show", ID]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    in_order(
        &ended.stdout,
        &[
            "search-api 4f2c91e -> staging",
            "accepted by",
            "step 4",
            "all of it",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn show_puts_the_pages_together() {
    let Some(rig) = Rig::new("pages").await else {
        return;
    };
    let mut worker = Worker::start(&rig, "search-api").await;
    worker.page_of(2);
    drawgate(&rig.url, &publish(&["--id", ID])).await;
    let request = worker.accept().await;
    for event in story(&request, Outcome::Cancelled) {
        worker.say(event).await;
    }
    // A reply comes at most once: the first question stays without an answer.
    worker.be_deaf_to(1);
    let ended = drawgate(&rig.url, &["show", ID, "--format", "json", "--logs"]).await;
    assert_eq!(
        (ended.code, ended.stdout.lines().count()),
        (0, 1),
        "{}",
        ended.stderr
    );
    let view: drawgate_schemas::ReleaseView = serde_json::from_str(&ended.stdout).unwrap();
    let numbers: Vec<u64> = view.events.iter().map(|event| event.sequence).collect();
    assert_eq!(
        (numbers, view.more, view.logs.len()),
        (vec![1, 2, 3, 4, 5], false, 1)
    );
}
