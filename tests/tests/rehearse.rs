//! A rehearsal of an existing fleet reads the fleet and touches nothing; the rehearsed roll takes about as
//! long as a real one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::Outcome;
use drawgate_tests::oracle::Look;
use drawgate_tests::{Prepared, Rolling};
use serde_json::Value;

#[tokio::test]
async fn a_live_fleet_is_rehearsed_and_then_rolled_so() {
    let Prepared { scene, .. } = Rolling::of("search").prepare().await;
    let before = Look::at(&scene.lab).await;

    let mut arguments = vec!["rehearse", "--environment", "staging", "--service", "search"];
    arguments.extend(["--format", "json"]);
    let output = scene.drawgate_worker(&arguments).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let rehearsed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rehearsed["outcome"], "succeeded");
    let order: Vec<&str> = rehearsed["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| host["instance"].as_str().unwrap())
        .collect();

    let searched = scene
        .drawgate_worker(&[arguments.as_slice(), &["--explore"]].concat())
        .await;
    let searched: Value = serde_json::from_slice(&searched.stdout).unwrap();
    assert_eq!(searched["violation"], Value::Null);
    assert!(searched["executions"].as_u64().unwrap() > 100, "{searched}");
    let after = Look::at(&scene.lab).await;
    after.assert_aws_as(&before);
    after.assert_containers_as(&before);

    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let id = scene.publish("search", "v2", &[]).await;
    let ended = scene.judge(&events, id, Outcome::Succeeded, &before).await;
    let receipt = ended.receipt.unwrap();
    let rolled: Vec<&str> = receipt.hosts.iter().map(|host| host.instance.as_str()).collect();
    assert_eq!(rolled, order, "the order of the rehearsal");
    scene.end(worker).await;
}
