//! `infra/clients`: a message that any of the clients publishes is a release like any other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::process::Output;

use drawgate_schemas::Outcome;
use drawgate_tests::lab::HOSTS;
use drawgate_tests::oracle::Look;
use drawgate_tests::programs::repository;
use drawgate_tests::wait::within;
use drawgate_tests::{Scene, Service};
use tokio::process::Command;

async fn client(scene: &Scene, name: &str, arguments: [&str; 3]) -> Output {
    let python = repository("target/lab/venv/bin");
    let path = format!("{}:{}", python.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(repository("infra/clients").join(name));
    command
        .args(arguments)
        .env("PATH", path)
        .env("DRAWGATE_AMQP_URL", scene.broker.url());
    within(name, command.output()).await.unwrap()
}

#[tokio::test]
async fn amqp_publish_and_pika_release() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    // Without a pattern the broker itself knows which environments no worker serves.
    let file = scene.service_file("search");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, text.replace(", \"personal-*\"", "")).unwrap();
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    for (name, tag) in [("amqp-publish.sh", "v2"), ("publish.py", "v3")] {
        let digest = scene.lab.image("search", tag, tag, "ok").await;
        let image = scene.image("search", tag);
        let output = client(&scene, name, ["staging", "search", &image]).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{name}: {error}");
        let id = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
        scene.judge(&events, id, Outcome::Succeeded, &before).await;
        let pinned = scene.pinned("search", &digest);
        Look::at(&scene.lab).await.assert_runs(&fleet, "search", &pinned);
    }

    let image = scene.image("search", "v2");
    let unserved = client(&scene, "publish.py", ["moon", "search", &image]).await;
    let said = String::from_utf8_lossy(&unserved.stderr).into_owned();
    assert_eq!(unserved.status.code(), Some(3), "{said}");
    assert!(said.contains("no worker serves moon.search"), "{said}");
    let odd = client(
        &scene,
        "amqp-publish.sh",
        ["staging", "search", "a\",\"x\":\"b:1"],
    )
    .await;
    assert_eq!(odd.status.code(), Some(2));
    scene.end(worker).await;
}
