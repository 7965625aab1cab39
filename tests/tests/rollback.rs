//! Releases that fail: the hosts that were touched go back into service, and the others stay untouched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Direction, Event, HostPhase, Outcome};
use drawgate_tests::lab::{HOSTS, TWO};
use drawgate_tests::{Beginning, Fleet, Rolling, Scene, Service};
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
    let ready = Rolling::with(unless_broken())
        .service(|service| (service.max_unavailable, service.allow_outage) = ("3".to_owned(), true))
        .images(["v2", "v3"])
        .prepare()
        .await;
    break_host(&ready.scene, "none", "v2").await;
    let roll = ready.start().await;
    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;
    let on_v2 = roll.look().await;
    on_v2.assert_runs(&roll.fleet, "search", &roll.pinned("v2"));

    break_host(&roll.scene, &second_of(&roll.fleet), "v3").await;
    let load = roll.load().await;
    let output = roll
        .scene
        .publish_with("search", "v3", &["--wait", "--max-unavailable", "1"])
        .await;
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let id = roll
        .events
        .all()
        .last()
        .and_then(|event| event.release)
        .expect("a release");
    let ended = roll.judge(id, Outcome::RolledBack).await;

    load.stop_unharmed().await;
    roll.look().await.assert_containers_as(&on_v2);
    let order: Vec<String> = roll
        .fleet
        .in_order()
        .into_iter()
        .map(|instance| instance.id)
        .collect();
    assert_eq!(visited(&roll.events, id, Direction::Forward), order[..2]);
    let mut back = visited(&roll.events, id, Direction::Back);
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
    break_host(&roll.scene, "none", "v3").await;
    let retried = roll.scene.drawgate(&["retry", &id.to_string(), "--wait"]).await;
    let said = String::from_utf8_lossy(&retried.stderr).into_owned();
    assert_eq!(retried.status.code(), Some(0), "{said}");
    let good = roll.events.all().last().and_then(|event| event.release).unwrap();
    assert_ne!(good, id);
    let again = roll.scene.drawgate(&["retry", &good.to_string()]).await;
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(2), "{said}");
    assert!(said.contains("has succeeded"), "{said}");
    roll.end().await;
}

#[tokio::test]
async fn image_does_not_exist() {
    let roll = Rolling::of("search").begin().await;
    roll.scene.lab.post("calls/reset", json!({})).await;

    let output = roll.scene.publish_with("search", "v9", &["--wait"]).await;
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let id = roll
        .events
        .all()
        .first()
        .and_then(|event| event.release)
        .expect("a release");
    let ended = roll.judge(id, Outcome::Failed).await;

    assert!(ended.summary.contains("v9"), "{}", ended.summary);
    roll.assert_containers_as_before().await;
    let writes = roll.scene.lab.writes().await;
    assert!(writes.is_empty(), "nothing is to be touched: {writes:?}");
    roll.end().await;
}

#[tokio::test]
async fn container_exits() {
    let ended = fails_on_the_first_host(Rolling::of("search"), "exit").await;
    assert!(ended.0.contains("ended with exit code 1"), "{}", ended.0);
    assert!(
        ended.1.contains("DATABASE_URL is not set"),
        "its last words are kept: {}",
        ended.1
    );
}

#[tokio::test]
async fn trap_20_container_restarts_again_and_again() {
    let mut service = Service::of("search");
    service.verify = None;
    service.container = "restart = \"always\"".to_owned();
    service.min_healthy_time = "4s".to_owned();
    // The container lives long enough to pass every check once; the engine restarts it again and again.
    let ended = fails_on_the_first_host(Rolling::with(service), "crash-after:900").await;
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
    let mut service = Service::of("search");
    service.verify = None;
    service.healthy_timeout = "5s".to_owned();
    let ended = fails_on_the_first_host(Rolling::with(service), "unhealthy").await;
    assert!(ended.0.contains("search-8080"), "{}", ended.0);
}

