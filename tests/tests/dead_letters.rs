//! Dead letters: listed, repaired, replayed, dropped; and none is lost when a command fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::PathBuf;
use std::process::Output;

use drawgate_schemas::{Outcome, ReleaseId, topology::DEAD_QUEUE};
use drawgate_tests::lab::TWO;
use drawgate_tests::runbook::follow;
use drawgate_tests::{Events, Rolling, Scene, Service};
use serde_json::{Value, json};
use uuid::Uuid;

const KEY: &str = "staging.search";

/// A message that the worker accepts.
fn good(scene: &Scene, tag: &str) -> Value {
    json!({
        "version": 1, "id": Uuid::now_v7(), "environment": "staging", "service": "search",
        "image": scene.image("search", tag), "requested_at": "2026-01-01T00:00:00Z",
    })
}

/// The same with an unknown field.
fn mistaken(scene: &Scene, tag: &str) -> Value {
    let mut message = good(scene, tag);
    message["reson"] = json!("a field with a typing error");
    message
}

fn bytes(message: &Value) -> Vec<u8> {
    message.to_string().into_bytes()
}

fn id_of(message: &Value) -> ReleaseId {
    message["id"].as_str().unwrap().parse().unwrap()
}

/// Writes a file in the test's folder.
fn file(scene: &Scene, name: &str, content: &[u8]) -> PathBuf {
    let path = scene.folder().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs `drawgate dead-letters …`, which has to end with this code.
async fn dead_letters(scene: &Scene, words: &[&str], code: i32) -> Output {
    let words = [&["dead-letters"], words].concat();
    ends(scene.drawgate(&words).await, &words, code)
}

fn ends(output: Output, words: &[&str], code: i32) -> Output {
    assert_eq!(
        output.status.code(),
        Some(code),
        "{words:?}: {} {}",
        err(&output),
        out(&output)
    );
    output
}

/// The rows that `list` gives to programs, without the ages, because those grow.
async fn listed(scene: &Scene) -> Vec<Value> {
    let output = dead_letters(scene, &["list", "--format", "json"], 0).await;
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        row["age_s"] = Value::Null;
        row
    };
    out(&output).lines().map(row).collect()
}

fn letter(row: &Value) -> &str {
    row["id"].as_str().unwrap()
}

/// Listens to events from after the refusal of that release's id: the `rejected` event has no number, and the
/// events of a later release with the same id are numbered from 1.
async fn after_the_refusal(scene: &Scene, events: &Events, id: ReleaseId) -> Events {
    events.kind(id, "rejected").await;
    scene.events().await
}

/// Publishes these messages one after the other, and waits until the worker has refused each.
async fn refused(scene: &Scene, messages: &[(&str, Vec<u8>)]) {
    let mut there = scene.broker.count(DEAD_QUEUE).await.unwrap_or_default().0;
    for (key, body) in messages {
        scene.broker.publish(key, body).await;
        there += 1;
        scene.broker.holds(DEAD_QUEUE, there).await;
    }
}

#[tokio::test]
async fn repaired_it_is_released() {
    let mut roll = Rolling::of("search").on(&TWO).image("v2").begin().await;
    let message = mistaken(&roll.scene, "v2");
    let body = bytes(&message);
    refused(&roll.scene, &[(KEY, body.clone())]).await;
    roll.events = after_the_refusal(&roll.scene, &roll.events, id_of(&message)).await;

    let rows = listed(&roll.scene).await;
    let id = letter(&rows[0]).to_owned();
    assert_eq!((rows.len(), &rows[0]["reason"]), (1, &json!("invalid")));
    assert_eq!(listed(&roll.scene).await, rows, "looking changes nothing");
    let table = out(&dead_letters(&roll.scene, &["list"], 0).await);
    assert!(table.contains(&id) && table.contains("staging/search"), "{table}");
    let shown = out(&dead_letters(&roll.scene, &["show", &id], 0).await);
    assert!(
        shown.contains("unknown field `reson`") && shown.contains("\"reson\": \"a field"),
        "{shown}"
    );
    let original = dead_letters(&roll.scene, &["show", &id, "--body"], 0).await;
    assert_eq!(original.stdout, body, "byte for byte");

    let said = err(&dead_letters(&roll.scene, &["replay", &id], 2).await);
    assert!(said.contains("unknown field `reson`"), "{said}");
    assert!(
        said.contains(&format!("replay {id} --with message.json")),
        "{said}"
    );
    roll.scene.broker.holds(DEAD_QUEUE, 1).await;
    let still_wrong = file(&roll.scene, "wrong.json", &body);
    let with = ["replay", &id, "--with", still_wrong.to_str().unwrap()];
    dead_letters(&roll.scene, &with, 2).await;
    assert_eq!(listed(&roll.scene).await, rows);
    assert!(roll.events.all().is_empty(), "something was sent");

    let repaired = String::from_utf8(body)
        .unwrap()
        .replace("\"reson\"", "\"reason\"");
    let repaired = file(&roll.scene, "message.json", repaired.as_bytes());
    let with = ["replay", &id, "--with", repaired.to_str().unwrap()];
    let released = out(&dead_letters(&roll.scene, &with, 0).await);
    let release = released.trim().parse().unwrap();
    roll.judge(release, Outcome::Succeeded).await;
    roll.assert_runs("v2").await;
    let empty = dead_letters(&roll.scene, &["list"], 0).await;
    assert!(
        err(&empty).contains("no dead letters") && out(&empty).is_empty(),
        "{}",
        err(&empty)
    );
    roll.end().await;
}

