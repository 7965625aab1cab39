//! The sequence of builds, where the counter starts again, leaps, or belongs to a release that may never
//! begin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Event, Outcome, ReleaseId};
use drawgate_tests::lab::TWO;
use drawgate_tests::webhook::{Listening, Webhook};
use drawgate_tests::{Events, Rolling, Scene};
use serde_json::json;

/// Runs `drawgate`; gives exit code and output.
async fn run(scene: &Scene, user: &str, arguments: &[&str]) -> (i32, String) {
    let output = scene.drawgate_as(user, arguments).await;
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// Runs `drawgate publish` of a version with this sequence to its end.
async fn publish(scene: &Scene, user: &str, tag: &str, sequence: &str, more: &[&str]) -> (i32, String) {
    let image = scene.image("search", tag);
    let words = [
        "publish",
        "--environment",
        "staging",
        "--service",
        "search",
        "--image",
        &image,
    ];
    run(
        scene,
        user,
        &[&words[..], &["--sequence", sequence, "--wait"], more].concat(),
    )
    .await
}

/// Waits for a post that contains all of these words.
async fn posted(chat: &Listening, words: &[&str]) -> String {
    let mut heard = 1;
    loop {
        let posts = chat.posts(heard).await;
        let texts = posts.iter().filter_map(|post| post["text"].as_str());
        let found = texts
            .clone()
            .find(|text| words.iter().all(|word| text.contains(word)));
        if let Some(found) = found {
            return found.to_owned();
        }
        heard = posts.len() + 1;
    }
}

/// The id of a release of this version: of the first for `which` 0, of the second for 1.
fn of_version(events: &Events, version: &str, which: usize) -> ReleaseId {
    let of = |event: &drawgate_schemas::StatusEvent| match &event.event {
        Event::Accepted { version_name, .. } if version_name == version => event.release,
        _ => None,
    };
    events
        .all()
        .iter()
        .filter_map(of)
        .nth(which)
        .expect("it was accepted")
}

/// A workflow is renamed, and its runs count from 1. The superseded release names the command that helps in
/// `--wait`, `why` and chat; once the sequence is forgotten, it stays forgotten, also in the next worker
/// process.
#[tokio::test]
async fn trap_44_a_counter_that_starts_again_has_a_way_out() {
    let scene = Scene::begin().await;
    let webhook = Webhook::away().await;
    let chat = webhook.listen().await;
    let mut roll = Rolling::of("search")
        .on(&TWO)
        .configured(&format!("[chat]\nwebhook = \"{}\"\n", webhook.url()))
        .images(["v2", "v3", "v4"])
        .begin_in(scene)
        .await;

    let (code, said) = publish(&roll.scene, "ci", "v2", "812", &[]).await;
    assert_eq!(code, 0, "{said}");
    let (code, said) = publish(&roll.scene, "ci", "v3", "1", &[]).await;
    let way_out = "drawgate forget-sequence --environment staging --service search --reason WHY";
    assert_eq!(code, 8, "{said}");
    // The terminal wraps the text, so the comparison ignores line breaks.
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(way_out), "{said}");
    let superseded = of_version(&roll.events, "v3", 0);
    let (_, why) = run(&roll.scene, "ci", &["why", &superseded.to_string()]).await;
    assert!(why.contains(way_out), "{why}");
    let post = posted(&chat, &["superseded", &superseded.to_string()]).await;
    assert!(post.contains(way_out), "{post}");

    let command = [
        "forget-sequence",
        "--environment",
        "staging",
        "--service",
        "search",
        "--reason",
        "the workflow was renamed",
    ];
    let (code, said) = run(&roll.scene, "anna", &command).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("numbers of search in staging up to 812 count no more"),
        "{said}"
    );
    let told = |event: &drawgate_schemas::StatusEvent| match &event.event {
        Event::SequenceForgotten(forgotten) => Some((event.clone(), forgotten.clone())),
        _ => None,
    };
    let (event, forgotten) = roll.events.find("that it was forgotten", told).await;
    assert_eq!(
        (event.release, forgotten.highest, forgotten.by.as_str()),
        (None, 812, "anna")
    );
    posted(&chat, &["forgotten by anna", "the workflow was renamed"]).await;
    let history = ["history", "--environment", "staging", "--service", "search"];
    let (_, said) = run(&roll.scene, "ci", &history).await;
    assert!(
        said.contains("build numbers up to 812 were forgotten by anna: the workflow was renamed"),
        "{said}"
    );
    let (code, said) = run(&roll.scene, "anna", &command).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("has a number that counts"), "{said}");

    roll.worker.kill().await;
    roll.worker = roll.scene.worker().await;
    let (code, said) = publish(&roll.scene, "ci", "v3", "1", &[]).await;
    assert_eq!(code, 0, "{said}");
    let (code, said) = publish(&roll.scene, "ci", "v4", "2", &[]).await;
    assert_eq!(code, 0, "{said}");
    roll.judge(of_version(&roll.events, "v4", 0), Outcome::Succeeded)
        .await;
    roll.assert_runs("v4").await;
    roll.end_after_kill().await;
}

