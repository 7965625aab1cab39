//! Images whose HEALTHCHECK has no verdict yet: the worker waits while it is `starting`, which is no failure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::Outcome;
use drawgate_tests::disaster::PortRule;
use drawgate_tests::oracle::Look;
use drawgate_tests::{Scene, Service};
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
    let scene = Scene::begin().await;
    scene.serve(&checked_by_its_image("attempts = 3\ninterval = \"5s\""));
    let fleet = scene.fleet_on_v1("search", &["h1"]).await;
    let v2 = scene.lab.image_checked_by("search", "v2", "ok", json!({})).await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    let after = Look::at(&scene.lab).await;
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    scene.end(worker).await;
}

/// On a rolled host and on one that boots: the wait for `starting` lasts longer than the attempts would, and
/// `unhealthy` is not waited for at all.
#[tokio::test]
async fn trap_39_starting_is_no_attempt_and_unhealthy_no_wait() {
    let scene = Scene::begin().await;
    scene.serve(&checked_by_its_image("attempts = 1\ninterval = \"100ms\"").publishing());
    scene.fleet_on_v1("search", &["h1"]).await;
    let check = json!({"interval_s": 2, "retries": 1});
    let v2 = scene
        .lab
        .image_checked_by("search", "v2", "ok", check.clone())
        .await;
    let bad = scene
        .lab
        .image_checked_by("search", "v3", "unhealthy", check)
        .await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let id = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;

    let wanted = scene.lab.parameter(DESIRED).await.unwrap();
    let boot = scene.lab.boot("h2", DESIRED, &[]).await;
    assert_eq!(boot.code, Some(0), "{}", boot.said);
    let on_v2 = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v3", &[]).await;
    let ended = scene.judge(&events, id, Outcome::RolledBack, &before).await;
    assert!(
        ended.summary.contains("HEALTHCHECK says unhealthy"),
        "{}",
        ended.summary
    );
    let tried = scene.journal(id).await;
    let verifies = tried.iter().filter(|entry| {
        let entry = serde_json::to_string(entry).unwrap();
        entry.contains("intent") && entry.contains("verify") && entry.contains("forward")
    });
    assert_eq!(verifies.count(), 1, "a definite no is asked for once");
    Look::at(&scene.lab).await.assert_containers_as(&on_v2);

    scene.lab.put_parameter(DESIRED, &wanted.replace(&v2, &bad)).await;
    let boot = scene.lab.boot("h3", DESIRED, &[]).await;
    assert_eq!(boot.code, Some(1), "{}", boot.said);
    assert!(boot.said.contains("HEALTHCHECK says unhealthy"), "{}", boot.said);
    scene.end(worker).await;
}

/// `plan` reads the image at its registry. Where the registry is away, the release reads the image once it is
/// on a host, before it touches any host.
#[tokio::test]
async fn trap_39_a_start_timeout_shorter_than_the_images_is_refused() {
    let scene = Scene::begin().await;
    scene.serve(&checked_by_its_image("start_timeout = \"1m\""));
    scene.fleet_on_v1("search", &["h1"]).await;
    scene.lab.image_checked_by("search", "v2", "ok", json!({})).await;
    scene.lab.image("search", "v3", "v3", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let plan = async |tag: &str| {
        let image = scene.image("search", tag);
        let arguments = [
            "plan",
            "--environment",
            "staging",
            "--service",
            "search",
            "--image",
            &image,
        ];
        let output = scene.drawgate_worker(&arguments).await;
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
    let id = scene.publish("search", "v2", &[]).await;
    let ended = scene.judge(&events, id, Outcome::Failed, &before).await;
    assert!(ended.summary.contains(both), "{}", ended.summary);
    // Besides the pull, the release takes the fleet's lease and gives it back.
    let writes = scene.lab.writes().await;
    let touched = writes
        .iter()
        .find(|call| !call["action"].as_str().unwrap().starts_with("ssm:"));
    assert_eq!(touched, None);
    Look::at(&scene.lab).await.assert_containers_as(&before);
    away.lift().await;
    scene.end(worker).await;
}
