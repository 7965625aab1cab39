//! Alarms that fire: before a release, in its middle, while it rolls back, and while it bakes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Direction, Event, HostPhase, Outcome};
use drawgate_tests::lab::TWO;
use drawgate_tests::{Rolling, Scene, Service};
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
    let roll = Rolling::with(watched("")).image("v2").begin().await;
    let load = roll.load().await;

    let id = roll.publish("v2").await;
    roll.events
        .nth_phase(id, Direction::Forward, HostPhase::Draining, 2)
        .await;
    set(&roll.scene, "ALARM").await;
    let turned = roll.events.kind(id, "rolling_back").await;
    // The alarm still fires, and the rollback goes on all the same.
    let ended = roll.judge_telling(id, Outcome::RolledBack).await;
    set(&roll.scene, "OK").await;
    roll.look().await.assert_aws_as(&roll.before);

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
    roll.assert_containers_as_before().await;
    roll.end().await;
}

/// A release that finds an alarm in ALARM is refused, with the option that lets it pass. With that option it
/// rolls, and says so. An alarm that was quiet at the start and fires during the bake rolls all hosts back.
#[tokio::test]
async fn trap_16_an_alarm_fires_at_the_start_and_in_the_bake() {
    let roll = Rolling::with(watched("bake = \"1m\""))
        .on(&TWO)
        .image("v2")
        .begin()
        .await;

    set(&roll.scene, "ALARM").await;
    let id = roll.publish("v2").await;
    let ended = roll.judge_telling(id, Outcome::Failed).await;
    assert!(
        ended.summary.contains("search-5xx: in ALARM already"),
        "{}",
        ended.summary
    );
    assert!(ended.hint.unwrap().contains("firing = \"none\""));
    let image = roll.scene.image("search", "v2");
    let output = roll.scene.plan("search", &image, &[]).await;
    assert_eq!(output.status.code(), Some(3));

    set(&roll.scene, "OK").await;
    let id = roll.publish("v2").await;
    let baking = roll.events.kind(id, "baking").await;
    let Event::Baking { until } = baking.event else {
        panic!("{baking:?}");
    };
    assert_eq!(until.duration_since(baking.at).as_secs(), 60);
    set(&roll.scene, "ALARM").await;
    let ended = roll.judge_telling(id, Outcome::RolledBack).await;
    set(&roll.scene, "OK").await;
    assert!(ended.receipt.unwrap().hosts.iter().all(|host| host.touched));
    let after = roll.look().await;
    after.assert_aws_as(&roll.before);
    after.assert_containers_as(&roll.before);
    roll.end().await;
}

/// Alarms are muted during the roll: one that fires meanwhile and is OK again by the end notifies nobody. A
/// worker that is killed leaves a mute rule with an end; the next worker deletes the rule.
#[tokio::test]
async fn trap_15_a_mute_rule_has_an_end_when_its_worker_is_killed() {
    let mut roll = Rolling::of("search")
        .service(|service| service.alarms = "by = \"mute_rule\"\nsettle = \"20s\"".to_owned())
        .on(&TWO)
        .image("v2")
        .begin()
        .await;

    let id = roll.publish("v2").await;
    let silenced = roll.events.kind(id, "alarms_silenced").await;
    let Event::AlarmsSilenced { alarms, until } = &silenced.event else {
        panic!("{silenced:?}");
    };
    assert_eq!(alarms, &["search-5xx"]);
    assert!(until.is_some_and(|until| until > silenced.at));
    roll.events
        .phase(id, Direction::Forward, HostPhase::Draining)
        .await;
    roll.worker.kill().await;
    let rules = roll.scene.lab.get("state").await["mute_rules"].clone();
    assert_eq!(rules[0]["name"], format!("drawgate-staging-search-{id}-1"));
    assert_eq!(rules[0]["alarms"], json!(["search-5xx"]));
    let ends_in_s = rules[0]["ends"].as_f64().unwrap() - jiff::Timestamp::now().as_second() as f64;
    assert!((600.0..1_000.0).contains(&ends_in_s), "ends in {ends_in_s} s");
    set(&roll.scene, "ALARM").await;

    roll.worker = roll.scene.worker().await;
    roll.events.kind(id, "scaling_resumed").await;
    set(&roll.scene, "OK").await;
    let ended = roll.judge(id, Outcome::Succeeded).await;
    assert!(
        ended
            .receipt
            .unwrap()
            .alarms
            .iter()
            .all(|alarm| alarm.before && alarm.after)
    );
    assert_eq!(
        roll.scene.lab.get("alarms/fired").await,
        json!([]),
        "it was OK before it was unmuted"
    );
    roll.end_after_kill().await;
}