/// A leap in the sequence, by a date, a typing error or an attacker, is refused, and the lane goes on. A
/// login in `[orders]` may force it.
#[tokio::test]
async fn trap_44_a_number_that_leaps_pins_no_lane() {
    let roll = Rolling::of("search")
        .on(&TWO)
        .configured("[groups]\nops = [\"anna\"]\n\n[orders]\nfrom = [\"ops\"]\n")
        .images(["v2", "v3", "v4"])
        .begin()
        .await;
    let (code, said) = publish(&roll.scene, "ci", "v2", "812", &[]).await;
    assert_eq!(code, 0, "{said}");
    let written = roll.scene.lab.writes().await.len();

    let request = json!({
        "version": 1, "id": uuid::Uuid::now_v7(), "environment": "staging", "service": "search", "sequence": u64::MAX,
        "image": roll.scene.image("search", "v2"), "requested_at": "2026-01-01T00:00:00Z",
    });
    let body = serde_json::to_vec(&request).unwrap();
    roll.scene.broker.publish("staging.search", &body).await;
    let dead = roll.scene.broker.dead_letter().await;
    assert_eq!(dead.reason, "invalid", "{}", dead.detail);
    assert!(
        dead.detail.contains("at most 9007199254740992 (2^53)"),
        "{}",
        dead.detail
    );
    for (user, more) in [("ci", &[][..]), ("ben", &["--force"])] {
        let (code, said) = publish(&roll.scene, user, "v2", "20260101", more).await;
        assert_eq!(code, 3, "{said}");
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            said.contains("sequence 20260101 lies more than 1000000 above 812"),
            "{said}"
        );
        assert!(
            said.contains("drawgate forget-sequence --environment staging"),
            "{said}"
        );
        let dead = roll.scene.broker.dead_letter().await;
        assert_eq!(dead.reason, "sequence_jump", "{}", dead.detail);
        // The same message is published again.
        roll.scene.broker.publish("staging.search", &dead.body).await;
        assert_eq!(roll.scene.broker.dead_letter().await.reason, "sequence_jump");
    }
    assert_eq!(
        roll.scene.lab.writes().await.len(),
        written,
        "something was touched"
    );

    let (code, said) = publish(&roll.scene, "ci", "v3", "813", &[]).await;
    assert_eq!(code, 0, "{said}");
    let (code, said) = publish(&roll.scene, "anna", "v4", "20260101", &["--force"]).await;
    assert_eq!(code, 0, "{said}");
    roll.judge(of_version(&roll.events, "v4", 0), Outcome::Succeeded)
        .await;
    roll.assert_runs("v4").await;
    roll.end().await;
}

/// A frozen release supersedes no other; once the freeze is over the later build does, whichever driver looks
/// first.
#[tokio::test]
async fn trap_44_a_blocked_release_supersedes_nobody() {
    let roll = Rolling::of("search")
        .on(&TWO)
        .images(["v2", "v3", "v4"])
        .begin()
        .await;
    let freeze = [
        "freeze",
        "--environment",
        "staging",
        "--for",
        "1h",
        "--reason",
        "db upgrade",
    ];
    let thaw = ["thaw", "--environment", "staging"];

    let (code, said) = run(&roll.scene, "anna", &freeze).await;
    assert_eq!(code, 0, "{said}");
    let pinning = roll.publish_with_options("v2", &["--sequence", "900000"]).await;
    roll.events.kind(pinning, "blocked").await;
    let good = roll.publish_with_options("v3", &["--sequence", "812"]).await;
    roll.events.kind(good, "blocked").await;
    let (code, said) = run(&roll.scene, "anna", &["cancel", &pinning.to_string(), "--yes"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(roll.events.end(pinning).await.outcome, Outcome::Cancelled);
    let (code, said) = run(&roll.scene, "anna", &thaw).await;
    assert_eq!(code, 0, "{said}");
    roll.judge(good, Outcome::Succeeded).await;
    roll.assert_runs("v3").await;

    let (code, said) = run(&roll.scene, "anna", &freeze).await;
    assert_eq!(code, 0, "{said}");
    let older = roll.publish_with_options("v2", &["--sequence", "813"]).await;
    roll.events.kind(older, "blocked").await;
    let newer = roll.publish_with_options("v4", &["--sequence", "814"]).await;
    roll.events.kind(newer, "blocked").await;
    let (code, said) = run(&roll.scene, "anna", &thaw).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(roll.events.end(older).await.outcome, Outcome::Superseded);
    roll.judge(newer, Outcome::Succeeded).await;
    roll.assert_runs("v4").await;
    roll.end().await;
}

/// A release that nobody approves supersedes no other; once it is approved it does.
#[tokio::test]
async fn trap_44_one_that_waits_for_approval_supersedes_nobody() {
    let roll = Rolling::of("search")
        .service(|service| service.more = "[environment.staging]\napproval = { from = [\"ops\"] }".to_owned())
        .on(&TWO)
        .configured("[groups]\nops = [\"anna\"]\n")
        .images(["v2", "v3", "v4"])
        .begin()
        .await;
    let answer = async |verb: &str, id: ReleaseId| {
        let (code, said) = run(&roll.scene, "anna", &[verb, &id.to_string(), "--yes"]).await;
        assert_eq!(code, 0, "{verb}: {said}");
    };

    let pinning = roll.publish_with_options("v2", &["--sequence", "900000"]).await;
    roll.events.kind(pinning, "awaits_approval").await;
    let good = roll.publish_with_options("v3", &["--sequence", "812"]).await;
    roll.events.kind(good, "awaits_approval").await;
    answer("approve", good).await;
    answer("reject", pinning).await;
    roll.judge(good, Outcome::Succeeded).await;
    roll.assert_runs("v3").await;

    let older = roll.publish_with_options("v2", &["--sequence", "813"]).await;
    roll.events.kind(older, "awaits_approval").await;
    let newer = roll.publish_with_options("v4", &["--sequence", "814"]).await;
    roll.events.kind(newer, "awaits_approval").await;
    answer("approve", newer).await;
    assert_eq!(roll.events.end(older).await.outcome, Outcome::Superseded);
    roll.judge(newer, Outcome::Succeeded).await;
    roll.assert_runs("v4").await;
    roll.end().await;
}
