//! A broker that is down, and a queue that is full.

use drawgate_schemas::{Direction, HostPhase, Outcome};
use drawgate_tests::oracle::Look;
use drawgate_tests::runbook::follow;
use drawgate_tests::wait::until;
use drawgate_tests::{Bastion, Scene, Service};
use serde_json::json;
use tokio::process::Command;

use crate::{assert_in_order, published};

/// The `rabbitmqctl` command for the lab's broker.
fn rabbitmqctl(scene: &Scene) -> String {
    let home = scene.lab.folder().join("rabbitmq");
    format!(
        "env HOME={} ERL_EPMD_ADDRESS=127.0.0.1 /usr/lib/rabbitmq/bin/rabbitmqctl -n lab@localhost",
        home.display()
    )
}

/// The broker dies in mid-roll, and is started by hand.
#[tokio::test]
async fn broker_down() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.lasting_events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 1)
        .await;
    scene.lab.post("rabbitmq/stop", json!({})).await;
    let start = format!(
        "curl --silent --fail --output /dev/null --request POST {}/rabbitmq/start",
        std::env::var("LAB_API").unwrap()
    );
    let (id_text, ctl) = (id.to_string(), rabbitmqctl(&scene));
    let variables = [
        ("RELEASE", id_text.as_str()),
        ("RABBITMQCTL", ctl.as_str()),
        ("VHOST", scene.broker.vhost()),
        ("START_BROKER", start.as_str()),
    ];
    let printed = follow(&scene, "broker-down.md#The broker is down", &variables).await;
    assert!(printed.contains("succeeded"), "{printed}");
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    worker.stop().await;
}

/// Waits until the broker shows this line: its counts are a few seconds old.
async fn shows_queue(scene: &Scene, ctl: &str, line: &str) {
    until(&format!("the broker shows {line}"), || async {
        let mut words = ctl.split(' ');
        let shown = Command::new(words.next()?)
            .args(words)
            .args(["--quiet", "list_queues", "--vhost", scene.broker.vhost()])
            .args(["name", "messages", "consumers"])
            .output()
            .await
            .unwrap();
        String::from_utf8_lossy(&shown.stdout)
            .contains(line)
            .then_some(())
    })
    .await;
}

/// The worker is away, and its queue takes one message and no more.
#[tokio::test]
async fn queue_full() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    scene.worker().await.stop().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let image = scene.image("search", "v2");
    scene.broker.bound_queues(1).await;
    let mut waiting = 0;
    // The broker enforces the bound only approximately.
    while scene.publish_with("search", "v1", &[]).await.status.success() {
        waiting += 1;
        assert!(waiting < 10, "the queue takes everything");
    }

    let bastion = Bastion::of(&scene);
    let (start, ctl) = (bastion.command("start"), rabbitmqctl(&scene));
    let queue = format!("{}\t{waiting}\t0", scene.releases_queue());
    shows_queue(&scene, &ctl, &queue).await;
    let variables = [
        ("ENVIRONMENT", "staging"),
        ("SERVICE", "search"),
        ("IMAGE", image.as_str()),
        ("RABBITMQCTL", ctl.as_str()),
        ("VHOST", scene.broker.vhost()),
        ("START", start.as_str()),
    ];
    let printed = follow(&scene, "broker-down.md#A queue is full", &variables).await;
    let wanted = ["(nack)", "--id ", &queue, "max-length", "succeeded"];
    assert_in_order(&printed, &wanted);
    let id = published(&printed);
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    bastion.stop();
    scene.leave().await;
}