/// Releases a version that is broken everywhere; gives the summary and the kept logs.
async fn fails_on_the_first_host(beginning: Beginning, mode: &str) -> (String, String) {
    let roll = beginning.image_in("v2", mode).begin().await;
    let crashes = mode.starts_with("crash");
    let load = roll.load().await;

    let id = roll.publish("v2").await;
    let ended = roll.judge(id, Outcome::RolledBack).await;

    let served = load.stop().await;
    // A container that dies while it serves takes requests with it; no other request may fail.
    assert!(crashes || served.failed == 0, "{:?}", served.failures);
    roll.assert_containers_as_before().await;
    assert_eq!(
        visited(&roll.events, id, Direction::Forward),
        [roll.fleet.in_order()[0].id.clone()]
    );
    let logs = roll.scene.show(id).await["logs"].to_string();
    roll.worker.stop().await;
    (ended.summary, logs)
}

/// Neither container comes back by itself while it is open which of them is to serve: the old one lost its
/// `always` policy before it was stopped, and the new one has not passed its verification. The rollback
/// starts the old one, and restores its policy.
#[tokio::test]
async fn trap_17_host_reboots_in_the_middle_of_its_swap() {
    let verify = "http = { path = \"/health\", port = 8080 }\nattempts = 200\ninterval = \"200ms\"";
    let roll = Rolling::of("search")
        .service(|service| service.verify = Some(verify.to_owned()))
        .on(&TWO)
        .image_in("v2", "unhealthy")
        .begin()
        .await;

    let id = roll.publish("v2").await;
    roll.events
        .phase(id, Direction::Forward, HostPhase::Verifying)
        .await;
    let host = roll.fleet.in_order()[0].host.clone();
    for order in ["stop", "start"] {
        roll.scene
            .lab
            .post(&format!("hosts/{host}/{order}"), json!({}))
            .await;
    }
    let ended = roll.judge(id, Outcome::RolledBack).await;

    assert!(ended.summary.contains("ended"), "{}", ended.summary);
    roll.assert_containers_as_before().await;
    roll.end().await;
}

/// A container without labels, by tag, with `always`: the release replaces it, keeps it, and takes its
/// restart policy away.
#[tokio::test]
async fn trap_18_container_made_by_another_tool_rolls() {
    let roll = Rolling::of("search").on(&TWO).image("v2").begin().await;
    let old = roll.before.container("h1", "search").id.clone();

    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;

    let after = roll.look().await;
    after.assert_runs(&roll.fleet, "search", &roll.pinned("v2"));
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
    roll.end().await;
}

/// The very same container comes back, with its original restart policy.
#[tokio::test]
async fn trap_18_container_made_by_another_tool_fails() {
    fails_on_the_first_host(Rolling::of("search"), "unhealthy").await;
}

/// The rollback restores it also on the host that had its new version already.
#[tokio::test]
async fn container_made_by_another_tool_rollback() {
    let ready = Rolling::with(unless_broken()).image("v2").prepare().await;
    break_host(&ready.scene, &second_of(&ready.fleet), "v2").await;
    let roll = ready.start().await;
    let load = roll.load().await;

    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::RolledBack).await;

    let served = load.stop_unharmed().await;
    assert!(
        served.by_version.contains_key("v2"),
        "the first host had it: {:?}",
        served.by_version
    );
    roll.assert_containers_as_before().await;
    assert_eq!(visited(&roll.events, id, Direction::Back).len(), 2);
    roll.end().await;
}

/// The failure says which connections are open; the host goes back, and no container was touched.
#[tokio::test]
async fn trap_12_drain_outlasts_its_deadline() {
    let roll = Rolling::of("search")
        .service(|service| service.drain_timeout = "1s".to_owned())
        .image("v2")
        .begin()
        .await;
    let load = roll.load().await;
    let hold = |hold: bool| {
        roll.scene
            .lab
            .post("drain", json!({"target_group": "search-8080", "hold": hold}))
    };
    hold(true).await;

    let id = roll.publish("v2").await;
    roll.events
        .phase(id, Direction::Forward, HostPhase::Draining)
        .await;
    roll.events.kind(id, "rolling_back").await;
    let ended = roll.judge(id, Outcome::RolledBack).await;
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
    roll.assert_containers_as_before().await;
    roll.end().await;
}
