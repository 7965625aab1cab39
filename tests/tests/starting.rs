//! Images whose HEALTHCHECK has no verdict yet: the worker waits while it is `starting`, which is no failure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::Outcome;
use drawgate_tests::disaster::PortRule;
use drawgate_tests::{Rolling, Service};
use serde_json::json;

const DESIRED: &str = "/drawgate/wanted/staging/search";
const REGISTRY: u16 = 5000;

/// A service on one host, which may be out.
fn checked_by_its_image(more: &str) -> Service {
    let mut service = Service::of("search");
    service.allow_outage = true;
    service.verify = Some(format!("healthcheck = true\n{more}"));
    service
}

/// With Docker's defaults the first probe comes after 30 s.
#[tokio::test]
async fn trap_39_an_image_with_dockers_defaults_is_released() {
    let ready = Rolling::with(checked_by_its_image("attempts = 3\ninterval = \"5s\""))
        .on(&["h1"])
        .prepare()
        .await;
    let v2 = ready
        .scene
        .lab
        .image_checked_by("search", "v2", "ok", json!({}))
        .await;
    let roll = ready.start().await;
    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;
    let after = roll.look().await;
    after.assert_runs(&roll.fleet, "search", &roll.scene.pinned("search", &v2));
    roll.end().await;
}

/// On a rolled host and on one that boots: the wait for `starting` lasts longer than the attempts would, and
/// `unhealthy` is not waited for at all.
#[tokio::test]
async fn trap_39_starting_is_no_attempt_and_unhealthy_no_wait() {
    let ready = Rolling::with(checked_by_its_image("attempts = 1\ninterval = \"100ms\"").publishing())
        .on(&["h1"])
        .prepare()
        .await;
    let check = json!({"interval_s": 2, "retries": 1});
    let v2 = ready
        .scene
        .lab
        .image_checked_by("search", "v2", "ok", check.clone())
        .await;
    let bad = ready
        .scene
        .lab
        .image_checked_by("search", "v3", "unhealthy", check)
        .await;
    let roll = ready.start().await;
    let id = roll.publish("v2").await;
    roll.judge(id, Outcome::Succeeded).await;

    let wanted = roll.scene.lab.parameter(DESIRED).await.unwrap();
    let boot = roll.scene.lab.boot("h2", DESIRED, &[]).await;
    assert_eq!(boot.code, Some(0), "{}", boot.said);
    let on_v2 = roll.look().await;

    let id = roll.publish("v3").await;
    let ended = roll.judge(id, Outcome::RolledBack).await;
    assert!(
        ended.summary.contains("HEALTHCHECK says unhealthy"),
        "{}",
        ended.summary
    );
    let tried = roll.scene.journal(id).await;
    let verifies = tried.iter().filter(|entry| {
        let entry = serde_json::to_string(entry).unwrap();
        entry.contains("intent") && entry.contains("verify") && entry.contains("forward")
    });
    assert_eq!(verifies.count(), 1, "a definite no is asked for once");
    roll.look().await.assert_containers_as(&on_v2);

    roll.scene
        .lab
        .put_parameter(DESIRED, &wanted.replace(&v2, &bad))
        .await;
    let boot = roll.scene.lab.boot("h3", DESIRED, &[]).await;
    assert_eq!(boot.code, Some(1), "{}", boot.said);
    assert!(boot.said.contains("HEALTHCHECK says unhealthy"), "{}", boot.said);
    roll.end().await;
}

/// `plan` reads the image at its registry. Where the registry is away, the release reads the image once it is
/// on a host, before it touches any host.
#[tokio::test]
async fn trap_39_a_start_timeout_shorter_than_the_images_is_refused() {
    let mut ready = Rolling::with(checked_by_its_image("start_timeout = \"1m\""))
        .on(&["h1"])
        .prepare()
        .await;
    ready
        .scene
        .lab
        .image_checked_by("search", "v2", "ok", json!({}))
        .await;
    ready.image("v3").await;
    let roll = ready.start().await;
    let plan = async |tag: &str| {
        let image = roll.scene.image("search", tag);
        let output = roll.scene.plan("search", &image, &[]).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        (output.status.code(), said)
    };
    let both = "HEALTHCHECK may take 3m to come to a verdict (start period 0s + 3 x (interval 30s + timeout 30s)), and \
                verify.start_timeout is 1m";
    let (code, said) = plan("v2").await;
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(both), "{said}");
    assert!(said.contains("start_timeout = \"3m\""), "{said}");
    let (code, said) = plan("v3").await;
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("the image has no HEALTHCHECK"), "{said}");

    let away = PortRule::reset_on_bastion(REGISTRY).await;
    let (code, said) = plan("v2").await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("its HEALTHCHECK could not be read"), "{said}");
    let id = roll.publish("v2").await;
    let ended = roll.judge(id, Outcome::Failed).await;
    assert!(ended.summary.contains(both), "{}", ended.summary);
    // Besides the pull, the release takes the fleet's lease and gives it back.
    let writes = roll.scene.lab.writes().await;
    let touched = writes
        .iter()
        .find(|call| !call["action"].as_str().unwrap().starts_with("ssm:"));
    assert_eq!(touched, None);
    roll.assert_containers_as_before().await;
    away.lift().await;
    roll.end().await;
}
