//! Releases that fail: the hosts that were touched go back into service, and the others stay untouched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Direction, Event, HostPhase, Outcome};
use drawgate_tests::lab::HOSTS;
use drawgate_tests::oracle::Look;
use drawgate_tests::{Fleet, Load, Scene, Service};
use serde_json::json;

/// A service that fails its verification on a host whose file `broken` has the version's name.
fn unless_broken() -> Service {
    let mut service = Service::of("search");
    service.container = "volumes = [\"/home/deploy/conf:/conf\"]".to_owned();
    service.verify = Some(
        "command = [\"/bin/sh\", \"-c\", \"! /bin/busybox grep -qx $APP_VERSION /conf/broken\"]\nattempts = 2\n\
         interval = \"100ms\""
            .to_owned(),
    );
    service
}

/// Makes [`unless_broken`] fail for one version on one host.
async fn break_host(scene: &Scene, broken: &str, version: &str) {
    for host in HOSTS {
        let text = if host == broken { version } else { "nothing" };
        scene
            .lab
            .on_host(host, &format!("mkdir -p conf; echo {text} >conf/broken"))
            .await;
    }
}

fn second_of(fleet: &Fleet) -> String {
    fleet.in_order()[1].host.clone()
}

/// The hosts that a release visited, in order.
fn visited(
    events: &drawgate_tests::Events,
    id: drawgate_schemas::ReleaseId,
    direction: Direction,
) -> Vec<String> {
    let mut hosts = Vec::new();
    for event in events.of(id) {
        if let Event::Host(host) = event.event
            && host.direction == direction
            && !hosts.contains(&host.instance)
        {
            hosts.push(host.instance);
        }
    }
    hosts
}

/// Over Drawgate's own containers: the failed host and the one before it roll back, and the third is never
/// touched.
#[tokio::test]
async fn second_host_fails_after_first_succeeded() {
    let scene = Scene::begin().await;
    let mut service = unless_broken();
    (service.max_unavailable, service.allow_outage) = ("3".to_owned(), true);
    scene.serve(&service);
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    scene.lab.image("search", "v3", "v3", "ok").await;
    break_host(&scene, "none", "v2").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    let on_v2 = Look::at(&scene.lab).await;
    on_v2.assert_runs(&fleet, "search", &scene.pinned("search", &v2));

    break_host(&scene, &second_of(&fleet), "v3").await;
    let load = Load::start(scene.folder(), &fleet.target_groups[0].url, 40).await;
    let output = scene
        .publish_with("search", "v3", &["--wait", "--max-unavailable", "1"])
        .await;
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let id = events
        .all()
        .last()
        .and_then(|event| event.release)
        .expect("a release");
    let ended = scene.judge(&events, id, Outcome::RolledBack, &before).await;

    load.stop_unharmed().await;
    Look::at(&scene.lab).await.assert_containers_as(&on_v2);
    let order: Vec<String> = fleet.in_order().into_iter().map(|instance| instance.id).collect();
    assert_eq!(visited(&events, id, Direction::Forward), order[..2]);
    let mut back = visited(&events, id, Direction::Back);
    back.sort();
    assert_eq!(back, order[..2]);
    let touched: Vec<bool> = ended
        .receipt
        .unwrap()
        .hosts
        .iter()
        .map(|host| host.touched)
        .collect();
    assert_eq!(touched, [true, true, false]);
    // Once the cause is gone, the very same version is released again.
    break_host(&scene, "none", "v3").await;
    let retried = scene.drawgate(&["retry", &id.to_string(), "--wait"]).await;
    let said = String::from_utf8_lossy(&retried.stderr).into_owned();
    assert_eq!(retried.status.code(), Some(0), "{said}");
    let good = events.all().last().and_then(|event| event.release).unwrap();
    assert_ne!(good, id);
    let again = scene.drawgate(&["retry", &good.to_string()]).await;
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(2), "{said}");
    assert!(said.contains("has succeeded"), "{said}");
    scene.end(worker).await;
}

#[tokio::test]
async fn image_does_not_exist() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    scene.fleet_on_v1("search", &HOSTS).await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    scene.lab.post("calls/reset", json!({})).await;

    let output = scene.publish_with("search", "v9", &["--wait"]).await;
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let id = events
        .all()
        .first()
        .and_then(|event| event.release)
        .expect("a release");
    let ended = scene.judge(&events, id, Outcome::Failed, &before).await;

    assert!(ended.summary.contains("v9"), "{}", ended.summary);
    Look::at(&scene.lab).await.assert_containers_as(&before);
    let calls = scene.lab.calls().await;
    let writes: Vec<&String> = calls.keys().filter(|call| !call.contains(":Describe")).collect();
    assert!(writes.is_empty(), "nothing is to be touched: {writes:?}");
    scene.end(worker).await;
}

#[tokio::test]
async fn container_exits() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let ended = fails_on_the_first_host(&scene, "exit").await;
    assert!(ended.0.contains("ended with exit code 1"), "{}", ended.0);
    assert!(
        ended.1.contains("DATABASE_URL is not set"),
        "its last words are kept: {}",
        ended.1
    );
}

#[tokio::test]
async fn trap_20_container_restarts_again_and_again() {
    let scene = Scene::begin().await;
    let mut service = Service::of("search");
    service.verify = None;
    service.container = "restart = \"always\"".to_owned();
    service.min_healthy_time = "4s".to_owned();
    scene.serve(&service);
    // The container lives long enough to pass every check once; the engine restarts it again and again.
    let ended = fails_on_the_first_host(&scene, "crash-after:900").await;
    assert!(
        ended.0.contains("restarts again and again") || ended.0.contains("ended with"),
        "{}",
        ended.0
    );
    assert!(
        ended.1.contains("out of memory"),
        "its last words are kept: {}",
        ended.1
    );
}

