//! How many hosts are out at once, which goes first, and fleets other than three equal hosts behind one
//! target group.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests; the figures of a matrix are told as it runs"
)]

use drawgate_schemas::{Direction, Event, HostPhase, Outcome};
use drawgate_tests::lab::HOSTS;
use drawgate_tests::oracle::{Look, most_out};
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::wait::within;
use drawgate_tests::{Fleet, Load, Scene, Service};
use serde_json::{Value, json};

/// Hosts that the roll forward began, in order.
fn begun(events: &[drawgate_schemas::StatusEvent]) -> Vec<String> {
    let mut begun = Vec::new();
    for event in events {
        if let Event::Host(host) = &event.event
            && (host.phase, host.direction) == (HostPhase::Deregistering, Direction::Forward)
        {
            begun.push(host.instance.clone());
        }
    }
    begun
}

/// Every size of fleet with every share: by the load balancer's own trace there are never fewer healthy
/// targets than the floor, and no request is lost. A lab of three hosts tries one size; `make fleets` has
/// seven hosts, and tries all.
#[tokio::test]
async fn trap_13_the_floor_holds_for_each_size_and_share() {
    let hosts = drawgate_tests::lab::hosts();
    let all = [
        (2, "1"),
        (2, "25%"),
        (2, "50%"),
        (3, "1"),
        (3, "25%"),
        (3, "50%"),
        (7, "1"),
        (7, "25%"),
        (7, "50%"),
    ];
    let tried = if hosts.len() >= 7 { &all[..] } else { &all[2..3] };
    for (size, share) in tried {
        let most = if (*size, *share) == (7, "50%") { 3 } else { 1 };
        let hosts: Vec<&str> = hosts.iter().take(*size).map(String::as_str).collect();
        let scene = Scene::begin().await;
        let mut service = Service::of("search");
        service.max_unavailable = if share.ends_with('%') {
            format!("{share:?}")
        } else {
            (*share).to_owned()
        };
        scene.serve(&service);
        let fleet = scene.fleet_on_v1("search", &hosts).await;
        let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
        let worker = scene.worker().await;
        let events = scene.events().await;
        let before = Look::at(&scene.lab).await;
        let load = Load::start(scene.folder(), &fleet.target_groups[0].url, 40).await;

        let begun = std::time::Instant::now();
        let id = scene.publish("search", "v2", &[]).await;
        scene.judge(&events, id, Outcome::Succeeded, &before).await;

        let took_s = begun.elapsed().as_secs_f64();
        let served = load.stop_unharmed().await;
        let out = most_out(&scene.lab.get("transitions").await, "search-8080");
        println!(
            "{size} hosts, {share}: {out} out at most, {} requests, 0 failed, {took_s:.1} s",
            served.requests
        );
        assert_eq!(out, most, "{size} hosts, {share}");
        Look::at(&scene.lab)
            .await
            .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
        scene.end(worker).await;
    }
}

/// A fleet of one is refused, unless the service's file allows an outage.
#[tokio::test]
async fn trap_13_a_fleet_of_one() {
    let scene = Scene::begin().await;
    let mut service = Service::of("search");
    scene.serve(&service);
    let fleet = scene.fleet_on_v1("search", &["h1"]).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let load = Load::start(scene.folder(), &fleet.target_groups[0].url, 40).await;
    let id = scene.publish("search", "v2", &[]).await;
    let ended = scene.judge(&events, id, Outcome::Failed, &before).await;
    assert!(
        ended.summary.contains("max_unavailable is 1 of 1 hosts"),
        "{}",
        ended.summary
    );
    load.stop_unharmed().await;
    worker.stop().await;

    service.allow_outage = true;
    scene.serve(&service);
    let worker = scene.worker().await;
    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    scene.end(worker).await;
}

/// One host first, as the canary, then two at once, which is 70 % of three.
#[tokio::test]
async fn trap_13_a_share_of_the_fleet_after_its_canary() {
    let scene = Scene::begin().await;
    let mut service = Service::of("search");
    service.max_unavailable = "\"70%\"".to_owned();
    service.roll = "canary = { instances = 1, bake = \"1s\" }".to_owned();
    scene.serve(&service);
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let load = Load::start(scene.folder(), &fleet.target_groups[0].url, 40).await;

    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;

    load.stop_unharmed().await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    assert_eq!(most_out(&scene.lab.get("transitions").await, "search-8080"), 2);
    let told = events.of(id);
    let canary_done = told
        .iter()
        .position(|event| matches!(&event.event, Event::Host(host) if host.phase == HostPhase::Done));
    let second = told.iter().position(|event| {
        matches!(&event.event, Event::Host(host) if host.phase == HostPhase::Deregistering && host.instance != fleet.in_order()[0].id)
    });
    let well = told
        .iter()
        .position(|event| matches!(event.event, Event::CanaryPassed));
    assert!(
        canary_done < well && well < second,
        "{canary_done:?} {well:?} {second:?}"
    );
    scene.end(worker).await;
}