/// Publishes three messages that are refused: one that no queue takes when it is replayed, one with an error,
/// and one that is no message.
async fn three(scene: &Scene) -> Vec<Value> {
    let mut elsewhere = good(scene, "v1");
    elsewhere["service"] = json!("serach");
    let messages = [
        (KEY, bytes(&elsewhere)),
        (KEY, bytes(&mistaken(scene, "v1"))),
        (KEY, b"release the kraken".to_vec()),
    ];
    refused(scene, &messages).await;
    let rows = listed(scene).await;
    let reasons: Vec<&str> = rows.iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(
        reasons,
        ["wrong_routing_key", "invalid", "not_json"],
        "the oldest first"
    );
    rows
}

#[tokio::test]
async fn whatever_is_not_possible_all_stay_in_their_order() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let none_yet = err(&dead_letters(&scene, &["list"], 5).await);
    assert!(
        none_yet.contains("has no queue drawgate.dead") && none_yet.contains("hint:"),
        "{none_yet}"
    );
    let worker = scene.worker().await;
    let rows = three(&scene).await;
    let [elsewhere, mistaken, nonsense] = [0, 1, 2].map(|place| letter(&rows[place]));

    let unroutable = err(&dead_letters(&scene, &["replay", elsewhere], 5).await);
    assert!(
        unroutable.contains("nobody listens for staging.serach"),
        "{unroutable}"
    );
    let unknown = err(&dead_letters(&scene, &["drop", mistaken, "0123456789ab", "--yes"], 2).await);
    assert!(
        unknown.contains("no dead letter 0123456789ab; nothing was changed"),
        "{unknown}"
    );
    assert!(unknown.contains("hint: drawgate dead-letters list"), "{unknown}");
    dead_letters(&scene, &["replay", elsewhere, "0123456789ab"], 2).await;
    dead_letters(&scene, &["show", "0123456789ab"], 2).await;
    dead_letters(&scene, &["replay", "nonsense"], 2).await;
    let unsure = err(&dead_letters(&scene, &["drop", "--all"], 2).await);
    assert!(
        unsure.contains("nothing was dropped") && unsure.contains("--yes"),
        "{unsure}"
    );
    let message = file(&scene, "message.json", &bytes(&good(&scene, "v1")));
    let two = ["replay", elsewhere, mistaken, "--with", message.to_str().unwrap()];
    dead_letters(&scene, &two, 2).await;
    let all = dead_letters(&scene, &["replay", "--all", "--format", "json"], 3).await;
    assert_eq!(
        out(&all).matches("\"became\":\"stays\"").count(),
        3,
        "{}",
        out(&all)
    );
    assert_eq!(listed(&scene).await, rows);

    // Each in turn: the login may not write, the login may not read, or no worker is there.
    scene.broker.permit("ben", "^$", ".*").await;
    let with = [
        "dead-letters",
        "replay",
        mistaken,
        "--with",
        message.to_str().unwrap(),
    ];
    let said = err(&ends(scene.drawgate_as("ben", &with).await, &with, 5));
    assert!(said.contains("does not let user \"ben\" publish"), "{said}");
    scene.broker.permit("ben", ".*", "^$").await;
    let list = ["dead-letters", "list"];
    let said = err(&ends(scene.drawgate_as("ben", &list).await, &list, 5));
    assert!(
        said.contains("does not let user \"ben\" read drawgate.dead") && said.contains("hint:"),
        "{said}"
    );
    assert_eq!(listed(&scene).await, rows);

    let dropped = dead_letters(&scene, &["drop", mistaken, "--yes", "--format", "json"], 0).await;
    let told: Value = serde_json::from_slice(&dropped.stdout).unwrap();
    assert_eq!(told, json!({"id": mistaken, "became": "dropped"}));
    let left: Vec<String> = listed(&scene)
        .await
        .iter()
        .map(|row| letter(row).to_owned())
        .collect();
    assert_eq!(left, [elsewhere, nonsense]);
    dead_letters(&scene, &["drop", "--all", "--yes"], 0).await;
    scene.broker.holds(DEAD_QUEUE, 0).await;
    scene.end(worker).await;
}

