//! The gates of a release apart from approvals: freezes, windows, and promotion from another environment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Blocker, Event, Outcome, ReleaseId};
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::{Beginning, Rolling, Scene, Service};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// Runs `drawgate`; gives exit code and output.
async fn run(scene: &Scene, arguments: &[&str]) -> (i32, String) {
    let output = scene.drawgate(arguments).await;
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

async fn refused(scene: &Scene, arguments: &[&str], code: i32, why: &str) {
    let (exit, said) = run(scene, arguments).await;
    assert_eq!(exit, code, "{said}");
    assert!(said.contains(why), "{said}");
}

/// A fleet whose service's file ends with `more`.
fn with_gates(more: &str) -> Beginning {
    Rolling::of("search").service(|service| service.more = more.to_owned())
}

/// During a freeze no release begins, not even with another worker process; at its end the blocked release
/// begins. A roll that has begun goes on in a freeze.
#[tokio::test]
async fn a_freeze_holds_a_release_and_lets_it_go_at_its_end() {
    let mut roll = Rolling::of("search").image("v2").begin().await;

    let until = Timestamp::now() + SignedDuration::from_secs(12);
    let freeze = [
        "freeze",
        "--environment",
        "staging",
        "--until",
        &until.to_string(),
        "--reason",
        "db upgrade",
    ];
    let (code, said) = run(&roll.scene, &freeze).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("staging is frozen until") && said.contains("by drawgate: db upgrade"),
        "{said}"
    );
    let id = roll.publish("v2").await;
    let blocked = roll.events.kind(id, "blocked").await;
    let Event::Blocked { blockers } = &blocked.event else {
        panic!("{blocked:?}")
    };
    assert!(
        matches!(&blockers[..], [Blocker::Frozen(freeze)] if freeze.until == until),
        "{blockers:?}"
    );
    roll.worker.kill().await;
    roll.worker = roll.scene.worker().await;
    let (_, why) = run(&roll.scene, &["why", &id.to_string()]).await;
    assert!(
        why.contains("db upgrade") && why.contains("drawgate thaw --environment staging"),
        "{why}"
    );
    let (_, status) = run(&roll.scene, &["status"]).await;
    assert!(
        status.contains("v2 blocked") && status.contains("db upgrade"),
        "{status}"
    );
    let (_, lane) = run(&roll.scene, &["status", "--format", "json"]).await;
    let lane: serde_json::Value = serde_json::from_str(&lane).unwrap();
    assert_eq!(lane["freezes"][0]["reason"], "db upgrade", "{lane}");
    roll.assert_containers_as_before().await;

    let started = roll.events.kind(id, "started").await;
    assert!(started.at >= until, "{} before {until}", started.at);
    let (code, said) = run(
        &roll.scene,
        &["freeze", "--for", "1h", "--reason", "holidays", "--yes"],
    )
    .await;
    assert_eq!(code, 0, "{said}");
    roll.judge(id, Outcome::Succeeded).await;
    roll.assert_runs("v2").await;

    roll.scene.lab.image("search", "v3", "v3", "ok").await;
    let id = roll.publish("v3").await;
    roll.events.kind(id, "blocked").await;
    refused(
        &roll.scene,
        &["thaw", "--environment", "staging"],
        3,
        "staging is not frozen as such: everything is frozen",
    )
    .await;
    let (code, said) = run(&roll.scene, &["thaw"]).await;
    assert_eq!(code, 0, "{said}");
    roll.events.kind(id, "unblocked").await;
    roll.judge(id, Outcome::Succeeded).await;
    roll.end_after_kill().await;
}

