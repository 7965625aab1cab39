//! Status events are read leniently: a newer worker may send more than an older reader knows.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use drawgate_schemas::{
    Answer, Ask, Direction, Ended, Event, HostPhase, HostProgress, Outcome, Question, RejectionCode,
    StatusEvent, topology,
};
use serde_json::{Value, json};

/// An event as CloudEvents 1.0 has it, in structured mode.
fn event(event: Value) -> Value {
    json!({
        "specversion": "1.0",
        "id": "0190f6f0-0000-7000-8000-0000000000aa",
        "source": "/drawgate/workers/bastion-1",
        "type": format!("drawgate.{}", event["type"].as_str().unwrap_or_default()),
        "subject": "staging/api/0190f6f0-0000-7000-8000-000000000001",
        "time": "2026-01-01T00:00:00Z",
        "datacontenttype": "application/json",
        "data": {
            "version": 1,
            "worker": "bastion-1",
            "release": "0190f6f0-0000-7000-8000-000000000001",
            "sequence": 7,
            "environment": "staging",
            "service": "api",
            "about": { "to": "42", "from": "41", "requested_by": "ben" },
            "event": event,
        },
    })
}

fn read(body: &Value) -> StatusEvent {
    serde_json::from_str(&body.to_string()).unwrap()
}

fn digest() -> String {
    format!("sha256:{}", "d".repeat(64))
}

/// One event of every kind, with its routing key's last word.
fn every_kind() -> Vec<(&'static str, Value)> {
    let suspension =
        |kind: &str| json!({ "type": kind, "group": "g", "processes": ["Launch"], "left_alone": [] });
    vec![
        (
            "accepted",
            json!({ "type": "accepted", "version_name": "1", "image": "api:1", "ahead": 0, "build": "42" }),
        ),
        (
            "rejected",
            json!({ "type": "rejected", "code": "not_json", "detail": "x", "body_sha256": "00" }),
        ),
        ("resolved", json!({ "type": "resolved", "digest": digest() })),
        (
            "started",
            json!({ "type": "started", "hosts": [{ "instance": "i-1", "address": "10.0.0.1" }], "to": "1",
                "digest": digest(), "max_unavailable": 1, "groups": [], "target_groups": [], "expected_s": 60,
                "warnings": [] }),
        ),
        (
            "staged",
            json!({ "type": "staged", "hosts": 3, "slowest_ms": 1000 }),
        ),
        ("scaling_suspended", suspension("scaling_suspended")),
        (
            "alarms_silenced",
            json!({ "type": "alarms_silenced", "alarms": ["a"] }),
        ),
        (
            "host",
            json!({ "type": "host", "instance": "i-1", "direction": "back", "phase": "awaiting_healthy", "done": 1,
                "total": 3 }),
        ),
        (
            "baking",
            json!({ "type": "baking", "until": "2026-01-01T00:05:00Z" }),
        ),
        (
            "rolling_back",
            json!({ "type": "rolling_back", "reason": "x", "instance": "i-1" }),
        ),
        ("scaling_resumed", suspension("scaling_resumed")),
        (
            "alarms_unsilenced",
            json!({ "type": "alarms_unsilenced", "alarms": ["a"] }),
        ),
        (
            "joined",
            json!({ "type": "joined", "rolled": ["i-2"], "up_to_date": [], "by_themselves": ["i-3"] }),
        ),
        (
            "desired_published",
            json!({ "type": "desired_published", "parameter": "/p", "version_name": "2" }),
        ),
        (
            "desired_restored",
            json!({ "type": "desired_restored", "parameter": "/p" }),
        ),
        ("warning", json!({ "type": "warning", "text": "x" })),
        (
            "waits_for_lock",
            json!({ "type": "waits_for_lock", "reason": "x" }),
        ),
        ("canary_passed", json!({ "type": "canary_passed" })),
        (
            "connections_cut",
            json!({ "type": "connections_cut", "instance": "i-1", "target_group": "g", "connections": 3 }),
        ),
        (
            "host_retry_later",
            json!({ "type": "host_retry_later", "instance": "i-1", "reason": "x", "failed": 1, "budget": 2 }),
        ),
        ("host_back", json!({ "type": "host_back", "instance": "i-1" })),
        (
            "setback",
            json!({ "type": "setback", "step": "x", "reason": "x" }),
        ),
        (
            "mute_rules_not_extended",
            json!({ "type": "mute_rules_not_extended", "reason": "x" }),
        ),
        (
            "alarms_firing",
            json!({ "type": "alarms_firing", "alarms": ["a"] }),
        ),
        ("after_failed", json!({ "type": "after_failed", "reason": "x" })),
        (
            "tag_moved",
            json!({ "type": "tag_moved", "image": "api:1", "digest": digest(), "now": digest() }),
        ),
        ("taken_over", json!({ "type": "taken_over", "open_steps": 1 })),
        (
            "needs_operator",
            json!({ "type": "ended", "outcome": "needs_operator", "summary": "x", "hint": "y" }),
        ),
        (
            "sequence_forgotten",
            json!({ "type": "sequence_forgotten", "highest": 812, "by": "anna", "reason": "another CI",
                "at": "2026-01-01T00:00:00Z" }),
        ),
    ]
}