/// The container runs, and that is all: the load balancer never calls it healthy.
#[tokio::test]
async fn never_turns_healthy() {
    let scene = Scene::begin().await;
    let mut service = Service::of("search");
    service.verify = None;
    service.healthy_timeout = "5s".to_owned();
    scene.serve(&service);
    let ended = fails_on_the_first_host(&scene, "unhealthy").await;
    assert!(ended.0.contains("search-8080"), "{}", ended.0);
}

/// Releases a version that is broken everywhere; gives the summary and the kept logs.
async fn fails_on_the_first_host(scene: &Scene, mode: &str) -> (String, String) {
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    scene.lab.image("search", "v2", "v2", mode).await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let crashes = mode.starts_with("crash");
    let load = Load::start(scene.folder(), &fleet.target_groups[0].url, 40).await;

    let id = scene.publish("search", "v2", &[]).await;
    let ended = scene.judge(&events, id, Outcome::RolledBack, &before).await;

    let served = load.stop().await;
    // A container that dies while it serves takes requests with it; no other request may fail.
    assert!(crashes || served.failed == 0, "{:?}", served.failures);
    Look::at(&scene.lab).await.assert_containers_as(&before);
    assert_eq!(
        visited(&events, id, Direction::Forward),
        [fleet.in_order()[0].id.clone()]
    );
    let logs = scene.show(id).await["logs"].to_string();
    worker.stop().await;
    (ended.summary, logs)
}

/// Neither container comes back by itself while it is open which of them is to serve: the old one lost its
/// `always` policy before it was stopped, and the new one has not passed its verification. The rollback
/// starts the old one, and restores its policy.
#[tokio::test]
async fn trap_17_host_reboots_in_the_middle_of_its_swap() {
    let scene = Scene::begin().await;
    let mut service = Service::of("search");
    let verify = "http = { path = \"/health\", port = 8080 }\nattempts = 200\ninterval = \"200ms\"";
    service.verify = Some(verify.to_owned());
    scene.serve(&service);
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    scene.lab.image("search", "v2", "v2", "unhealthy").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    events.phase(id, Direction::Forward, HostPhase::Verifying).await;
    let host = fleet.in_order()[0].host.clone();
    for order in ["stop", "start"] {
        scene.lab.post(&format!("hosts/{host}/{order}"), json!({})).await;
    }
    let ended = scene.judge(&events, id, Outcome::RolledBack, &before).await;

    assert!(ended.summary.contains("ended"), "{}", ended.summary);
    Look::at(&scene.lab).await.assert_containers_as(&before);
    scene.end(worker).await;
}

/// A container without labels, by tag, with `always`: the release replaces it, keeps it, and takes its
/// restart policy away.
#[tokio::test]
async fn trap_18_container_made_by_another_tool_rolls() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &["h1", "h2"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let old = before.container("h1", "search").id.clone();

    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;

    let after = Look::at(&scene.lab).await;
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    let kept = after
        .containers("h1")
        .iter()
        .find(|container| container.id == old)
        .expect("the old container is kept");
    assert_eq!((kept.running, kept.restart.as_str()), (false, "no"));
    assert_eq!(
        after.container("h1", "search").restart,
        "unless-stopped",
        "as the service file's default says"
    );
    scene.end(worker).await;
}

/// The very same container comes back, with its original restart policy.
#[tokio::test]
async fn trap_18_container_made_by_another_tool_fails() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    fails_on_the_first_host(&scene, "unhealthy").await;
}

/// The rollback restores it also on the host that had its new version already.
#[tokio::test]
async fn container_made_by_another_tool_rollback() {
    let scene = Scene::begin().await;
    scene.serve(&unless_broken());
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    break_host(&scene, &second_of(&fleet), "v2").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let load = Load::start(scene.folder(), &fleet.target_groups[0].url, 40).await;

    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::RolledBack, &before).await;

    let served = load.stop_unharmed().await;
    assert!(
        served.by_version.contains_key("v2"),
        "the first host had it: {:?}",
        served.by_version
    );
    Look::at(&scene.lab).await.assert_containers_as(&before);
    assert_eq!(visited(&events, id, Direction::Back).len(), 2);
    scene.end(worker).await;
}

/// The failure says which connections are open; the host goes back, and no container was touched.
#[tokio::test]
async fn trap_12_drain_outlasts_its_deadline() {
    let scene = Scene::begin().await;
    let mut service = Service::of("search");
    service.drain_timeout = "1s".to_owned();
    scene.serve(&service);
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let load = Load::start(scene.folder(), &fleet.target_groups[0].url, 40).await;
    let hold = |hold: bool| {
        scene
            .lab
            .post("drain", json!({"target_group": "search-8080", "hold": hold}))
    };
    hold(true).await;

    let id = scene.publish("search", "v2", &[]).await;
    events.phase(id, Direction::Forward, HostPhase::Draining).await;
    events.kind(id, "rolling_back").await;
    let ended = scene.judge(&events, id, Outcome::RolledBack, &before).await;
    hold(false).await;

    assert!(
        ended.summary.contains("still draining in search-8080"),
        "{}",
        ended.summary
    );
    assert!(
        ended.summary.contains("connections"),
        "it says what is open: {}",
        ended.summary
    );
    load.stop_unharmed().await;
    Look::at(&scene.lab).await.assert_containers_as(&before);
    scene.end(worker).await;
}
