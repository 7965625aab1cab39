//! Lanes: one release of a target rolls at a time, targets roll side by side, and messages wait for a worker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Event, Outcome, ReleaseId};
use drawgate_tests::oracle::Look;
use drawgate_tests::random;
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::{Events, Scene, Service};
use serde_json::{Value, json};

const TWO: [&str; 2] = ["h1", "h2"];

/// The position of a release's event among all events that were heard.
fn place(events: &Events, id: ReleaseId, kind: &str) -> usize {
    let all = events.all();
    let found = all
        .iter()
        .position(|event| event.release == Some(id) && event.event.kind().name() == kind);
    found.unwrap_or_else(|| panic!("no {kind} of {id}"))
}

#[tokio::test]
async fn two_releases_of_one_target_queue_up() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &TWO).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let v3 = scene.lab.image("search", "v3", "v3", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let first = scene.publish("search", "v2", &[]).await;
    events.kind(first, "started").await;
    let second = scene.publish("search", "v3", &[]).await;
    let ahead = match events.kind(second, "accepted").await.event {
        Event::Accepted { ahead, .. } => ahead,
        other => panic!("{other:?}"),
    };
    assert_eq!(ahead, 1);
    let waiting = scene.show(second).await;
    assert_eq!(waiting["state"], json!({"type": "waiting", "ahead": 1}));
    let lane = status(&scene).await;
    assert_eq!(lane["running"]["release"], json!(first));
    assert_eq!(lane["waiting"][0]["release"], json!(second));
    assert_eq!((&lane["waiting_count"], &lane["last"]), (&json!(1), &Value::Null));
    let why = scene.drawgate(&["why", &second.to_string()]).await;
    let why = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(
        why.contains("waits for 1 release of its lane") && why.contains(&format!("release {first}")),
        "{why}"
    );
    // The tag is resolved at acceptance: moving it while the release is queued changes nothing.
    events.kind(second, "resolved").await;
    scene.lab.image("search", "v3", "v3-later", "exit").await;

    events.end(first).await;
    scene.judge(&events, second, Outcome::Succeeded, &before).await;
    assert!(
        place(&events, first, "succeeded") < place(&events, second, "started"),
        "the second waited in the queue"
    );
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v3));
    let lane = status(&scene).await;
    assert_eq!(lane.get("running"), None);
    assert_eq!(lane["last"]["release"], json!(second));
    assert_eq!(
        (&lane["last"]["version"], &lane["last"]["outcome"]),
        (&json!("v3"), &json!("succeeded"))
    );
    let shown = scene.drawgate(&["status"]).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("staging/search") && shown.contains("v3 ok"),
        "{shown}"
    );
    scene.end(worker).await;
}

/// The one lane, as `drawgate status` reports it.
async fn status(scene: &Scene) -> Value {
    let output = scene.drawgate(&["status", "--format", "json"]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        said.lines().count(),
        1,
        "{said} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_str(&said).unwrap()
}

#[tokio::test]
async fn two_targets_run_side_by_side() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    scene.serve(&Service::of("ingest").on_port(8090));
    scene.v1("search", &TWO, &["-p", "8080:8080"]).await;
    scene.v1("ingest", &TWO, &["-p", "8090:8080"]).await;
    let search = scene.lab.fleet(fleet_spec("search", &TWO, &[(8080, 8100)])).await;
    let ingest = scene.lab.fleet(fleet_spec("ingest", &TWO, &[(8090, 8101)])).await;
    for fleet in [&search, &ingest] {
        scene.lab.all_targets(fleet, "healthy").await;
    }
    let search_v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let ingest_v2 = scene.lab.image("ingest", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let one = scene.publish("search", "v2", &[]).await;
    let other = scene.publish("ingest", "v2", &[]).await;
    events.end(one).await;
    events.end(other).await;
    scene.judge(&events, one, Outcome::Succeeded, &before).await;
    scene.judge(&events, other, Outcome::Succeeded, &before).await;

    assert!(place(&events, one, "started") < place(&events, other, "succeeded"));
    assert!(place(&events, other, "started") < place(&events, one, "succeeded"));
    let after = Look::at(&scene.lab).await;
    after.assert_runs(&search, "search", &scene.pinned("search", &search_v2));
    after.assert_runs(&ingest, "ingest", &scene.pinned("ingest", &ingest_v2));
    scene.end(worker).await;
}

#[tokio::test]
async fn published_while_the_worker_is_down() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &TWO).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let v3 = scene.lab.image("search", "v3", "v3", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    worker.stop().await;

    let first = scene.publish("search", "v2", &[]).await;
    let second = scene.publish("search", "v3", &[]).await;
    scene.broker.holds(&scene.releases_queue(), 2).await;
    assert!(events.all().is_empty(), "nobody was there to say anything");

    let worker = scene.worker().await;
    events.end(first).await;
    scene.judge(&events, second, Outcome::Succeeded, &before).await;
    scene.judge(&events, first, Outcome::Succeeded, &before).await;
    assert!(
        place(&events, first, "succeeded") < place(&events, second, "started"),
        "in the order of the queue"
    );
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v3));
    scene.end(worker).await;
}

