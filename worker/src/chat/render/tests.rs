//! Every kind of event, and whether it is posted.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

/// The generated contract. A new kind of event must be sorted here, or a test fails.
const SCHEMA: &str = include_str!("../../../../schemas/json/status-event.v1.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// The words of a definition in the schema.
fn words(definition: &str) -> Vec<String> {
    let schema = schema();
    let kinds = schema["$defs"][definition]["oneOf"].as_array().unwrap().clone();
    let word = |kind: &Value| {
        let word = kind
            .get("const")
            .or_else(|| kind.pointer("/properties/type/const"));
        word.unwrap_or_else(|| panic!("{kind}"))
            .as_str()
            .unwrap()
            .to_owned()
    };
    kinds.iter().map(word).collect()
}

/// One event of each kind, in each form that has a routing key of its own.
fn events() -> Vec<Event> {
    let at = "2026-01-01T00:00:00Z";
    let digest = format!("sha256:{}", "d".repeat(64));
    let suspension = |kind| json!({"type": kind, "group": "g", "processes": ["Launch"], "left_alone": []});
    let mut all = vec![
        json!({"type": "accepted", "version_name": "1", "image": "api:1", "ahead": 0}),
        json!({"type": "rejected", "code": "not_json", "detail": "x", "body_sha256": "00"}),
        json!({"type": "resolved", "digest": digest}),
        json!({"type": "started", "hosts": [], "to": "1", "max_unavailable": 1, "groups": [], "target_groups": [],
               "expected_s": 60, "warnings": []}),
        json!({"type": "staged", "hosts": 3, "slowest_ms": 1000}),
        suspension("scaling_suspended"),
        suspension("scaling_resumed"),
        json!({"type": "alarms_silenced", "alarms": ["a"]}),
        json!({"type": "alarms_unsilenced", "alarms": ["a"]}),
        json!({"type": "hook", "hook": "before", "state": "begun", "attempt": 1, "attempts": 1}),
        json!({"type": "host", "instance": "i-1", "direction": "back", "phase": "awaiting_healthy", "done": 1, "total": 3}),
        json!({"type": "baking", "until": at}),
        json!({"type": "awaits_approval", "from": ["ops"], "count": 1, "given": [], "publisher": "ci", "until": at}),
        json!({"type": "emergency", "by": "anna", "reason": "x"}),
        json!({"type": "blocked", "blockers": []}),
        json!({"type": "blocked", "blockers": [{"type": "closed", "opens_at": at, "windows": "Mon 08:00-16:00 (UTC)"}]}),
        json!({"type": "host_sick", "instances": ["i-1"], "target_group": "g", "healthy": 2, "floor": 2,
               "answer": {"type": "waits", "until": at}}),
        json!({"type": "sick_wait_over"}),
        json!({"type": "rolling_back", "reason": "x"}),
        json!({"type": "joined", "rolled": [], "up_to_date": [], "by_themselves": []}),
        json!({"type": "desired_published", "parameter": "/p", "version_name": "2"}),
        json!({"type": "desired_restored", "parameter": "/p"}),
        json!({"type": "warning", "text": "x"}),
        json!({"type": "waits_for_lock", "reason": "x"}),
        json!({"type": "canary_passed"}),
        json!({"type": "connections_cut", "instance": "i-1", "target_group": "g", "connections": 3}),
        json!({"type": "host_retry_later", "instance": "i-1", "reason": "x", "failed": 1, "budget": 2}),
        json!({"type": "host_back", "instance": "i-1"}),
        json!({"type": "setback", "step": "x", "reason": "x"}),
        json!({"type": "mute_rules_not_extended", "reason": "x"}),
        json!({"type": "alarms_firing", "alarms": ["a"]}),
        json!({"type": "after_failed", "reason": "x"}),
        json!({"type": "tag_moved", "image": "api:1", "digest": digest, "now": digest}),
        json!({"type": "taken_over", "open_steps": 1}),
        json!({"type": "unknown"}),
        json!({"type": "sequence_forgotten", "highest": 812, "by": "anna", "reason": "x", "at": at}),
    ];
    let control = |control: String| json!({"type": "control", "control": control, "by": "anna"});
    all.extend(words("Control").into_iter().map(control));
    let ended = |outcome: String| json!({"type": "ended", "outcome": outcome, "summary": "x"});
    all.extend(words("Outcome").into_iter().map(ended));
    let read =
        |json: Value| serde_json::from_value(json.clone()).unwrap_or_else(|why| panic!("{why}: {json}"));
    all.into_iter().map(read).collect()
}

#[test]
fn the_test_below_knows_every_kind_of_event() {
    let of = |event: &Event| {
        serde_json::to_value(event).unwrap()["type"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let known: BTreeSet<String> = events().iter().map(of).collect();
    let all: BTreeSet<String> = words("Event").into_iter().collect();
    assert!(all.len() > 20, "{all:?}");
    assert_eq!(
        known, all,
        "add the new kind to `events`, and say in `render` whether it is posted"
    );
}

#[test]
fn chat_binds_what_it_renders_and_nothing_else() {
    let mut kinds = BTreeSet::new();
    for event in events() {
        let kind = event.kind();
        kinds.insert(kind);
        let event = StatusEvent {
            id: uuid::Uuid::nil(),
            release: "01936a5e-7c2e-7d10-8a44-5c1f2e9b0d7c".parse().ok(),
            sequence: 1,
            at: jiff::Timestamp::UNIX_EPOCH,
            environment: "staging".parse().ok(),
            service: "api".parse().ok(),
            worker: "w".to_owned(),
            about: None,
            event,
        };
        assert_eq!(
            render(&event).is_some(),
            KINDS.contains(&kind),
            "{kind:?}: posted, bound"
        );
    }
    let all: BTreeSet<Kind> = Kind::ALL.iter().copied().collect();
    assert_eq!(kinds, all, "the events of this test have every kind");
}
