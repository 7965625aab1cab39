//! How many hosts are out at once, which goes first, and fleets other than three equal hosts behind one
//! target group.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests; the figures of a matrix are told as it runs"
)]

use std::time::{Duration, Instant};

use drawgate_schemas::{Direction, Event, HostPhase, Outcome, StatusEvent};
use drawgate_tests::lab::{HOSTS, TWO};
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::wait::within;
use drawgate_tests::{Beginning, Fleet, Rolling, Service};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// Hosts that the roll forward began, in order.
fn begun(events: &[StatusEvent]) -> Vec<String> {
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
        let mut service = Service::of("search");
        service.max_unavailable = if share.ends_with('%') {
            format!("{share:?}")
        } else {
            (*share).to_owned()
        };
        let roll = Rolling::with(service).on(&hosts).image("v2").begin().await;
        let load = roll.load().await;

        let begun = std::time::Instant::now();
        let id = roll.publish("v2").await;
        roll.judge(id, Outcome::Succeeded).await;

        let took_s = begun.elapsed().as_secs_f64();
        let served = load.stop_unharmed().await;
        let out = roll.most_out().await;
        println!(
            "{size} hosts, {share}: {out} out at most, {} requests, 0 failed, {took_s:.1} s",
            served.requests
        );
        assert_eq!(out, most, "{size} hosts, {share}");
        roll.assert_runs("v2").await;
        roll.end().await;
    }
}

/// A fleet of one is refused, unless the service's file allows an outage.
#[tokio::test]
async fn trap_13_a_fleet_of_one() {
    let mut roll = Rolling::of("search").on(&["h1"]).image("v2").begin().await;
    let load = roll.load().await;
    let id = roll.publish("v2").await;
    let ended = roll.judge(id, Outcome::Failed).await;
    assert!(
        ended.summary.contains("max_unavailable is 1 of 1 hosts"),
        "{}",
        ended.summary
    );
    load.stop_unharmed().await;
    roll.worker.stop().await;

    let mut service = Service::of("search");
    service.allow_outage = true;
    roll.scene.serve(&service);
    roll.worker = roll.scene.worker().await;
    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;
    roll.assert_runs("v2").await;
    roll.end().await;
}

/// One host first, as the canary, then two at once, which is 70 % of three.
#[tokio::test]
async fn trap_13_a_share_of_the_fleet_after_its_canary() {
    let roll = Rolling::of("search")
        .service(|service| {
            service.max_unavailable = "\"70%\"".to_owned();
            service.roll = "canary = { instances = 1, bake = \"1s\" }".to_owned();
        })
        .image("v2")
        .begin()
        .await;
    let load = roll.load().await;

    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;

    load.stop_unharmed().await;
    roll.assert_runs("v2").await;
    assert_eq!(roll.most_out().await, 2);
    let told = roll.events.of(id);
    let canary_done = told
        .iter()
        .position(|event| matches!(&event.event, Event::Host(host) if host.phase == HostPhase::Done));
    let canary = roll.fleet.in_order()[0].id.clone();
    let second = told.iter().position(|event| {
        matches!(&event.event, Event::Host(host) if host.phase == HostPhase::Deregistering && host.instance != canary)
    });
    let well = told
        .iter()
        .position(|event| matches!(event.event, Event::CanaryPassed));
    assert!(
        canary_done < well && well < second,
        "{canary_done:?} {well:?} {second:?}"
    );
    roll.end().await;
}

/// The canary passes its verification and is healthy at first; a second later it is not. No other host is
/// touched.
#[tokio::test]
async fn a_canary_that_turns_bad_while_it_is_watched() {
    let roll = Rolling::of("search")
        .service(|service| service.roll = "canary = { instances = 1, bake = \"20s\" }".to_owned())
        .image_in("v2", "unhealthy-after:3000")
        .begin()
        .await;

    let id = roll.publish("v2").await;
    let ended = roll.judge(id, Outcome::RolledBack).await;

    assert!(ended.summary.contains("watch the canary"), "{}", ended.summary);
    assert_eq!(begun(&roll.events.of(id)), [roll.fleet.in_order()[0].id.clone()]);
    roll.assert_containers_as_before().await;
    roll.end().await;
}

/// A fleet found by tags alone, in two target groups; there is no group whose processes could be suspended.
#[tokio::test]
async fn a_fleet_without_an_auto_scaling_group() {
    let mut service = Service::of("search");
    service.fleet = "[fleet]\ntags = { stack = \"search\", deployment = \"{environment}\" }".to_owned();
    let mut spec = fleet_spec("search", &HOSTS, &[(8080, 8100)]);
    spec["grouped"] = json!(false);
    spec.as_object_mut().unwrap().remove("suspended");
    rolls(Rolling::with(service).on_fleet(spec)).await;
}

