//! `make bench-scale`: one roll of a large fleet in a crowded region, and what it cost.
//!
//! ```text
//!   fleet      every host of the lab (HOSTS) in one group and three target groups, drained for 30 s, checked every 5 s
//!   region     GROUPS target groups, half of the others' in the fleet's VPC; ALARMS alarms, of which SILENCED are silenced
//!   AWS        hard, with its request rates, half of which a second user takes; the worker's share is SHARE
//!   roll       25 % at once, min_healthy_time 10s, poll_interval 2s
//!   last line  one JSON object (`figures.rs`)
//! ```
//! `bench_scale growth < LINES` reads such lines, and prints how calls and processor time grow with the fleet.
//!
//! The container of every host is one of the test application; beyond forty hosts its engine is a model.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints, and one that cannot measure has failed"
)]

mod aims;
mod figures;
mod growth;
mod order;
mod process;
mod progress;

use std::process::ExitCode;
use std::time::Instant;

use drawgate_tests::lab::{Fleet, Lab, hosts};
use drawgate_tests::{Prepared, Scene};
use figures::{Figures, Seen};
use order::Order;
use process::Watch;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("growth") {
        return growth::judge(std::io::stdin().lines().map_while(Result::ok));
    }
    let order = Order::of_environment();
    let figures = roll(&order).await;
    let met = aims::judge(&figures, &order);
    println!("{}", serde_json::to_value(&figures).unwrap());
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn roll(order: &Order) -> Figures {
    let scene = Scene::begin().await;
    scene.serve(&order.service());
    scene.share(order.share);
    let begun = Instant::now();
    let fleet = fleet(&scene, order).await;
    println!(
        "{} hosts on v1 and healthy after {:.0} s",
        fleet.instances.len(),
        begun.elapsed().as_secs_f64()
    );
    let mut prepared = Prepared::of(scene, order::SERVICE, fleet);
    prepared.image("v2").await;
    let (lab, fleet) = (&prepared.scene.lab, &prepared.fleet);
    let crowd = lab.crowd(order.crowd()).await;
    let worker = prepared.scene.worker().await;
    let events = prepared.scene.events().await;
    let watch = Watch::over(worker.pid());
    lab.set_world(json!({"setting": "hard", "others": order.others}))
        .await;
    // The transitions are kept: by those of before it is known which targets the roll takes out.
    lab.post("calls/reset", json!({})).await;

    let begun = Instant::now();
    let id = prepared.scene.publish(order::SERVICE, "v2", &[]).await;
    let ended = progress::until_the_end(&events, id, fleet.instances.len()).await;
    let wall_s = begun.elapsed().as_secs_f64();

    let seen = Seen::by(lab, &crowd, fleet).await;
    let cost = watch.end().await;
    println!("{}", ended.summary);
    progress::print_steps(&prepared.scene.journal(id).await);
    worker.stop().await;
    let unknown = lab.get("engines/unknown").await;
    assert_eq!(
        unknown,
        json!([]),
        "the model engines were asked what they do not know"
    );
    Figures::of(order, ended.outcome, wall_s, &seen, cost)
}

/// Every host of the lab on v1, behind the target groups, and healthy in each.
async fn fleet(scene: &Scene, order: &Order) -> Fleet {
    let all = hosts();
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    scene.v1(order::SERVICE, &names, &["-p", "8080:8080"]).await;
    let fleet = scene.lab.fleet(order.fleet()).await;
    healthy(&scene.lab, &fleet).await;
    fleet
}

/// Waits until every target is healthy. The lab needs a tenth of a second to tell the state of a large fleet, so it
/// is asked seldom.
async fn healthy(lab: &Lab, fleet: &Fleet) {
    let end = Instant::now() + order::HEALTHY_WITHIN;
    for group in &fleet.target_groups {
        loop {
            let targets = lab.targets(&group.name).await;
            let healthy = targets.iter().filter(|(_, state)| state == "healthy").count();
            if healthy == fleet.instances.len() {
                break;
            }
            assert!(
                Instant::now() < end,
                "{healthy} targets of {} are healthy",
                group.name
            );
            tokio::time::sleep(order::HEALTH_AGAIN).await;
        }
    }
}
