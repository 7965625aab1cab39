//! The commands of the runbooks, read from the runbooks and run as they stand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Direction, HostPhase, Outcome};
use drawgate_tests::lab::HOSTS;
use drawgate_tests::oracle::Look;
use drawgate_tests::programs::repository;
use drawgate_tests::runbook::follow;
use drawgate_tests::{Scene, Service};

#[test]
fn the_index_has_every_runbook() {
    let index = std::fs::read_to_string(repository("runbooks/README.md")).unwrap();
    for file in std::fs::read_dir(repository("runbooks")).unwrap().flatten() {
        let name = file.file_name().into_string().unwrap();
        let named = name == "README.md" || index.contains(&format!("({name})"));
        assert!(named || file.path().is_dir(), "{name} is not in the index");
    }
}

#[tokio::test]
async fn approve_a_release() {
    let scene = Scene::begin().await;
    scene.configure("[groups]\nops = [\"drawgate\"]\n");
    let mut service = Service::of("search");
    service.more = "[environment.staging]\napproval = { from = [\"ops\"] }".to_owned();
    scene.serve(&service);
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let image = scene.image("search", "v2");
    let words = [
        "publish",
        "--environment",
        "staging",
        "--service",
        "search",
        "--image",
        &image,
    ];
    let published = scene.drawgate_as("anna", &words).await;
    let id = String::from_utf8(published.stdout).unwrap().trim().to_owned();
    let release = id.parse().unwrap();
    events.kind(release, "awaits_approval").await;
    let printed = follow(&scene, "approve-a-release.md", &[("RELEASE", &id)]).await;
    assert!(
        printed.contains("waits for approval by ops (1 needed; anna,"),
        "{printed}"
    );
    scene.judge(&events, release, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    scene.end(worker).await;
}

#[tokio::test]
async fn publish_by_hand_and_hold_a_release() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    scene.lab.image("search", "v3", "v3", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let image = scene.image("search", "v2");
    let target = [
        ("ENVIRONMENT", "staging"),
        ("SERVICE", "search"),
        ("IMAGE", image.as_str()),
    ];
    let printed = follow(&scene, "publish-by-hand.md", &target).await;
    assert!(printed.contains("receipt"), "{printed}");
    let on_v2 = Look::at(&scene.lab).await;
    on_v2.assert_runs(&fleet, "search", &scene.pinned("search", &v2));

    let id = scene.publish("search", "v3", &[]).await;
    events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 1)
        .await;
    follow(&scene, "hold-a-release.md", &[("RELEASE", &id.to_string())]).await;
    scene.judge(&events, id, Outcome::Cancelled, &before).await;
    Look::at(&scene.lab).await.assert_containers_as(&on_v2);
    scene.end(worker).await;
}

/// Back to v2, although a later build has succeeded; and then there is nothing else to go back to but v3.
#[tokio::test]
async fn roll_back() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    scene.lab.image("search", "v3", "v3", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let lane = ["--environment", "staging", "--service", "search"];
    let nothing = scene
        .drawgate(&[&["rollback", "--yes"], lane.as_slice()].concat())
        .await;
    let said = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert_eq!(nothing.status.code(), Some(2), "{said}");
    assert!(
        said.contains("no release of this lane has succeeded yet"),
        "{said}"
    );
    for (tag, sequence) in [("v2", "2"), ("v3", "3")] {
        let id = scene.publish("search", tag, &["--sequence", sequence]).await;
        scene.judge(&events, id, Outcome::Succeeded, &before).await;
    }
    let unsure = scene.drawgate(&[&["rollback"], lane.as_slice()].concat()).await;
    assert_eq!(unsure.status.code(), Some(2));

    let variables = [("ENVIRONMENT", "staging"), ("SERVICE", "search")];
    let printed = follow(&scene, "roll-back.md", &variables).await;
    assert!(
        printed.contains("v3") && printed.contains("succeeded"),
        "{printed}"
    );
    let after = Look::at(&scene.lab).await;
    after.assert_aws_as(&before);
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    let history = scene
        .drawgate(&[&["history", "--format", "json"], lane.as_slice()].concat())
        .await;
    let newest: serde_json::Value =
        serde_json::from_str(String::from_utf8_lossy(&history.stdout).lines().next().unwrap()).unwrap();
    assert_eq!(newest["digest"], serde_json::json!(v2));
    assert!(
        newest["request"]["reason"]
            .as_str()
            .unwrap()
            .starts_with("back to v2, of release"),
        "{newest}"
    );
    scene.end(worker).await;
}

/// The same by the doctor: the first look touches nothing, and tells of the lease; then all is as before.
#[tokio::test]
async fn lost_ledger() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 2)
        .await;
    worker.kill().await;
    scene.lose_ledger();
    let config = scene.folder().join("worker.toml").to_string_lossy().into_owned();
    let variables = [("CONFIG", config.as_str()), ("WORKER", "bastion-lab")];
    let printed = follow(&scene, "lost-ledger.md", &variables).await;
    assert!(
        printed.contains(&id.to_string()) && printed.contains("rolled back"),
        "{printed}"
    );
    scene.lab.all_targets(&fleet, "healthy").await;
    let after = Look::at(&scene.lab).await;
    after.assert_aws_as(&before);
    after.assert_containers_as(&before);
    scene.broker.delete().await;
}

/// Bastion and ledger are gone while a host is out, scaling suspended and an alarm off: from the tags alone all is as before, and
/// the next worker, with an empty ledger, rolls.
#[tokio::test]
async fn restore_by_hand_without_the_ledger() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 1)
        .await;
    worker.kill().await;
    scene.lose_ledger();
    let out = fleet.in_order()[0].id.clone();
    let printed = follow(
        &scene,
        "restore-by-hand.md",
        &[("ENVIRONMENT", "staging"), ("SERVICE", "search")],
    )
    .await;
    assert!(
        printed.contains(&format!(
            "{out} drawgate:target:search-8080:8080 search-8080 {id} {out} 8080"
        )),
        "{printed}"
    );
    scene.lab.all_targets(&fleet, "healthy").await;
    let restored = Look::at(&scene.lab).await;
    restored.assert_aws_as(&before);
    restored.assert_no_tags();

    let worker = scene.worker().await;
    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    scene.end_after_kill(worker).await;
}

/// Frozen and thawed: what came meanwhile is rolled.
#[tokio::test]
async fn freeze() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let worker = scene.worker().await;
    let variables = [("ENVIRONMENT", "staging"), ("REASON", "db upgrade")];
    let printed = follow(&scene, "freeze.md", &variables).await;
    assert!(
        printed.contains("staging is frozen until") && printed.contains("bastion-lab at "),
        "{printed}"
    );
    let after = scene.drawgate(&["status"]).await;
    let after = String::from_utf8_lossy(&after.stdout).into_owned();
    assert!(!after.contains("frozen"), "{after}");
    scene.end(worker).await;
}