/// Fifty builds of one target, published by five senders in any order: the newest is rolled last, builds that
/// a later one overtook are superseded, and each of them gets its end event.
#[tokio::test]
async fn of_fifty_releases_in_any_order_the_newest_wins() {
    const SENDERS: usize = 5;
    const RELEASES: u64 = 50;
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &TWO).await;
    for n in 1..RELEASES {
        scene
            .lab
            .image("search", &format!("build-{n}"), &format!("build-{n}"), "ok")
            .await;
    }
    let newest = scene.lab.image("search", "build-50", "build-50", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let mut random = random::seeded_by("DRAWGATE_ORDER_SEED");
    let mut builds: Vec<u64> = (1..=RELEASES).collect();
    for place in (1..builds.len()).rev() {
        let other = usize::try_from(random.below(place as u64 + 1)).unwrap();
        builds.swap(place, other);
    }
    let scene_ref = &scene;
    let senders = builds.chunks(builds.len() / SENDERS).map(|builds| async move {
        let mut sent = Vec::new();
        for build in builds {
            let (tag, sequence) = (format!("build-{build}"), build.to_string());
            let id = scene_ref
                .publish("search", &tag, &["--sequence", &sequence])
                .await;
            sent.push((*build, id));
        }
        sent
    });
    let sent: Vec<(u64, ReleaseId)> = futures_util::future::join_all(senders).await.concat();
    assert_eq!(sent.len() as u64, RELEASES);

    let mut rolled = Vec::new();
    for (build, id) in &sent {
        let ended = events.end(*id).await;
        match ended.outcome {
            Outcome::Superseded => {
                assert!(ended.summary.contains("which is newer than"), "{}", ended.summary)
            }
            outcome => {
                assert_eq!(outcome, Outcome::Succeeded, "build {build}: {}", ended.summary);
                rolled.push((place(&events, *id, "succeeded"), *build));
            }
        }
        scene.judge_telling(&events, *id, ended.outcome).await;
    }
    rolled.sort_unstable();
    let order: Vec<u64> = rolled.iter().map(|(_, build)| *build).collect();
    assert!(order.is_sorted() && order.last() == Some(&RELEASES), "{order:?}");
    assert!(order.len() < 10, "hardly any was superseded: {order:?}");
    let after = Look::at(&scene.lab).await;
    after.assert_aws_as(&before);
    after.assert_runs(&fleet, "search", &scene.pinned("search", &newest));
    scene.end(worker).await;
}

/// A build that comes after a later one has succeeded is not rolled, unless it is forced.
#[tokio::test]
async fn an_older_build_that_comes_late_is_superseded_unless_it_is_forced() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &TWO).await;
    scene.lab.image("search", "v3", "v3", "ok").await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let id = scene.publish("search", "v3", &["--sequence", "3"]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;

    let written = scene.lab.writes().await.len();
    let late = scene
        .publish_with("search", "v2", &["--sequence", "2", "--wait"])
        .await;
    let said = String::from_utf8_lossy(&late.stderr).into_owned() + &String::from_utf8_lossy(&late.stdout);
    assert_eq!(late.status.code(), Some(8), "{said}");
    assert!(said.contains("of build 3, which is newer than 2"), "{said}");
    assert_eq!(scene.lab.writes().await.len(), written, "something was touched");

    // The older build is superseded again, whether it is published, retried or replayed.
    let id = scene.publish("search", "v2", &["--sequence", "2"]).await;
    assert_eq!(events.end(id).await.outcome, Outcome::Superseded);
    for verb in ["retry", "replay"] {
        let again = scene.drawgate(&[verb, &id.to_string(), "--wait"]).await;
        let said = String::from_utf8_lossy(&again.stdout).into_owned();
        assert_eq!(again.status.code(), Some(8), "{verb}: {said}");
    }
    assert_eq!(scene.lab.writes().await.len(), written, "something was touched");

    let forced = scene
        .publish("search", "v2", &["--sequence", "2", "--force"])
        .await;
    scene.judge(&events, forced, Outcome::Succeeded, &before).await;
    let after = Look::at(&scene.lab).await;
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    scene.end(worker).await;
}

/// A release of the version that every host runs swaps nothing, unless it is forced.
#[tokio::test]
async fn what_runs_everywhere_is_done_at_once_unless_it_is_forced() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    scene.fleet_on_v1("search", &TWO).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;

    let (written, running) = (scene.lab.writes().await.len(), Look::at(&scene.lab).await);
    let again = scene.publish("search", "v2", &[]).await;
    let ended = scene.judge(&events, again, Outcome::Succeeded, &before).await;
    assert_eq!(ended.summary, "2 of 2 serve v2 already: nothing was touched");
    assert_eq!(scene.lab.writes().await.len(), written, "something was touched");
    Look::at(&scene.lab).await.assert_containers_as(&running);

    let forced = scene.publish("search", "v2", &["--force"]).await;
    let ended = scene.judge(&events, forced, Outcome::Succeeded, &before).await;
    assert!(ended.receipt.is_some(), "{}", ended.summary);
    scene.end(worker).await;
}

/// A later build whose tag does not exist ends by itself; the queued build is rolled.
#[tokio::test]
async fn a_later_build_that_cannot_begin_takes_nobodys_place() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &TWO).await;
    scene.lab.image("search", "v4", "v4", "ok").await;
    let v5 = scene.lab.image("search", "v5", "v5", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let first = scene.publish("search", "v4", &["--sequence", "4"]).await;
    events.kind(first, "started").await;
    let waits = scene.publish("search", "v5", &["--sequence", "5"]).await;
    let nothing = scene
        .publish("search", "nobody-pushed-it", &["--sequence", "6"])
        .await;
    assert_eq!(events.end(nothing).await.outcome, Outcome::Failed);
    // The first release ends where the second one starts: AWS is as before when both have ended, and not in
    // between.
    events.end(first).await;
    scene.judge(&events, waits, Outcome::Succeeded, &before).await;
    scene.judge(&events, first, Outcome::Succeeded, &before).await;
    let after = Look::at(&scene.lab).await;
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v5));
    scene.end(worker).await;
}
