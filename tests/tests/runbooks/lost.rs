//! A lost worker, and a lost ledger.

use drawgate_schemas::{Direction, HostPhase, Outcome};
use drawgate_tests::lab::HOSTS;
use drawgate_tests::oracle::Look;
use drawgate_tests::runbook::follow;
use drawgate_tests::{Bastion, Scene, Service};

use crate::assert_in_order;

#[tokio::test]
async fn lost_worker() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 2)
        .await;
    worker.kill().await;
    let bastion = Bastion::of(&scene);
    let start = bastion.command("start");
    let config = scene.folder().join("worker.toml").to_string_lossy().into_owned();
    let id_text = id.to_string();
    let variables = [
        ("RELEASE", id_text.as_str()),
        ("CONFIG", config.as_str()),
        ("START", start.as_str()),
    ];
    let printed = follow(&scene, "lost-worker.md", &variables).await;
    assert_in_order(&printed, &["succeeded", "taken over by bastion-lab at ", "v2 ok"]);
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    bastion.stop();
    scene.leave().await;
}

/// The doctor restores a fleet whose ledger is lost: its first look touches nothing and tells of the lease;
/// then all is as before.
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

/// Bastion and ledger are gone while a host is out, scaling is suspended and an alarm is off. By the tags
/// alone an operator restores everything, and the next worker, with an empty ledger, rolls.
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