/// The canary passes its verification and is healthy at first; a second later it is not. No other host is
/// touched.
#[tokio::test]
async fn a_canary_that_turns_bad_while_it_is_watched() {
    let scene = Scene::begin().await;
    let mut service = Service::of("search");
    service.roll = "canary = { instances = 1, bake = \"20s\" }".to_owned();
    scene.serve(&service);
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    scene
        .lab
        .image("search", "v2", "v2", "unhealthy-after:3000")
        .await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    let ended = scene.judge(&events, id, Outcome::RolledBack, &before).await;

    assert!(ended.summary.contains("watch the canary"), "{}", ended.summary);
    assert_eq!(begun(&events.of(id)), [fleet.in_order()[0].id.clone()]);
    Look::at(&scene.lab).await.assert_containers_as(&before);
    scene.end(worker).await;
}

/// A fleet found by tags alone, in two target groups; there is no group whose processes could be suspended.
#[tokio::test]
async fn a_fleet_without_an_auto_scaling_group() {
    let scene = Scene::begin().await;
    let mut service = Service::of("search");
    service.fleet = "[fleet]\ntags = { stack = \"search\", deployment = \"{environment}\" }".to_owned();
    scene.serve(&service);
    scene.v1("search", &HOSTS, &["-p", "8080:8080"]).await;
    let mut spec = fleet_spec("search", &HOSTS, &[(8080, 8100)]);
    spec["grouped"] = json!(false);
    spec.as_object_mut().unwrap().remove("suspended");
    let fleet = scene.lab.fleet(spec).await;
    scene.lab.all_targets(&fleet, "healthy").await;
    rolls(&scene, &fleet).await;
}

/// Without target groups, the verification decides in place of target health.
#[tokio::test]
async fn a_service_without_a_target_group() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    scene.v1("search", &HOSTS, &["-p", "8080:8080"]).await;
    let fleet = scene.lab.fleet(fleet_spec("search", &HOSTS, &[])).await;
    rolls(&scene, &fleet).await;
}

/// Rolls forward to v2, and rolls v3 back, which never passes its verification.
async fn rolls(scene: &Scene, fleet: &Fleet) {
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    scene.lab.image("search", "v3", "v3", "unhealthy").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    assert_eq!(begun(&events.of(id)).len(), 3);
    let on_v2 = Look::at(&scene.lab).await;
    on_v2.assert_runs(fleet, "search", &scene.pinned("search", &v2));
    on_v2.assert_no_tags();

    let id = scene.publish("search", "v3", &[]).await;
    scene.judge(&events, id, Outcome::RolledBack, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(fleet, "search", &scene.pinned("search", &v2));
    worker.stop().await;
}

/// Starts requests that take `ms` to answer, several for each host.
async fn slow_requests(fleet: &Fleet, ms: u64) -> Vec<tokio::task::JoinHandle<bool>> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}slow?ms={ms}", fleet.target_groups[0].url);
    let requests = (0..8).map(|_| {
        let request = client.get(&url).send();
        tokio::spawn(async move { matches!(request.await, Ok(answer) if answer.status().is_success()) })
    });
    requests.collect()
}

/// Makes a fleet of two behind a network load balancer, which leaves connections open that are open when the
/// delay is over.
async fn behind_a_network_load_balancer(scene: &Scene, attributes: Value) -> Fleet {
    scene.v1("search", &["h1", "h2"], &["-p", "8080:8080"]).await;
    let mut spec = fleet_spec("search", &["h1", "h2"], &[(8080, 8100)]);
    spec["target_groups"][0]["protocol"] = json!("TCP");
    spec["target_groups"][0]["attributes"] = attributes;
    let fleet = scene.lab.fleet(spec).await;
    scene.lab.all_targets(&fleet, "healthy").await;
    fleet
}

#[tokio::test]
async fn trap_12_what_a_network_load_balancer_leaves_open_is_waited_for() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    let across = json!({"load_balancing.cross_zone.enabled": "true"});
    let fleet = behind_a_network_load_balancer(&scene, across).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let requests = slow_requests(&fleet, 6_000).await;

    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;

    for request in requests {
        assert!(within("a slow request", request).await.unwrap(), "was cut");
    }
    scene.end(worker).await;
}

#[tokio::test]
async fn trap_12_what_outlasts_the_deadline_is_named() {
    let scene = Scene::begin().await;
    let mut service = Service::of("search");
    service.drain_timeout = "1s".to_owned();
    scene.serve(&service);
    let across = json!({"load_balancing.cross_zone.enabled": "true"});
    let fleet = behind_a_network_load_balancer(&scene, across).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let requests = slow_requests(&fleet, 30_000).await;

    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;

    let named = events
        .of(id)
        .into_iter()
        .any(|event| matches!(event.event, Event::ConnectionsCut { connections, .. } if connections > 0));
    assert!(named, "{:?}", events.of(id));
    for request in requests {
        request.abort();
    }
    scene.end(worker).await;
}

/// Two hosts, each alone in its zone, and a balancer without cross-zone balancing: neither host can be
/// spared.
#[tokio::test]
async fn trap_13_a_zone_that_would_be_empty_refuses() {
    let scene = Scene::begin().await;
    scene.serve(&Service::of("search"));
    behind_a_network_load_balancer(&scene, json!({"load_balancing.cross_zone.enabled": "false"})).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    let ended = scene.judge(&events, id, Outcome::Failed, &before).await;

    assert!(
        ended.summary.contains("cross-zone balancing is off"),
        "{}",
        ended.summary
    );
    Look::at(&scene.lab).await.assert_containers_as(&before);
    scene.end(worker).await;
}