/// Without target groups, the verification decides in place of target health.
#[tokio::test]
async fn a_service_without_a_target_group() {
    rolls(Rolling::of("search").on_fleet(fleet_spec("search", &HOSTS, &[]))).await;
}

/// Rolls forward to v2, and rolls v3 back, which never passes its verification.
async fn rolls(beginning: Beginning) {
    let roll = beginning.image("v2").image_in("v3", "unhealthy").begin().await;

    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;
    assert_eq!(begun(&roll.events.of(id)).len(), 3);
    let on_v2 = roll.look().await;
    on_v2.assert_runs(&roll.fleet, "search", &roll.pinned("v2"));
    on_v2.assert_no_tags();

    let id = roll.publish("v3").await;
    roll.judge(id, Outcome::RolledBack).await;
    roll.assert_runs("v2").await;
    roll.worker.stop().await;
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

/// A fleet of two behind a network load balancer, which leaves connections open that are open when the
/// delay is over.
fn behind_a_network_load_balancer(attributes: Value) -> Value {
    let mut spec = fleet_spec("search", &TWO, &[(8080, 8100)]);
    spec["target_groups"][0]["protocol"] = json!("TCP");
    spec["target_groups"][0]["attributes"] = attributes;
    spec
}

/// A Network Load Balancer's minutes, in the lab: a sixtieth of AWS's.
const NLB_TIMES: &str = "nlb_min_drain = \"3s\"\nnlb_registration = \"5s\"";

#[tokio::test]
async fn trap_12_open_connections_are_awaited_behind_an_nlb() {
    let across = behind_a_network_load_balancer(json!({"load_balancing.cross_zone.enabled": "true"}));
    let roll = Rolling::of("search")
        .service(|service| service.roll = NLB_TIMES.to_owned())
        .on_fleet(across)
        .image("v2")
        .begin()
        .await;
    let requests = slow_requests(&roll.fleet, 6_000).await;

    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;

    for request in requests {
        assert!(within("a slow request", request).await.unwrap(), "was cut");
    }
    roll.end().await;
}

#[tokio::test]
async fn trap_12_what_outlasts_the_deadline_is_named() {
    let across = behind_a_network_load_balancer(json!({"load_balancing.cross_zone.enabled": "true"}));
    let roll = Rolling::of("search")
        .service(|service| {
            service.drain_timeout = "1s".to_owned();
            service.roll = NLB_TIMES.to_owned();
        })
        .on_fleet(across)
        .image("v2")
        .begin()
        .await;
    let requests = slow_requests(&roll.fleet, 30_000).await;

    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;

    let named = roll
        .events
        .of(id)
        .into_iter()
        .any(|event| matches!(event.event, Event::ConnectionsCut { connections, .. } if connections > 0));
    assert!(named, "{:?}", roll.events.of(id));
    for request in requests {
        request.abort();
    }
    roll.end().await;
}

/// Two hosts, each alone in its zone, and a balancer without cross-zone balancing: neither host can be
/// spared.
#[tokio::test]
async fn trap_13_a_zone_that_would_be_empty_refuses() {
    let apart = behind_a_network_load_balancer(json!({"load_balancing.cross_zone.enabled": "false"}));
    let roll = Rolling::of("search").on_fleet(apart).image("v2").begin().await;

    let id = roll.publish("v2").await;
    let ended = roll.judge(id, Outcome::Failed).await;

    assert!(
        ended.summary.contains("cross-zone balancing is off"),
        "{}",
        ended.summary
    );
    roll.assert_containers_as_before().await;
    roll.end().await;
}

/// Every host is in a spare target group too, which no load balancer uses: its targets are `unused`, and say
/// nothing of the hosts. At the end they are registered there as before.
#[tokio::test]
async fn trap_13_a_spare_target_group_is_neither_sick_nor_drained() {
    let mut spec = fleet_spec("search", &TWO, &[(8080, 8100)]);
    let spare = json!({"name": "search-spare", "port": 8080, "deregistration_delay_s": 60});
    spec["target_groups"].as_array_mut().unwrap().push(spare);
    let roll = Rolling::of("search")
        .service(|service| service.roll = "canary = { instances = 1, bake = \"5s\" }".to_owned())
        .on_fleet(spec)
        .image("v2")
        .begin()
        .await;
    let begun = Instant::now();
    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;

    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let events = roll.events.of(id);
    let drains =
        |event: &&StatusEvent| matches!(&event.event, Event::Host(host) if host.phase == HostPhase::Draining);
    let drained: Vec<_> = events.iter().filter(drains).map(|event| event.at).collect();
    let between = drained[1].duration_since(drained[0]);
    assert!(
        between >= SignedDuration::from_secs(5),
        "{between:?}: the canary was not watched alone"
    );
    roll.end().await;
}
