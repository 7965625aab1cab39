//! The report on the example fleet (`infra/examples/fleet.json`), as an operator sees it.

use std::path::PathBuf;

use drawgate_config::Config;
use drawgate_rollout::definition::{Canary, ServiceDefinition};
use drawgate_rollout::{FleetSnapshot, HostView, ScheduledAction, plan};
use drawgate_schemas::ReleaseRequest;
use serde_json::json;

use super::*;
use crate::commands::layout::WIDTH;

fn examples(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../infra/examples")
        .join(name)
}

fn fleet() -> FleetSnapshot {
    serde_json::from_str(&std::fs::read_to_string(examples("fleet.json")).unwrap()).unwrap()
}

fn definition() -> ServiceDefinition {
    let config = Config::load(&examples("worker.toml")).unwrap_or_else(|errors| panic!("{errors}"));
    let (environment, service) = ("staging".parse().unwrap(), "ingest".parse().unwrap());
    config.definition(&environment, &service).unwrap()
}

fn report(definition: &ServiceDefinition, fleet: FleetSnapshot) -> Report {
    let request: ReleaseRequest = serde_json::from_value(json!({
        "version": 1,
        "id": "0190f6f0-0000-7000-8000-000000000001",
        "environment": "staging",
        "service": "ingest",
        "image": "registry.example.com/data/ingest:4f2c91e",
        "requested_at": "2026-01-05T09:00:00Z",
    }))
    .unwrap();
    let digest: Digest = format!("sha256:{}", "e0".repeat(32)).parse().unwrap();
    let inspection = plan(&request, Some(&digest), definition, &fleet);
    Report::new(&request, Some(digest), fleet, inspection)
}

/// A digest may be too wide: it is the longest word, and stays whole so that it can be copied.
fn fits(text: &str) {
    for line in text.lines() {
        assert!(
            line.chars().count() <= WIDTH || line.contains("sha256:"),
            "too wide: {line}"
        );
    }
}

#[test]
fn a_release_that_would_be_begun() {
    let report = report(&definition(), fleet());
    let text = report.to_string();
    fits(&text);
    insta::assert_snapshot!(text);
    assert!(report.possible());
}

#[test]
fn a_careful_one_shows_its_canary_its_zones_and_its_bake() {
    let mut definition = definition();
    definition.roll.canary = Some(Canary {
        instances: 1,
        bake_ms: 120_000,
    });
    definition.roll.max_unavailable = "50%".parse().unwrap();
    definition.roll.zone_by_zone = true;
    definition.alarms.bake_ms = 300_000;
    let text = report(&definition, fleet()).to_string();
    fits(&text);
    insta::assert_snapshot!(text);
}

#[test]
fn one_that_would_be_refused_says_each_reason_with_its_way_out() {
    let mut fleet = fleet();
    fleet.hosts[1].view = HostView::Unreachable {
        why: "SSH to 10.20.2.12: the host key is not known".to_owned(),
        hint: Some("ssh-keyscan 10.20.2.12, compare, and add it to known_hosts".to_owned()),
    };
    fleet.hosts[2].state = "stopping".to_owned();
    fleet.groups[0].scheduled.push(ScheduledAction {
        name: "evening".to_owned(),
        at: "2026-01-05T09:03:00Z".parse().unwrap(),
        min: Some(2),
        max: None,
        desired: None,
    });
    let report = report(&definition(), fleet);
    let text = report.to_string();
    fits(&text);
    insta::assert_snapshot!(text);
    assert!(!report.possible());
}

#[test]
fn its_json_holds_what_the_text_says() {
    let json = serde_json::to_value(report(&definition(), fleet())).unwrap();
    assert_eq!(json["possible"], true);
    assert_eq!(json["expected_ms"], json["estimate"]["expected_ms"]);
    assert_eq!(json["estimate"]["hosts"].as_array().unwrap().len(), 6);
    assert_eq!(json["plan"]["hosts"].as_array().unwrap().len(), 6);
    // `plan` writes the fleet so that it can be read again, because a rehearsal starts from it.
    let seen: FleetSnapshot = serde_json::from_value(json["fleet"].clone()).unwrap();
    assert_eq!(seen, fleet());
}