/// A freeze is refused when the login may not give it, when its environment does not exist, when it is over
/// already, and when it is not confirmed: nothing is frozen then.
#[tokio::test]
async fn a_freeze_that_is_refused_freezes_nothing() {
    let scene = Scene::begin().await;
    scene.configure("[groups]\nops = [\"anna\"]\n\n[orders]\nfrom = [\"ops\"]\n");
    scene.serve(&Service::of("search"));
    let worker = scene.worker().await;
    let freeze = ["freeze", "--reason", "x", "--environment", "staging"];
    refused(
        &scene,
        &[&freeze[..], &["--for", "1h"]].concat(),
        3,
        "drawgate may not: [orders]",
    )
    .await;
    refused(&scene, &["thaw"], 3, "drawgate may not: [orders]").await;
    refused(
        &scene,
        &["freeze", "--reason", "x", "--for", "1h"],
        2,
        "nothing was frozen",
    )
    .await;
    refused(&scene, &freeze, 2, "--for").await;
    let by_anna = async |arguments: &[&str]| {
        let output = scene.drawgate_as("anna", arguments).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    for (arguments, why) in [
        (
            ["--environment", "production", "--for", "1h"],
            "releases nothing to",
        ),
        (
            ["--environment", "staging", "--until", "2020-01-01T00:00:00Z"],
            "and not before now",
        ),
        (
            ["--environment", "staging", "--until", "2999-01-01T00:00:00Z"],
            "within 31 days",
        ),
    ] {
        let (code, said) = by_anna(&[&["freeze", "--reason", "x"], &arguments[..]].concat()).await;
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains(why), "{said}");
    }
    let (_, status) = run(&scene, &["status"]).await;
    assert!(!status.contains("frozen"), "{status}");
    let (code, said) = by_anna(&[
        "freeze",
        "--reason",
        "x",
        "--environment",
        "personal-ben",
        "--for",
        "1h",
    ])
    .await;
    assert_eq!(code, Some(0), "{said}");
    scene.end(worker).await;
}

/// A promotion goes by the digest, wherever its tag points; a refused release touches nothing.
#[tokio::test]
async fn a_promotion_is_refused_and_then_allowed() {
    let mut ready = Rolling::of("search")
        .service(|service| {
            service.allow_outage = true;
            service.more = "[environment.staging]\nrequires = \"personal-ben\"".to_owned();
        })
        .on(&["h1"])
        .prepare()
        .await;
    ready.scene.v1("search", &["h2"], &["-p", "8080:8080"]).await;
    let mut first = fleet_spec("search", &["h2"], &[]);
    first["name"] = json!("search-personal-ben");
    first["alarms"] = json!([]);
    ready.scene.lab.fleet(first).await;
    ready.image("v2").await;
    let roll = ready.start().await;

    let id = roll.publish("v2").await;
    let ended = roll.events.end(id).await;
    assert_eq!(ended.outcome, Outcome::Rejected);
    assert_eq!(
        ended.summary,
        format!(
            "{} has not succeeded in personal-ben, as staging requires: nothing was touched",
            roll.digest("v2")
        )
    );
    let promote = [
        "promote",
        "--from",
        "personal-ben",
        "--to",
        "staging",
        "--service",
        "search",
    ];
    refused(
        &roll.scene,
        &promote,
        2,
        "no release of search has succeeded in personal-ben yet",
    )
    .await;
    roll.assert_containers_as_before().await;

    let image = roll.scene.image("search", "v2");
    let publish = [
        "publish",
        "--environment",
        "personal-ben",
        "--service",
        "search",
        "--image",
        &image,
        "--wait",
    ];
    let (code, said) = run(&roll.scene, &publish).await;
    assert_eq!(code, 0, "{said}");
    // The tag points elsewhere by now.
    let moved = roll.scene.lab.image("search", "v2", "v2-moved", "ok").await;
    let refused_id = roll.publish("v2").await;
    let ended = roll.events.end(refused_id).await;
    assert!(ended.summary.starts_with(&moved), "{}", ended.summary);
    let output = roll.scene.drawgate(&promote).await;
    let promoted: ReleaseId = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    let ended = roll.events.end(promoted).await;
    assert_eq!(ended.outcome, Outcome::Succeeded, "{}", ended.summary);
    roll.assert_runs("v2").await;
    roll.end().await;
}