#[test]
fn every_kind_of_event_is_read_as_written_and_has_its_key() {
    for (key, kind) in every_kind() {
        let mut body = event(kind);
        body["type"] = json!(format!("drawgate.{key}"));
        let read = read(&body);
        assert_eq!(serde_json::to_value(&read).unwrap(), body);
        assert_eq!(read.event.kind().name(), key);
        assert_eq!(topology::event_key(&read), format!("staging.api.{key}"));
    }
}

#[test]
fn unknown_fields_are_passed_over_at_every_level() {
    for (_, kind) in every_kind() {
        let plain = read(&event(kind.clone()));
        let mut body = event(kind);
        body["new"] = json!({ "deep": [1, 2] });
        body["data"]["new"] = json!({ "deep": [1, 2] });
        body["data"]["event"]["new"] = json!([{ "x": null }]);
        assert_eq!(read(&body), plain);
    }
}

#[test]
fn unknown_kinds_of_event_are_passed_over_with_all_they_carry() {
    for kind in [
        json!({ "type": "paused" }),
        json!({ "type": "paused", "by": "ben", "until": { "at": "x", "list": [1, 2.5, null] } }),
        json!({ "by": "ben", "type": "paused" }),
    ] {
        let read = read(&event(kind));
        assert_eq!((&read.event, read.sequence), (&Event::Unknown, 7));
    }
}

#[test]
fn an_event_of_another_version_or_without_type_is_refused() {
    let mut body = event(json!({ "type": "taken_over", "open_steps": 0 }));
    body["data"]["version"] = json!(2);
    assert!(serde_json::from_value::<StatusEvent>(body.clone()).is_err());
    body["data"]["version"] = json!(1);
    body["specversion"] = json!("2.0");
    assert!(serde_json::from_value::<StatusEvent>(body).is_err());
    assert!(serde_json::from_value::<StatusEvent>(event(json!({ "open_steps": 0 }))).is_err());
}

#[test]
fn a_rejected_message_that_could_not_be_read_belongs_to_nobody() {
    let mut body = event(every_kind()[1].1.clone());
    for name in ["release", "environment", "service"] {
        body["data"].as_object_mut().unwrap().remove(name);
    }
    body.as_object_mut().unwrap().remove("subject");
    body["data"]["sequence"] = json!(0);
    let read = read(&body);
    assert!(
        matches!(&read.event, Event::Rejected { rejection, .. } if rejection.code == RejectionCode::NotJson)
    );
    assert_eq!(topology::event_key(&read), "_._.rejected");
}

#[test]
fn what_is_written_is_stable() {
    let host = Event::Host(HostProgress {
        instance: "i-1".to_owned(),
        direction: Direction::Forward,
        phase: HostPhase::Deregistering,
        done: 0,
        total: 3,
        expected_s: Some(30),
        detail: None,
    });
    assert_eq!(
        serde_json::to_string(&host).unwrap(),
        r#"{"type":"host","instance":"i-1","direction":"forward","phase":"deregistering","done":0,"total":3,"expected_s":30}"#
    );
    let ended = Event::Ended(Box::new(Ended {
        outcome: Outcome::RolledBack,
        summary: "s".to_owned(),
        hint: None,
        receipt: None,
    }));
    assert_eq!(
        serde_json::to_string(&ended).unwrap(),
        r#"{"type":"ended","outcome":"rolled_back","summary":"s"}"#
    );
}