/// A replayed message counts as the replayer's: the broker vouches for the replayer's login, and a header
/// names the original publisher.
#[tokio::test]
async fn a_replay_is_the_replayers_own() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let worker = scene.worker().await;
    let image = "evil.example.com/search:v1";
    let words = [
        "publish",
        "--environment",
        "staging",
        "--service",
        "search",
        "--image",
        image,
    ];
    ends(scene.drawgate_as("ben", &words).await, &words, 0);
    scene.broker.holds(DEAD_QUEUE, 1).await;
    let first = listed(&scene).await;
    assert_eq!(
        (
            &first[0]["reason"],
            &first[0]["published_by"],
            &first[0]["version"]
        ),
        (&json!("image_not_allowed"), &json!("ben"), &json!("v1"))
    );

    let words = ["dead-letters", "replay", letter(&first[0])];
    let said = err(&ends(scene.drawgate_as("anna", &words).await, &words, 0));
    assert!(
        said.contains(&format!("{}  replayed", letter(&first[0]))),
        "{said}"
    );
    // The replay repaired nothing, so the message is refused once more, as another dead letter.
    scene.broker.holds(DEAD_QUEUE, 1).await;
    let second = listed(&scene).await;
    assert_ne!(letter(&second[0]), letter(&first[0]));
    assert_eq!(second[0]["published_by"], json!("anna"));
    assert_eq!(
        scene.broker.dead_letter().await.original_user_id.as_deref(),
        Some("ben")
    );
    scene.end(worker).await;
}

