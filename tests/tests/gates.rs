//! The gates of a release apart from approvals: freezes, windows, and promotion from another environment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Blocker, Event, Outcome, ReleaseId};
use drawgate_tests::lab::HOSTS;
use drawgate_tests::oracle::Look;
use drawgate_tests::scene::fleet_spec;
use drawgate_tests::{Fleet, Scene, Service};
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

async fn begin(more: &str) -> (Scene, Fleet) {
    let scene = Scene::begin().await;
    let mut service = Service::of("search");
    service.more = more.to_owned();
    scene.serve(&service);
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    (scene, fleet)
}

/// During a freeze no release begins, not even with another worker process; at its end the blocked release
/// begins. A roll that has begun goes on in a freeze.
#[tokio::test]
async fn a_freeze_holds_a_release_and_lets_it_go_at_its_end() {
    let (scene, fleet) = begin("").await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

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
    let (code, said) = run(&scene, &freeze).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("staging is frozen until") && said.contains("by drawgate: db upgrade"),
        "{said}"
    );
    let id = scene.publish("search", "v2", &[]).await;
    let blocked = events.kind(id, "blocked").await;
    let Event::Blocked { blockers } = &blocked.event else {
        panic!("{blocked:?}")
    };
    assert!(
        matches!(&blockers[..], [Blocker::Frozen(freeze)] if freeze.until == until),
        "{blockers:?}"
    );
    worker.kill().await;
    let worker = scene.worker().await;
    let (_, why) = run(&scene, &["why", &id.to_string()]).await;
    assert!(
        why.contains("db upgrade") && why.contains("drawgate thaw --environment staging"),
        "{why}"
    );
    let (_, status) = run(&scene, &["status"]).await;
    assert!(
        status.contains("v2 blocked") && status.contains("db upgrade"),
        "{status}"
    );
    let (_, lane) = run(&scene, &["status", "--format", "json"]).await;
    let lane: serde_json::Value = serde_json::from_str(&lane).unwrap();
    assert_eq!(lane["freezes"][0]["reason"], "db upgrade", "{lane}");
    Look::at(&scene.lab).await.assert_containers_as(&before);

    let started = events.kind(id, "started").await;
    assert!(started.at >= until, "{} before {until}", started.at);
    let (code, said) = run(
        &scene,
        &["freeze", "--for", "1h", "--reason", "holidays", "--yes"],
    )
    .await;
    assert_eq!(code, 0, "{said}");
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    let after = Look::at(&scene.lab).await;
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v2));

    scene.lab.image("search", "v3", "v3", "ok").await;
    let id = scene.publish("search", "v3", &[]).await;
    events.kind(id, "blocked").await;
    refused(
        &scene,
        &["thaw", "--environment", "staging"],
        3,
        "staging is not frozen as such: everything is frozen",
    )
    .await;
    let (code, said) = run(&scene, &["thaw"]).await;
    assert_eq!(code, 0, "{said}");
    events.kind(id, "unblocked").await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    scene.end_after_kill(worker).await;
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
    let scene = Scene::begin().await;
    let mut service = Service::of("search");
    service.allow_outage = true;
    service.more = "[environment.staging]\nrequires = \"personal-ben\"".to_owned();
    scene.serve(&service);
    let fleet = scene.fleet_on_v1("search", &["h1"]).await;
    scene.v1("search", &["h2"], &["-p", "8080:8080"]).await;
    let mut first = fleet_spec("search", &["h2"], &[]);
    first["name"] = json!("search-personal-ben");
    first["alarms"] = json!([]);
    scene.lab.fleet(first).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    let ended = events.end(id).await;
    assert_eq!(ended.outcome, Outcome::Rejected);
    assert_eq!(
        ended.summary,
        format!("{v2} has not succeeded in personal-ben, as staging requires: nothing was touched")
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
        &scene,
        &promote,
        2,
        "no release of search has succeeded in personal-ben yet",
    )
    .await;
    Look::at(&scene.lab).await.assert_containers_as(&before);

    let image = scene.image("search", "v2");
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
    let (code, said) = run(&scene, &publish).await;
    assert_eq!(code, 0, "{said}");
    // The tag points elsewhere by now.
    let moved = scene.lab.image("search", "v2", "v2-moved", "ok").await;
    let refused_id = scene.publish("search", "v2", &[]).await;
    let ended = events.end(refused_id).await;
    assert!(ended.summary.starts_with(&moved), "{}", ended.summary);
    let output = scene.drawgate(&promote).await;
    let promoted: ReleaseId = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    let ended = events.end(promoted).await;
    assert_eq!(ended.outcome, Outcome::Succeeded, "{}", ended.summary);
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    scene.end(worker).await;
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
    let (scene, fleet) = begin(&windows(&format!("{day} 08:00-16:00"))).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    let blocked = events.kind(id, "blocked").await;
    let Event::Blocked { blockers } = &blocked.event else {
        panic!("{blocked:?}")
    };
    assert!(
        matches!(&blockers[..], [Blocker::Closed { opens_at, .. }] if *opens_at > blocked.at),
        "{blockers:?}"
    );
    let (_, why) = run(&scene, &["why", &id.to_string()]).await;
    assert!(
        why.contains(&format!("releases begin {day} 08:00-16:00 (UTC)")),
        "{why}"
    );
    let (code, said) = run(&scene, &["ping"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("bastion-lab at ") && said.contains("1 service, 1 release open"),
        "{said}"
    );
    worker.stop().await;
    let mut service = Service::of("search");
    service.more = windows("Mon-Sun 00:00-24:00");
    scene.serve(&service);
    let worker = scene.worker().await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    scene.end(worker).await;
}