fn question() -> Value {
    json!({
        "version": 1,
        "id": "0190f6f0-0000-7000-8000-0000000000aa",
        "expires_at": "2026-01-01T00:00:00Z",
        "ask": { "type": "show", "release": "0190f6f0-0000-7000-8000-000000000001" },
    })
}

#[test]
fn questions_are_read_strictly() {
    let decode = |body: &Value| Question::decode(body.to_string().as_bytes());
    let Ask::Show { after, logs, .. } = decode(&question()).unwrap().ask else {
        panic!("is no question");
    };
    assert_eq!((after, logs), (0, false));
    for (pointer, key) in [("", "new"), ("/ask", "new")] {
        let mut body = question();
        body.pointer_mut(pointer).unwrap()[key] = json!(1);
        assert_eq!(
            decode(&body).unwrap_err().code,
            RejectionCode::Invalid,
            "{pointer}"
        );
    }
    let mut unknown = question();
    unknown["ask"]["type"] = json!("rename");
    assert_eq!(decode(&unknown).unwrap_err().code, RejectionCode::Invalid);
    assert_eq!(Question::decode(b"{").unwrap_err().code, RejectionCode::NotJson);
    assert_eq!(
        Question::decode(&vec![b' '; 65_537]).unwrap_err().code,
        RejectionCode::TooLarge
    );
}

#[test]
fn answers_are_read_leniently() {
    let body = json!({
        "version": 1, "question": "0190f6f0-0000-7000-8000-0000000000aa", "worker": "w", "new": 1,
        "reply": { "type": "refused", "reason": "x", "new": 1 },
    });
    assert!(serde_json::from_value::<Answer>(body).is_ok());
}

#[test]
fn a_control_command_says_what_and_why_and_nothing_else() {
    let mut given = question();
    let release = given["ask"]["release"].clone();
    given["ask"] = json!({"type": "control", "release": release, "control": "pause", "reason": "looking"});
    let Ask::Control(command) = Question::decode(given.to_string().as_bytes()).unwrap().ask else {
        panic!("is no control command");
    };
    assert_eq!(command.control, drawgate_schemas::Control::Pause);
    for (key, wrong) in [
        ("control", json!("stop")),
        ("reason", json!("x".repeat(1_001))),
        ("by", json!("ben")),
    ] {
        let mut wrongly = given.clone();
        wrongly["ask"][key] = wrong;
        assert!(Question::decode(wrongly.to_string().as_bytes()).is_err(), "{key}");
    }
}

/// A `drawgate` of 0.2.0 asks by the old name.
#[test]
fn an_old_name_is_refused_with_the_new_one() {
    let mut asked = question();
    let release = asked["ask"]["release"].clone();
    asked["ask"] = json!({"type": "order", "release": release, "order": "pause"});
    let refused = Question::decode(asked.to_string().as_bytes()).unwrap_err();
    assert_eq!(refused.code, RejectionCode::Invalid);
    assert!(refused.detail.contains("\"type\": \"control\""), "{refused}");
}

/// A ledger may have kept events of drawgate 0.2.0, which had no envelope and other names. None of them is unknown, and nothing
/// of them is lost.
#[test]
fn events_of_an_earlier_version_are_read() {
    let kinds = [
        "scaling_suspended",
        "scaling_resumed",
        "alarms_silenced",
        "alarms_unsilenced",
        "desired_published",
        "desired_restored",
        "rolling_back",
        "taken_over",
        "unblocked",
        "resumed",
        "joined",
        "host",
        "warning",
    ];
    let old = include_str!("events-0.2.0.jsonl").lines();
    let read: Vec<StatusEvent> = old.map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = read.iter().map(|event| event.event.kind().name()).collect();
    assert_eq!(names, kinds);
    assert!(read.iter().map(|event| event.sequence).eq(1..=13));
    assert!(matches!(&read[10].event, Event::Joined { up_to_date, .. } if *up_to_date == ["i-1"]));
}
