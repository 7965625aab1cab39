//! The sequence of builds, where the counter starts again, leaps, or belongs to a release that may never
//! begin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Event, Outcome, ReleaseId};
use drawgate_tests::oracle::Look;
use drawgate_tests::webhook::{Listening, Webhook};
use drawgate_tests::{Events, Scene, Service};
use serde_json::json;

const TWO: [&str; 2] = ["h1", "h2"];

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
    scene.configure(&format!("[chat]\nwebhook = \"{}\"\n", webhook.url()));
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &TWO).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    scene.lab.image("search", "v3", "v3", "ok").await;
    let v4 = scene.lab.image("search", "v4", "v4", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let (code, said) = publish(&scene, "ci", "v2", "812", &[]).await;
    assert_eq!(code, 0, "{said}");
    let (code, said) = publish(&scene, "ci", "v3", "1", &[]).await;
    let way_out = "drawgate forget-sequence --environment staging --service search --reason WHY";
    assert_eq!(code, 8, "{said}");
    // The terminal wraps the text, so the comparison ignores line breaks.
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(way_out), "{said}");
    let superseded = of_version(&events, "v3", 0);
    let (_, why) = run(&scene, "ci", &["why", &superseded.to_string()]).await;
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
    let (code, said) = run(&scene, "anna", &command).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("numbers of search in staging up to 812 count no more"),
        "{said}"
    );
    let told = |event: &drawgate_schemas::StatusEvent| match &event.event {
        Event::SequenceForgotten(forgotten) => Some((event.clone(), forgotten.clone())),
        _ => None,
    };
    let (event, forgotten) = events.find("that it was forgotten", told).await;
    assert_eq!(
        (event.release, forgotten.highest, forgotten.by.as_str()),
        (None, 812, "anna")
    );
    posted(&chat, &["forgotten by anna", "the workflow was renamed"]).await;
    let history = ["history", "--environment", "staging", "--service", "search"];
    let (_, said) = run(&scene, "ci", &history).await;
    assert!(
        said.contains("build numbers up to 812 were forgotten by anna: the workflow was renamed"),
        "{said}"
    );
    let (code, said) = run(&scene, "anna", &command).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("has a number that counts"), "{said}");

    worker.kill().await;
    let worker = scene.worker().await;
    let (code, said) = publish(&scene, "ci", "v3", "1", &[]).await;
    assert_eq!(code, 0, "{said}");
    let (code, said) = publish(&scene, "ci", "v4", "2", &[]).await;
    assert_eq!(code, 0, "{said}");
    scene
        .judge(&events, of_version(&events, "v4", 0), Outcome::Succeeded, &before)
        .await;
    let after = Look::at(&scene.lab).await;
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v4));
    scene.end_after_kill(worker).await;
}

/// A leap in the sequence, by a date, a typing error or an attacker, is refused, and the lane goes on. A
/// login in `[orders]` may force it.
#[tokio::test]
async fn trap_44_a_number_that_leaps_pins_no_lane() {
    let scene = Scene::begin().await;
    scene.configure("[groups]\nops = [\"anna\"]\n\n[orders]\nfrom = [\"ops\"]\n");
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &TWO).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    scene.lab.image("search", "v3", "v3", "ok").await;
    let v4 = scene.lab.image("search", "v4", "v4", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let (code, said) = publish(&scene, "ci", "v2", "812", &[]).await;
    assert_eq!(code, 0, "{said}");
    let written = scene.lab.writes().await.len();

    let request = json!({
        "version": 1, "id": uuid::Uuid::now_v7(), "environment": "staging", "service": "search", "sequence": u64::MAX,
        "image": scene.image("search", "v2"), "requested_at": "2026-01-01T00:00:00Z",
    });
    let body = serde_json::to_vec(&request).unwrap();
    scene.broker.publish("staging.search", &body).await;
    let dead = scene.broker.dead_letter().await;
    assert_eq!(dead.reason, "invalid", "{}", dead.detail);
    assert!(
        dead.detail.contains("at most 9007199254740992 (2^53)"),
        "{}",
        dead.detail
    );
    for (user, more) in [("ci", &[][..]), ("ben", &["--force"])] {
        let (code, said) = publish(&scene, user, "v2", "20260101", more).await;
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
        let dead = scene.broker.dead_letter().await;
        assert_eq!(dead.reason, "sequence_jump", "{}", dead.detail);
        // The same message is published again.
        scene.broker.publish("staging.search", &dead.body).await;
        assert_eq!(scene.broker.dead_letter().await.reason, "sequence_jump");
    }
    assert_eq!(scene.lab.writes().await.len(), written, "something was touched");

    let (code, said) = publish(&scene, "ci", "v3", "813", &[]).await;
    assert_eq!(code, 0, "{said}");
    let (code, said) = publish(&scene, "anna", "v4", "20260101", &["--force"]).await;
    assert_eq!(code, 0, "{said}");
    scene
        .judge(&events, of_version(&events, "v4", 0), Outcome::Succeeded, &before)
        .await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v4));
    scene.end(worker).await;
}

