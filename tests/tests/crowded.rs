//! A region full of strangers, at AWS's request rates: target groups by the hundred, in other VPCs at the very
//! addresses of the fleet, and another user who takes half of every bucket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use drawgate_schemas::Outcome;
use drawgate_tests::lab::{Crowd, Lab, TWO};
use drawgate_tests::{Rolling, Service};
use serde_json::json;

/// Fills the account, and has AWS turn away what comes too fast.
async fn fill(lab: &Lab) -> Crowd {
    let crowd = lab
        .crowd(json!({
            "target_groups": 300, "vpcs": 3, "share_in_fleet_vpc": 0.1, "share_by_address": 0.5,
            "ip_targets_at": ["10.77.0.11", "10.77.0.12"], "alarms": 300,
        }))
        .await;
    lab.post("calls/reset", json!({})).await;
    lab.set_world(json!({"rates": true, "others": 0.5})).await;
    crowd
}

/// The strangers' target groups that were asked who is in them.
async fn asked(lab: &Lab, crowd: &Crowd) -> usize {
    let log = lab.get("calls/log").await;
    let health = "elasticloadbalancing:DescribeTargetHealth";
    let calls = log
        .as_array()
        .unwrap()
        .iter()
        .filter(|call| call["action"] == health);
    let asked: BTreeSet<&str> = calls.filter_map(|call| call["target"].as_str()).collect();
    let strangers = crowd.target_groups.iter();
    strangers.filter(|arn| asked.contains(arn.as_str())).count()
}

/// Only the fleet's own VPC is asked, within the rates, and no stranger is touched.
#[tokio::test]
async fn trap_33_a_crowded_region_is_rolled_within_its_rates() {
    let roll = Rolling::of("search").on(&TWO).image("v2").begin().await;
    let crowd = fill(&roll.scene.lab).await;

    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;

    assert_eq!(asked(&roll.scene.lab, &crowd).await, 30);
    assert_eq!(roll.scene.lab.touched_strangers().await, Vec::<String>::new());
    roll.assert_runs("v2").await;
    roll.end().await;
}

/// A file that names its target groups spares all others, also in its own VPC.
#[tokio::test]
async fn trap_33_named_groups_spare_all_others() {
    let mut service = Service::of("search");
    service.fleet += "\ntarget_groups = []";
    let roll = Rolling::with(service).on(&TWO).image("v2").begin().await;
    let crowd = fill(&roll.scene.lab).await;

    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;

    assert_eq!(asked(&roll.scene.lab, &crowd).await, 0);
    roll.end().await;
}
