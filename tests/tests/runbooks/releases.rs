//! Releases that are approved, published by hand, rolled back, frozen, superseded, watched or stuck.

use drawgate_schemas::{Direction, HostPhase, Outcome, ReleaseId};
use drawgate_tests::lab::HOSTS;
use drawgate_tests::oracle::Look;
use drawgate_tests::runbook::follow;
use drawgate_tests::{Scene, Service};

use crate::assert_in_order;

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
    follow(&scene, "pause-or-cancel.md", &[("RELEASE", &id.to_string())]).await;
    scene.judge(&events, id, Outcome::Cancelled, &before).await;
    Look::at(&scene.lab).await.assert_containers_as(&on_v2);
    scene.end(worker).await;
}

/// A rollback to v2, although a later build has succeeded; after that there is only v3 to roll back to.
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

    // After a release that rolled back by itself, the hosts run the last good one already: no host is
    // touched.
    scene.lab.image("search", "v4", "v4", "exit").await;
    let id = scene.publish("search", "v4", &["--sequence", "4"]).await;
    scene.judge(&events, id, Outcome::RolledBack, &before).await;
    let gone_back = Look::at(&scene.lab).await;
    gone_back.assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    let again = scene
        .drawgate(&[&["rollback", "--yes", "--wait"], lane.as_slice()].concat())
        .await;
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(0), "{said}");
    Look::at(&scene.lab).await.assert_containers_as(&gone_back);
    scene.end(worker).await;
}

/// An environment is frozen and thawed: the releases published meanwhile are rolled then.
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

#[tokio::test]
async fn counter_starts_again() {
    let scene = Scene::begin().await;
    let fleet = scene.fleet_on_v1("search", &["h1"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    scene.lab.image("search", "v3", "v3", "ok").await;
    let mut service = Service::of("search");
    service.allow_outage = true;
    scene.serve(&service);
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let last = scene.publish("search", "v3", &["--sequence", "812"]).await;
    scene.judge(&events, last, Outcome::Succeeded, &before).await;
    let first = scene.publish("search", "v2", &["--sequence", "1"]).await;
    assert_eq!(events.end(first).await.outcome, Outcome::Superseded);
    let lane = [
        ("ENVIRONMENT", "staging"),
        ("SERVICE", "search"),
        ("REASON", "another workflow"),
    ];
    let printed = follow(&scene, "counter-starts-again.md", &lane).await;
    assert_in_order(
        &printed,
        &[
            "superseded",
            "succeeded",
            "up to 812 were forgotten by drawgate: another workflow",
        ],
    );
    let again = scene.drawgate(&["retry", &first.to_string()]).await;
    let again: ReleaseId = String::from_utf8_lossy(&again.stdout).trim().parse().unwrap();
    scene.judge(&events, again, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    scene.end(worker).await;
}

#[tokio::test]
async fn watch_a_release() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    scene.fleet_on_v1("search", &["h1", "h2"]).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 1)
        .await;
    let id_text = id.to_string();
    let variables = [
        ("ENVIRONMENT", "staging"),
        ("SERVICE", "search"),
        ("RELEASE", id_text.as_str()),
    ];
    let printed = follow(&scene, "watch-a-release.md", &variables).await;
    let wanted = [
        "v2",
        &id_text,
        "it rolls; last: ",
        "succeeded",
        "receipt",
        "staging search succeeded",
        "1 drawgate.accepted",
    ];
    assert_in_order(&printed, &wanted);
    let ended = format!("{} drawgate.succeeded", events.of(id).len());
    assert!(printed.trim_end().ends_with(&ended), "{printed}");
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    scene.end(worker).await;
}

/// The sshd of a host that is out of service hangs; the runbook finds the host, which comes back once the
/// release is cancelled.
#[tokio::test]
async fn stuck_release() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    let instance = events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 1)
        .await;
    let host = fleet.host_of(&instance).to_owned();
    scene.lab.signal_on(&host, "sshd", "STOP").await;
    let id_text = id.to_string();
    let address = host.replace('h', "10.77.0.1");
    let ssh_config = scene
        .lab
        .folder()
        .join("ssh_config")
        .to_string_lossy()
        .into_owned();
    let log = format!("cat {}", scene.folder().join("worker.log").display());
    let variables = [
        ("RELEASE", id_text.as_str()),
        ("LOG", log.as_str()),
        ("INSTANCE", instance.as_str()),
        ("ADDRESS", address.as_str()),
        ("SSH_CONFIG", ssh_config.as_str()),
    ];
    let revive = async {
        events.kind(id, "rolling_back").await;
        scene.lab.signal_on(&host, "sshd", "CONT").await;
    };
    let (printed, ()) = tokio::join!(follow(&scene, "stuck-release.md", &variables), revive);
    let silent = format!("{instance} does not answer");
    let running = format!("{instance}\trunning");
    assert_in_order(
        &printed,
        &["it rolls; last: ", &id_text, &silent, &running, "cancelled"],
    );
    scene.judge(&events, id, Outcome::Cancelled, &before).await;
    Look::at(&scene.lab).await.assert_containers_as(&before);
    scene.end(worker).await;
}