/// Frozen, outside its window, neither approved nor promoted: an emergency by a login that the worker's file
/// names passes all gates, and is announced. A shared login's emergency does not pass.
#[tokio::test]
async fn an_emergency_passes_every_gate_and_is_told() {
    let scene = Scene::begin().await;
    scene.configure(
        "[people]\nshared = [\"ci\"]\n\n[groups]\noncall = [\"anna\", \"ci\"]\nops = [\"ben\"]\n\n[emergency]\nfrom = [\"oncall\"]\n",
    );
    let day = (Timestamp::now() + SignedDuration::from_hours(48))
        .strftime("%a")
        .to_string();
    let mut service = Service::of("search");
    service.more = format!(
        "[environment.staging]\nrequires = \"personal-ben\"\napproval = {{ from = [\"ops\"] }}\n\
         windows = {{ timezone = \"UTC\", open = [\"{day} 08:00-16:00\"] }}"
    );
    scene.serve(&service);
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let (code, said) = run(
        &scene,
        &["freeze", "--for", "1h", "--reason", "holidays", "--yes"],
    )
    .await;
    assert_eq!(code, 0, "{said}");

    let image = scene.image("search", "v2");
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
        let refused = scene
            .drawgate_as(user, &[&publish[..], &["--wait"]].concat())
            .await;
        let said = String::from_utf8_lossy(&refused.stdout).into_owned();
        assert_eq!(refused.status.code(), Some(3), "{said}");
        assert!(
            said.contains(&format!("{user} may not let it pass every gate")),
            "{said}"
        );
    }
    let published = scene.drawgate_as("anna", &publish).await;
    let id: ReleaseId = String::from_utf8_lossy(&published.stdout).trim().parse().unwrap();
    let told = events.kind(id, "emergency").await;
    assert_eq!(
        told.event,
        Event::Emergency {
            by: "anna".to_owned(),
            reason: "checkout is down".parse().unwrap()
        }
    );
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    Look::at(&scene.lab)
        .await
        .assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    scene.end(worker).await;
}

/// A blocked release blocks no emergency, even when the worker was killed in between.
#[tokio::test]
async fn an_emergency_goes_before_what_is_held() {
    let scene = Scene::begin().await;
    scene.configure(
        "[people]\nshared = [\"ci\"]\n\n[groups]\noncall = [\"anna\"]\n\n[emergency]\nfrom = [\"oncall\"]\n",
    );
    scene.serve(&Service::of("search"));
    let fleet = scene.fleet_on_v1("search", &HOSTS).await;
    let v2 = scene.lab.image("search", "v2", "v2", "ok").await;
    let v3 = scene.lab.image("search", "v3", "v3", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let freeze = ["freeze", "--for", "1h", "--reason", "holidays", "--yes"];
    let (code, said) = run(&scene, &freeze).await;
    assert_eq!(code, 0, "{said}");
    let blocked = scene.publish("search", "v3", &["--sequence", "9"]).await;
    events.kind(blocked, "blocked").await;

    let image = scene.image("search", "v2");
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
    let published = scene.drawgate_as("anna", &publish).await;
    let id: ReleaseId = String::from_utf8_lossy(&published.stdout).trim().parse().unwrap();
    events.kind(id, "started").await;
    worker.kill().await;
    let worker = scene.worker().await;
    scene.judge(&events, id, Outcome::Succeeded, &before).await;
    let after = Look::at(&scene.lab).await;
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v2));
    assert_eq!(scene.show(blocked).await["state"]["type"], "waiting");

    let (code, said) = run(&scene, &["thaw"]).await;
    assert_eq!(code, 0, "{said}");
    scene.judge(&events, blocked, Outcome::Succeeded, &before).await;
    let after = Look::at(&scene.lab).await;
    after.assert_runs(&fleet, "search", &scene.pinned("search", &v3));
    scene.end_after_kill(worker).await;
}
