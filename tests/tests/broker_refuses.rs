//! A broker that refuses what the worker asks of it: the worker drives its open releases on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Direction, HostPhase, Outcome};
use drawgate_tests::oracle::Look;
use drawgate_tests::{Scene, Service, Worker};

#[tokio::test]
async fn trap_36_a_worker_that_cannot_declare_drives_on() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    scene.fleet_on_v1("search", &["h1", "h2"]).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let before = Look::at(&scene.lab).await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let id = scene.publish("search", "v2", &[]).await;
    events.phase(id, Direction::Forward, HostPhase::Draining).await;
    worker.kill().await;
    scene.broker.spoil_releases_exchange().await;

    let worker = Worker::start(scene.folder());
    worker.says("delete the exchange drawgate.releases").await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    let status = scene.drawgate(&["status"]).await;
    assert!(status.status.success(), "it answers all the while");

    scene.broker.delete_releases_exchange().await;
    scene.broker.consumed(&scene.releases_queue()).await;
    scene.end_after_kill(worker).await;
}

#[tokio::test]
async fn ping_says_that_the_policy_is_missing() {
    let scene = Scene::begin().await;
    let worker = scene.worker().await;
    let ping = || async {
        let output = scene.drawgate(&["ping"]).await;
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // On a busy machine the broker may not answer the worker's trial in time: ping says so, and the next one tries again.
    drawgate_tests::wait::until("the missing policy is told", || async {
        let said = ping().await;
        (said.contains("policy") && said.contains("rabbitmqctl import_definitions")).then_some(())
    })
    .await;
    scene.broker.set_policies().await;
    drawgate_tests::wait::until("nothing is missing any more", || async {
        (!ping().await.contains("policy")).then_some(())
    })
    .await;
    scene.end(worker).await;
}