/// A frozen release supersedes no other; once the freeze is over the later build does, whichever driver looks
/// first.
#[tokio::test]
async fn trap_44_a_blocked_release_supersedes_nobody() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &TWO).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let v3 = scene.lab.image("search", "v3", "v3", "ok").await;
    let v4 = scene.lab.image("search", "v4", "v4", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
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

    let (code, said) = run(&scene, "anna", &freeze).await;
    assert_eq!(code, 0, "{said}");
    let pinning = scene.publish("search", "v2", &["--sequence", "900000"]).await;
    events.kind(pinning, "blocked").await;
    let good = scene.publish("search", "v3", &["--sequence", "812"]).await;
    events.kind(good, "blocked").await;
    let (code, said) = run(&scene, "anna", &["cancel", &pinning.to_string(), "--yes"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(events.end(pinning).await.outcome, Outcome::Cancelled);
    let (code, said) = run(&scene, "anna", &thaw).await;
    assert_eq!(code, 0, "{said}");
    scene.judge(&events, good, Outcome::Succeeded, &before).await;
    let after = Look::at(&scene.lab).await;
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v3));

    let (code, said) = run(&scene, "anna", &freeze).await;
    assert_eq!(code, 0, "{said}");
    let older = scene.publish("search", "v2", &["--sequence", "813"]).await;
    events.kind(older, "blocked").await;
    let newer = scene.publish("search", "v4", &["--sequence", "814"]).await;
    events.kind(newer, "blocked").await;
    let (code, said) = run(&scene, "anna", &thaw).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(events.end(older).await.outcome, Outcome::Superseded);
    scene.judge(&events, newer, Outcome::Succeeded, &before).await;
    let after = Look::at(&scene.lab).await;
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v4));
    scene.end(worker).await;
}

/// A release that nobody approves supersedes no other; once it is approved it does.
#[tokio::test]
async fn trap_44_one_that_waits_for_approval_supersedes_nobody() {
    let scene = Scene::begin().await;
    scene.configure("[groups]\nops = [\"anna\"]\n");
    let mut service = Service::of("search");
    service.more = "[environment.staging]\napproval = { from = [\"ops\"] }".to_owned();
    scene.serve(&service);
    let fleet = scene.fleet_on_v1("search", &TWO).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let v3 = scene.lab.image("search", "v3", "v3", "ok").await;
    let v4 = scene.lab.image("search", "v4", "v4", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let answer = async |verb: &str, id: ReleaseId| {
        let (code, said) = run(&scene, "anna", &[verb, &id.to_string(), "--yes"]).await;
        assert_eq!(code, 0, "{verb}: {said}");
    };

    let pinning = scene.publish("search", "v2", &["--sequence", "900000"]).await;
    events.kind(pinning, "awaits_approval").await;
    let good = scene.publish("search", "v3", &["--sequence", "812"]).await;
    events.kind(good, "awaits_approval").await;
    answer("approve", good).await;
    answer("reject", pinning).await;
    scene.judge(&events, good, Outcome::Succeeded, &before).await;
    let after = Look::at(&scene.lab).await;
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v3));

    let older = scene.publish("search", "v2", &["--sequence", "813"]).await;
    events.kind(older, "awaits_approval").await;
    let newer = scene.publish("search", "v4", &["--sequence", "814"]).await;
    events.kind(newer, "awaits_approval").await;
    answer("approve", newer).await;
    assert_eq!(events.end(older).await.outcome, Outcome::Superseded);
    scene.judge(&events, newer, Outcome::Succeeded, &before).await;
    let after = Look::at(&scene.lab).await;
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v4));
    scene.end(worker).await;
}
