//! Alarms that fire: before a release, in its middle, while it rolls back, and while it bakes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Direction, Event, HostPhase, Outcome};
use drawgate_tests::oracle::Look;
use drawgate_tests::{Load, Scene, Service};
use serde_json::json;

/// A service whose one alarm is silenced and watched.
fn watched(more: &str) -> Service {
    let mut service = Service::of("search");
    service.alarms = format!("watch = [\"search-5xx\"]\nwatch_interval = \"1s\"\n{more}");
    service
}

async fn set(scene: &Scene, state: &str) {
    let order = json!({"name": "search-5xx", "state": state, "reason": "12 errors in a minute"});
    scene.lab.post("alarm", order).await;
}

/// The host under way and the one before it roll back; groups, alarms and tags are as before.
#[tokio::test]
async fn trap_16_an_alarm_fires_in_mid_roll() {
    let scene = Scene::begin().await;
    scene.serve(&watched(""));
    let fleet = scene.fleet_on_v1("search", &["h1", "h2", "h3"]).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;
    let load = Load::start(scene.folder(), &fleet.target_groups[0].url, 40).await;

    let id = scene.publish("search", "v2", &[]).await;
    events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 2)
        .await;
    set(&scene, "ALARM").await;
    let turned = events.kind(id, "rolling_back").await;
    // The alarm still fires, and the rollback goes on all the same.
    let ended = scene.judge_telling(&events, id, Outcome::RolledBack).await;
    set(&scene, "OK").await;
    Look::at(&scene.lab).await.assert_aws_as(&before);

    let Event::RollingBack { reason, .. } = &turned.event else {
        panic!("{turned:?}");
    };
    assert_eq!(
        reason,
        "watched alarms: search-5xx went into ALARM: 12 errors in a minute"
    );
    assert!(
        ended.summary.contains("search-5xx went into ALARM"),
        "{}",
        ended.summary
    );
    load.stop_unharmed().await;
    Look::at(&scene.lab).await.assert_containers_as(&before);
    scene.end(worker).await;
}

/// A release that finds an alarm in ALARM is refused, with the option that lets it pass. With that option it
/// rolls, and says so. An alarm that was quiet at the start and fires during the bake rolls all hosts back.
#[tokio::test]
async fn trap_16_an_alarm_fires_at_the_start_and_in_the_bake() {
    let scene = Scene::begin().await;
    scene.serve(&watched("bake = \"1m\""));
    scene.fleet_on_v1("search", &["h1", "h2"]).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    set(&scene, "ALARM").await;
    let id = scene.publish("search", "v2", &[]).await;
    let ended = scene.judge_telling(&events, id, Outcome::Failed).await;
    assert!(
        ended.summary.contains("search-5xx: in ALARM already"),
        "{}",
        ended.summary
    );
    assert!(ended.hint.unwrap().contains("allow_firing = true"));
    let image = scene.image("search", "v2");
    let plan = [
        "plan",
        "--environment",
        "staging",
        "--service",
        "search",
        "--image",
        &image,
    ];
    let output = scene.drawgate_worker(&plan).await;
    assert_eq!(output.status.code(), Some(3));

    set(&scene, "OK").await;
    let id = scene.publish("search", "v2", &[]).await;
    let baking = events.kind(id, "baking").await;
    let Event::Baking { until } = baking.event else {
        panic!("{baking:?}");
    };
    assert_eq!(until.duration_since(baking.at).as_secs(), 60);
    set(&scene, "ALARM").await;
    let ended = scene.judge_telling(&events, id, Outcome::RolledBack).await;
    set(&scene, "OK").await;
    assert!(ended.receipt.unwrap().hosts.iter().all(|host| host.touched));
    let after = Look::at(&scene.lab).await;
    after.assert_aws_as(&before);
    after.assert_containers_as(&before);
    scene.end(worker).await;
}

/// Alarms are muted during the roll: one that fires meanwhile and is OK again by the end notifies nobody. A
/// worker that is killed leaves a mute rule with an end; the next worker deletes the rule.
#[tokio::test]
async fn trap_15_alarms_are_muted_and_a_killed_worker_leaves_a_rule_with_an_end() {
    let scene = Scene::begin().await;
    let mut service = Service::of("search");
    service.alarms = "by = \"mute_rule\"\nsettle = \"20s\"".to_owned();
    scene.serve(&service);
    scene.fleet_on_v1("search", &["h1", "h2"]).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let id = scene.publish("search", "v2", &[]).await;
    let silenced = events.kind(id, "alarms_silenced").await;
    let Event::AlarmsSilenced { alarms, until } = &silenced.event else {
        panic!("{silenced:?}");
    };
    assert_eq!(alarms, &["search-5xx"]);
    assert!(until.is_some_and(|until| until > silenced.at));
    events.phase(id, Direction::Forward, HostPhase::Draining).await;
    worker.kill().await;
    let rules = scene.lab.get("state").await["mute_rules"].clone();
    assert_eq!(rules[0]["name"], format!("drawgate-staging-search-{id}-1"));
    assert_eq!(rules[0]["alarms"], json!(["search-5xx"]));
    let ends_in_s = rules[0]["ends"].as_f64().unwrap() - jiff::Timestamp::now().as_second() as f64;
    assert!((600.0..1_000.0).contains(&ends_in_s), "ends in {ends_in_s} s");
    set(&scene, "ALARM").await;

    let worker = scene.worker().await;
    events.kind(id, "scaling_resumed").await;
    set(&scene, "OK").await;
    let ended = scene.judge(&events, id, Outcome::Succeeded, &before).await;
    assert!(
        ended
            .receipt
            .unwrap()
            .alarms
            .iter()
            .all(|alarm| alarm.before && alarm.after)
    );
    assert_eq!(
        scene.lab.get("alarms/fired").await,
        json!([]),
        "it was OK before it was unmuted"
    );
    scene.end_after_kill(worker).await;
}
