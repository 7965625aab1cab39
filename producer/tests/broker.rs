//! `drawgate` against a real RabbitMQ, with a scripted worker.
//!
//! Needs `DRAWGATE_AMQP_URL`; says so and passes without it. With `LAB_RABBITMQ_API`
//! (`http://USER:PASSWORD@HOST:PORT`, the management API) every test has its own virtual host. Without it the
//! tests share that of the address, one at a time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod rig;

use std::time::Duration;

use drawgate_schemas::{Outcome, Rejection, RejectionCode, ReleaseRequest};
use rig::{Proxy, Rig, Worker, drawgate, rejected, story};

const TARGET: [&str; 6] = [
    "--environment",
    "staging",
    "--service",
    "search-api",
    "--image",
    "registry.example.com/search-api:4f2c91e",
];
const ID: &str = "01936a5e-7c2e-7d10-8a44-5c1f2e9b0d7c";

fn publish<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["publish"]
        .into_iter()
        .chain(TARGET)
        .chain(more.iter().copied())
        .collect()
}

/// Asserts that each of `needles` stands in `text`, in this order and once.
#[track_caller]
fn in_order(text: &str, needles: &[&str]) {
    let mut from = 0;
    for needle in needles {
        assert_eq!(text.matches(needle).count(), 1, "{needle:?} once in:\n{text}");
        let at = text[from..].find(needle);
        from += at.unwrap_or_else(|| panic!("{needle:?} is not in its place in:\n{text}"));
    }
}

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
async fn trap_24_events_missed_while_the_connection_was_down_are_asked_for() {
    let Some(rig) = Rig::new("reset").await else {
        return;
    };
    let mut worker = Worker::start(&rig, "search-api").await;
    worker.page_of(2);
    let proxy = Proxy::start(&rig.url).await;
    let url = proxy.url.clone();
    let running = tokio::spawn(async move { drawgate(&url, &publish(&["--wait"])).await });
    let request = worker.accept().await;
    let story = story(&request, Outcome::Succeeded);
    worker.say(story[0].clone()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.cut().await;
    for event in &story[1..4] {
        worker.say(event.clone()).await;
    }
    // The first question after the reconnect is lost, so it has to be asked again.
    worker.be_deaf_to(1);
    proxy.mend();
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
    let proxy = Proxy::start(&rig.url).await;
    let url = proxy.url.clone();
    let running = tokio::spawn(async move { drawgate(&url, &publish(&["--wait"])).await });
    let first = worker.next_release().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.cut().await;
    worker
        .publish_event(&rejected(&first.data, RejectionCode::LaneFull))
        .await;
    proxy.mend();
    let again = worker.next_release().await;
    assert_eq!(first.data, again.data);
    worker
        .publish_event(&rejected(&again.data, RejectionCode::LaneFull))
        .await;
    let ended = running.await.unwrap();
    assert_eq!(ended.code, 3, "{}", ended.stderr);
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
async fn wrong_credentials_and_a_wrong_virtual_host_are_told_apart() {
    let Some(rig) = Rig::new("refused").await else {
        return;
    };
    let wrong = rig.url_with("nobody", "hidden-pa55", &rig.vhost);
    let ended = drawgate(&wrong, &publish(&[])).await;
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    in_order(
        &ended.stderr,
        &[
            "refused the credentials of user \"nobody\"",
            "ACCESS_REFUSED",
            "hint: ",
        ],
    );
    assert!(!ended.stderr.contains("hidden-pa55"), "{}", ended.stderr);

    let ended = drawgate(&rig.url_in("no-such-vhost"), &publish(&[])).await;
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    in_order(
        &ended.stderr,
        &["has no virtual host \"no-such-vhost\"", "hint: "],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_named() {
    let Some(_rig) = Rig::new("away").await else {
        return;
    };
    let port = rig::free_port().await;
    let url = format!("amqp://ben:hidden-pa55@127.0.0.1:{port}/%2f");
    let ended = drawgate(&url, &publish(&["--connect-timeout", "1s"])).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (5, ""), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains(&format!("error: cannot reach the broker at 127.0.0.1:{port}")),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("onnection refused"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("hidden-pa55"), "{}", ended.stderr);

    let ended = drawgate(
        "amqp://ben@no-such-host.invalid",
        &publish(&["--connect-timeout", "1s"]),
    )
    .await;
    assert!(
        ended
            .stderr
            .contains("error: cannot find the broker no-such-host.invalid:5672"),
        "{}",
        ended.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_confirm_the_printed_command_publishes_the_same_bytes() {
    let Some(rig) = Rig::new("no-confirm").await else {
        return;
    };
    let mut worker = Worker::start(&rig, "search-api").await;
    let proxy = Proxy::start(&rig.url).await;
    proxy.swallow_after("drawgate.releases");
    let options = ["--reason", "it's late", "--expires-in", "2h"];
    let ended = drawgate(&proxy.url, &publish(&options)).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (5, ""), "{}", ended.stderr);
    in_order(
        &ended.stderr,
        &["did not confirm within 15 s", "unknown whether", "harmless"],
    );
    let first = worker.next_release().await;

    let command = ended.stderr.lines().last().unwrap().trim();
    let ended = rig::shell(&rig.url, command).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn trap_24_to_stop_waiting_is_not_to_stop_the_release() {
    let Some(rig) = Rig::new("stop").await else { return };
    let mut worker = Worker::start(&rig, "search-api").await;
    let mut running = rig::start(&rig.url, &publish(&["--wait"]));
    worker.accept().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    rig::interrupt(&running);
    let ended = rig::finish(&mut running).await;
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

/// A reader that stops early, as `head` does, is no error and causes no panic.
#[test]
fn a_reader_that_has_enough_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_drawgate"))
        .args(["completions", "bash"])
        .stdout(writer)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!((ended.status.code(), &*said), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_the_watching_and_is_no_panic() {
    let Some(rig) = Rig::new("pipe").await else { return };
    let mut worker = Worker::start(&rig, "search-api").await;
    let mut running = rig::start(&rig.url, &publish(&["--wait", "--format", "json"]));
    let request = worker.accept().await;
    let story = story(&request, Outcome::Succeeded);
    worker.say(story[0].clone()).await;
    rig::read_one_line_and_close(&mut running).await;
    for event in &story[1..] {
        worker.say(event.clone()).await;
    }
    let ended = rig::finish(&mut running).await;
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("stdout cannot be written to"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}