/// `replay` of a release that has ended makes a new release, whatever its outcome was; `replay` of a message
/// from a file makes one release, however often it is sent.
#[tokio::test]
async fn a_past_release_and_a_message_from_a_file() {
    let roll = Rolling::of("search").on(&TWO).image("v2").begin().await;

    let image = roll.scene.image("search", "v2");
    let target = [
        "--environment",
        "staging",
        "--service",
        "search",
        "--image",
        &image,
    ];
    let dry = [&["publish", "--dry-run", "--format", "json"], target.as_slice()].concat();
    let kept = ends(roll.scene.drawgate(&dry).await, &dry, 0);
    let id = id_of(&serde_json::from_slice(&kept.stdout).unwrap());
    let path = file(&roll.scene, "kept.json", &kept.stdout);
    let words = ["replay", "--file", path.to_str().unwrap()];
    let sent = ends(roll.scene.drawgate(&words).await, &words, 0);
    assert_eq!(out(&sent).trim(), id.to_string());
    roll.events.kind(id, "started").await;
    let early = ["replay", &id.to_string()];
    let said = err(&ends(roll.scene.drawgate(&early).await, &early, 2));
    assert!(said.contains("has not ended"), "{said}");
    let words = ["replay", "--file", path.to_str().unwrap(), "--wait"];
    ends(roll.scene.drawgate(&words).await, &words, 0);
    roll.judge(id, Outcome::Succeeded).await;
    let told = roll.events.of(id).len();

    // The tag has moved since: the digest counts.
    roll.scene.lab.image("search", "v2", "v2-later", "exit").await;
    let words = ["replay", &id.to_string(), "--force", "--wait", "--format", "json"];
    let again = ends(roll.scene.drawgate(&words).await, &words, 0);
    let last: Value = serde_json::from_str(out(&again).lines().last().unwrap()).unwrap();
    let second: ReleaseId = last["data"]["release"].as_str().unwrap().parse().unwrap();
    assert_ne!(second, id);
    let ended = roll.judge(second, Outcome::Succeeded).await;
    assert!(
        ended.receipt.is_some(),
        "forced, it was rolled: {}",
        ended.summary
    );
    roll.assert_runs("v2").await;
    assert_eq!(
        roll.events.of(id).len(),
        told,
        "the message sent twice was released once"
    );
    roll.end().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_sent_is_named_with_the_way_out() {
    let scene = Scene::begin().await;
    let mut expired = good(&scene, "v1");
    expired["expires_at"] = json!("2026-01-01T00:00:01Z");
    let cases = [
        ("none.json", None, "cannot be read"),
        ("text.json", Some(b"no message".to_vec()), "not_json"),
        (
            "mistake.json",
            Some(bytes(&mistaken(&scene, "v1"))),
            "unknown field `reson`",
        ),
        (
            "expired.json",
            Some(bytes(&expired)),
            "it has expired: its expires_at is 2026-01-01T00:00:01Z",
        ),
    ];
    for (name, content, says) in cases {
        let path = scene.folder().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let words = ["replay", "--file", path.to_str().unwrap()];
        let said = err(&ends(scene.drawgate(&words).await, &words, 2));
        assert!(said.contains(name) && said.contains(says), "{said}");
    }
    scene.broker.delete().await;
}

#[tokio::test]
async fn runbook_replay_a_dead_letter() {
    let mut roll = Rolling::of("search").on(&TWO).image("v2").begin().await;
    let message = mistaken(&roll.scene, "v2");
    refused(&roll.scene, &[(KEY, bytes(&message))]).await;
    roll.events = after_the_refusal(&roll.scene, &roll.events, id_of(&message)).await;
    let rows = listed(&roll.scene).await;
    let variables = [("LETTER", letter(&rows[0])), ("EDITOR", "sed -i s/reson/reason/")];
    let printed = follow(&roll.scene, "replay-a-dead-letter.md", &variables).await;
    assert!(printed.contains("unknown field `reson`"), "{printed}");
    roll.judge(id_of(&message), Outcome::Succeeded).await;
    roll.scene.broker.holds(DEAD_QUEUE, 0).await;
    roll.end().await;
}

/// While the worker is away, one message is kept in a file, and another one expires in the broker.
#[tokio::test]
async fn runbook_replay_after_an_outage() {
    let mut roll = Rolling::of("search").on(&TWO).images(["v2", "v3"]).begin().await;
    let past = roll.publish("v3").await;
    roll.judge(past, Outcome::Succeeded).await;
    roll.worker.stop().await;
    let put_away = good(&roll.scene, "v2");
    roll.scene
        .broker
        .publish_expiring(KEY, &bytes(&put_away), 1)
        .await;
    roll.scene.broker.holds(DEAD_QUEUE, 1).await;
    let rows = listed(&roll.scene).await;
    assert_eq!(
        (&rows[0]["reason"], &rows[0]["worker"], &rows[0]["routing_key"]),
        (&json!("expired"), &Value::Null, &json!(KEY))
    );
    assert!(rows[0]["rejected_at"].is_string(), "{rows:?}");
    let kept = good(&roll.scene, "v2");
    std::fs::create_dir(roll.scene.folder().join("kept")).unwrap();
    file(&roll.scene, &format!("kept/{}.json", id_of(&kept)), &bytes(&kept));

    roll.worker = roll.scene.worker().await;
    roll.events = after_the_refusal(&roll.scene, &roll.events, id_of(&put_away)).await;
    let (messages, past) = (roll.scene.folder().join("kept"), past.to_string());
    let variables = [
        ("MESSAGES", messages.to_str().unwrap()),
        ("RELEASE", past.as_str()),
    ];
    let printed = follow(&roll.scene, "replay-after-an-outage.md", &variables).await;
    assert!(printed.contains(&id_of(&kept).to_string()), "{printed}");
    for message in [&kept, &put_away] {
        roll.judge(id_of(message), Outcome::Succeeded).await;
    }
    roll.scene.broker.holds(DEAD_QUEUE, 0).await;
    roll.assert_runs("v3").await;
    roll.end().await;
}