/// The window is shut today and open the day after tomorrow; after the file is changed, the blocked release
/// begins.
#[tokio::test]
async fn a_window_that_is_shut_holds_a_release() {
    let day = Timestamp::now() + SignedDuration::from_hours(48);
    let day = day.strftime("%a").to_string();
    let windows = |open: &str| {
        format!("[environment.staging]\nwindows = {{ timezone = \"UTC\", open = [\"{open}\"] }}")
    };
    let mut roll = with_gates(&windows(&format!("{day} 08:00-16:00")))
        .image("v2")
        .begin()
        .await;

    let id = roll.publish("v2").await;
    let blocked = roll.events.kind(id, "blocked").await;
    let Event::Blocked { blockers } = &blocked.event else {
        panic!("{blocked:?}")
    };
    assert!(
        matches!(&blockers[..], [Blocker::Closed { opens_at, .. }] if *opens_at > blocked.at),
        "{blockers:?}"
    );
    let (_, why) = run(&roll.scene, &["why", &id.to_string()]).await;
    assert!(
        why.contains(&format!("releases begin {day} 08:00-16:00 (UTC)")),
        "{why}"
    );
    let (code, said) = run(&roll.scene, &["ping"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("bastion-lab at ") && said.contains("1 service, 1 release open"),
        "{said}"
    );
    roll.worker.stop().await;
    let mut service = Service::of("search");
    service.more = windows("Mon-Sun 00:00-24:00");
    roll.scene.serve(&service);
    roll.worker = roll.scene.worker().await;
    roll.judge(id, Outcome::Succeeded).await;
    roll.assert_runs("v2").await;
    roll.end().await;
}

/// Frozen, outside its window, neither approved nor promoted: an emergency by a login that the worker's file
/// names passes all gates, and is announced. A shared login's emergency does not pass.
#[tokio::test]
async fn an_emergency_passes_every_gate_and_is_told() {
    let day = (Timestamp::now() + SignedDuration::from_hours(48))
        .strftime("%a")
        .to_string();
    let more = format!(
        "[environment.staging]\nrequires = \"personal-ben\"\napproval = {{ from = [\"ops\"] }}\n\
         windows = {{ timezone = \"UTC\", open = [\"{day} 08:00-16:00\"] }}"
    );
    let people = "[people]\nshared = [\"ci\"]\n\n[groups]\noncall = [\"anna\", \"ci\"]\nops = [\"ben\"]\n\n\
                  [emergency]\nfrom = [\"oncall\"]\n";
    let roll = with_gates(&more).configured(people).image("v2").begin().await;
    let (code, said) = run(
        &roll.scene,
        &["freeze", "--for", "1h", "--reason", "holidays", "--yes"],
    )
    .await;
    assert_eq!(code, 0, "{said}");

    let image = roll.scene.image("search", "v2");
    let publish = [
        "publish",
        "--environment",
        "staging",
        "--service",
        "search",
        "--image",
        &image,
        "--emergency",
        "checkout is down",
    ];
    for user in ["ben", "ci", "drawgate"] {
        let refused = roll
            .scene
            .drawgate_as(user, &[&publish[..], &["--wait"]].concat())
            .await;
        let said = String::from_utf8_lossy(&refused.stdout).into_owned();
        assert_eq!(refused.status.code(), Some(3), "{said}");
        assert!(
            said.contains(&format!("{user} may not let it pass every gate")),
            "{said}"
        );
    }
    let published = roll.scene.drawgate_as("anna", &publish).await;
    let id: ReleaseId = String::from_utf8_lossy(&published.stdout).trim().parse().unwrap();
    let told = roll.events.kind(id, "emergency").await;
    assert_eq!(
        told.event,
        Event::Emergency {
            by: "anna".to_owned(),
            reason: "checkout is down".parse().unwrap()
        }
    );
    roll.judge(id, Outcome::Succeeded).await;
    roll.assert_runs("v2").await;
    roll.end().await;
}

/// A blocked release blocks no emergency, even when the worker was killed in between.
#[tokio::test]
async fn an_emergency_goes_before_what_is_held() {
    let people =
        "[people]\nshared = [\"ci\"]\n\n[groups]\noncall = [\"anna\"]\n\n[emergency]\nfrom = [\"oncall\"]\n";
    let mut roll = Rolling::of("search")
        .configured(people)
        .images(["v2", "v3"])
        .begin()
        .await;
    let freeze = ["freeze", "--for", "1h", "--reason", "holidays", "--yes"];
    let (code, said) = run(&roll.scene, &freeze).await;
    assert_eq!(code, 0, "{said}");
    let blocked = roll.publish_with_options("v3", &["--sequence", "9"]).await;
    roll.events.kind(blocked, "blocked").await;

    let image = roll.scene.image("search", "v2");
    let publish = [
        "publish",
        "--environment",
        "staging",
        "--service",
        "search",
        "--image",
        &image,
        "--sequence",
        "8",
        "--emergency",
        "checkout is down",
    ];
    let published = roll.scene.drawgate_as("anna", &publish).await;
    let id: ReleaseId = String::from_utf8_lossy(&published.stdout).trim().parse().unwrap();
    roll.events.kind(id, "started").await;
    roll.worker.kill().await;
    roll.worker = roll.scene.worker().await;
    roll.judge(id, Outcome::Succeeded).await;
    roll.assert_runs("v2").await;
    assert_eq!(roll.scene.show(blocked).await["state"]["type"], "waiting");

    let (code, said) = run(&roll.scene, &["thaw"]).await;
    assert_eq!(code, 0, "{said}");
    roll.judge(blocked, Outcome::Succeeded).await;
    roll.assert_runs("v3").await;
    roll.end_after_kill().await;
}
