//! Lanes: one release of a target at a time, targets side by side, and messages that wait for a worker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Event, Outcome, ReleaseId};
use drawgate_tests::oracle::Look;
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::{Events, Scene, Service};
use serde_json::json;

const TWO: [&str; 2] = ["h1", "h2"];

/// Place of a release's event among all that were heard.
fn place(events: &Events, id: ReleaseId, kind: &str) -> usize {
    let all = events.all();
    let found = all
        .iter()
        .position(|event| event.release == Some(id) && event.event.key() == kind);
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
    // The tag is resolved at acceptance: moving it while the release waits changes nothing.
    events.kind(second, "resolved").await;
    scene.lab.image("search", "v3", "v3-later", "exit").await;

    events.end(first).await;
    scene.judge(&events, second, Outcome::Succeeded, &before).await;
    assert!(
        place(&events, first, "succeeded") < place(&events, second, "started"),
        "the second waited for its turn"
    );
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v3));
    scene.end(worker).await;
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
