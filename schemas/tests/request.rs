//! Reading release requests: which are refused, with which code and words, and which count as the same
//! request.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use drawgate_schemas::limits::{LONG_TEXT_CHARS, MESSAGE_BYTES, TEXT_CHARS};
use drawgate_schemas::{Rejection, RejectionCode, ReleaseId, ReleaseRequest};
use serde_json::{Value, json};

fn full() -> Value {
    json!({
        "version": 1,
        "id": "0190f6f0-0000-7000-8000-000000000001",
        "environment": "personal-ben",
        "service": "api",
        "image": "registry.example.com:5000/team/api:main-42",
        "revision": "0123abcdef",
        "branch": "remote-run/ben/x",
        "sequence": 42,
        "build": { "system": "teamcity", "number": "42", "url": "https://ci.example.com/42" },
        "requested_by": "Ben Ünicode",
        "requested_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-01T01:00:00Z",
        "reason": "hotfix",
        "options": { "max_unavailable": 1, "min_healthy_time_s": 3600, "min_drain_s": 0 },
    })
}

fn minimal() -> Value {
    json!({
        "version": 1,
        "id": "0190f6f0-0000-7000-8000-000000000001",
        "environment": "staging",
        "service": "api",
        "image": "api:1",
        "requested_at": "2026-01-01T00:00:00Z",
    })
}

/// The full request with one field set, by its JSON pointer.
fn with(pointer: &str, value: Value) -> Value {
    let mut body = full();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[key] = value;
    body
}

fn decode(body: &Value) -> Result<ReleaseRequest, Rejection> {
    ReleaseRequest::decode(&serde_json::to_vec(body).unwrap())
}

fn refused(body: &[u8], code: RejectionCode, detail: &str) {
    let rejection = ReleaseRequest::decode(body).unwrap_err();
    let shown = String::from_utf8_lossy(body.get(..200.min(body.len())).unwrap()).into_owned();
    assert_eq!(rejection.code, code, "{shown}: {rejection}");
    assert!(rejection.detail.contains(detail), "{shown}: {rejection}");
}

#[test]
fn a_good_request_is_read_as_it_was_written() {
    for body in [full(), minimal()] {
        let request = decode(&body).unwrap();
        assert_eq!(serde_json::to_value(&request).unwrap(), body);
        assert_eq!(decode(&serde_json::to_value(&request).unwrap()).unwrap(), request);
    }
}

#[test]
fn a_body_that_is_not_json_is_refused_as_such() {
    let deep = format!("{{\"version\": 1, \"x\": {}", "[".repeat(10_000));
    for body in [
        &b""[..],
        b" ",
        b"{",
        b"not json",
        b"{} {}",
        b"{\"version\": 1,}",
        b"\xff\xfe{}",
        deep.as_bytes(),
    ] {
        refused(body, RejectionCode::NotJson, "line 1");
    }
    // Bytes that are no UTF-8 within a string, seen only when the string is read.
    refused(
        b"{\"version\": 1, \"service\": \"\xff\"}",
        RejectionCode::Invalid,
        "unicode",
    );
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    for body in ["1", "\"text\"", "null", "true", "[]", "[1]"] {
        refused(body.as_bytes(), RejectionCode::Invalid, "expected");
    }
}

#[test]
fn a_list_of_the_values_without_their_names_is_refused() {
    let body = full();
    let names = [
        "version",
        "id",
        "environment",
        "service",
        "image",
        "revision",
        "branch",
        "sequence",
        "build",
        "requested_by",
        "requested_at",
        "expires_at",
        "reason",
        "options",
    ];
    let values: Vec<Value> = names.map(|name| body[name].clone()).into();
    assert!(ReleaseRequest::decode(&serde_json::to_vec(&values).unwrap()).is_err());
}

#[test]
fn another_version_is_refused_before_its_fields_are_read() {
    let only = |version: Value| serde_json::to_vec(&json!({ "version": version, "whatever": [1] })).unwrap();
    for (version, said) in [
        (json!(2), "version is 2; this worker reads version 1"),
        (json!(0), "version is 0"),
        (json!(-1), "version is -1"),
        (json!(1.0), "version is 1.0"),
        (json!("1"), "version is \"1\""),
        (json!(true), "version is true"),
    ] {
        refused(&only(version), RejectionCode::WrongVersion, said);
    }
    refused(b"{\"version\": null}", RejectionCode::WrongVersion, "version");
    refused(
        b"{}",
        RejectionCode::WrongVersion,
        "no version; write \"version\": 1",
    );
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let mut body = serde_json::to_vec(&full()).unwrap();
    body.resize(MESSAGE_BYTES, b' ');
    assert!(ReleaseRequest::decode(&body).is_ok());
    body.push(b' ');
    refused(
        &body,
        RejectionCode::TooLarge,
        "65537 bytes; at most 65536 are read",
    );
    refused(&vec![0xff; MESSAGE_BYTES + 1], RejectionCode::TooLarge, "");
}

#[test]
fn an_unknown_field_is_refused_wherever_it_is() {
    for pointer in ["/max_unavailable", "/build/nummer", "/options/max_unavailabel"] {
        let body = serde_json::to_vec(&with(pointer, json!(1))).unwrap();
        refused(&body, RejectionCode::Invalid, "unknown field");
    }
}

#[test]
fn a_field_that_is_missing_or_there_twice_is_refused() {
    for name in ["id", "environment", "service", "image", "requested_at"] {
        let mut body = minimal();
        body.as_object_mut().unwrap().remove(name);
        refused(
            &serde_json::to_vec(&body).unwrap(),
            RejectionCode::Invalid,
            &format!("missing field `{name}`"),
        );
    }
    let twice = minimal().to_string().replacen('{', "{\"service\": \"api\", ", 1);
    refused(
        twice.as_bytes(),
        RejectionCode::Invalid,
        "duplicate field `service`",
    );
    let twice = minimal().to_string().replacen('{', "{\"version\": 2, ", 1);
    assert!(ReleaseRequest::decode(twice.as_bytes()).is_err());
}

#[test]
fn text_may_be_as_long_as_its_bound_and_no_longer() {
    for (pointer, bound) in [
        ("/revision", TEXT_CHARS),
        ("/branch", TEXT_CHARS),
        ("/requested_by", TEXT_CHARS),
        ("/build/system", TEXT_CHARS),
        ("/build/number", TEXT_CHARS),
        ("/build/url", LONG_TEXT_CHARS),
        ("/reason", LONG_TEXT_CHARS),
    ] {
        assert!(
            decode(&with(pointer, json!("ü".repeat(bound)))).is_ok(),
            "{pointer}"
        );
        for bad in ["ü".repeat(bound + 1), String::new()] {
            let body = serde_json::to_vec(&with(pointer, json!(bad))).unwrap();
            refused(
                &body,
                RejectionCode::Invalid,
                &format!("must have 1 to {bound} characters"),
            );
        }
    }
}

#[test]
fn control_characters_are_refused_in_every_text() {
    for pointer in [
        "/revision",
        "/branch",
        "/requested_by",
        "/build/system",
        "/build/number",
        "/build/url",
        "/reason",
    ] {
        for bad in [
            "a\nb",
            "a\rb",
            "\u{1b}[2J",
            "a\u{0}",
            "a\tb",
            "a\u{7f}",
            "a\u{9b}1m",
        ] {
            let body = serde_json::to_vec(&with(pointer, json!(bad))).unwrap();
            refused(&body, RejectionCode::Invalid, "control characters");
        }
    }
}

#[test]
fn names_are_words_of_a_routing_key() {
    for pointer in ["/environment", "/service"] {
        for good in ["a", "0", "a-b", "a--b", &"a".repeat(63)] {
            assert!(decode(&with(pointer, json!(good))).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "-",
            "A",
            "a.b",
            "a*",
            "#",
            "a b",
            "a_b",
            "ä",
            "a\n",
            &"a".repeat(64),
        ] {
            let body = serde_json::to_vec(&with(pointer, json!(bad))).unwrap();
            refused(
                &body,
                RejectionCode::Invalid,
                "must be 1 to 63 of a-z, 0-9 and inner hyphens",
            );
        }
    }
}

#[test]
fn an_id_is_a_uuid_of_version_7() {
    for bad in [
        "550e8400-e29b-41d4-a716-446655440000",
        "00000000-0000-0000-0000-000000000000",
        "0190f6f0-0000-1000-8000-000000000001",
    ] {
        refused(
            &serde_json::to_vec(&with("/id", json!(bad))).unwrap(),
            RejectionCode::Invalid,
            "UUID of version 7",
        );
    }
    for bad in [
        json!("x"),
        json!(7),
        json!(""),
        json!("0190f6f0-0000-7000-8000-00000000000"),
    ] {
        refused(
            &serde_json::to_vec(&with("/id", bad)).unwrap(),
            RejectionCode::Invalid,
            "",
        );
    }
    assert!(
        "550e8400-e29b-41d4-a716-446655440000"
            .parse::<ReleaseId>()
            .is_err()
    );
    let id: ReleaseId = "0190f6f0-0000-7000-8000-0000deadbeef".parse().unwrap();
    assert_eq!((id.short().as_str(), id.to_string().len()), ("deadbeef", 36));
}

#[test]
fn fields_of_another_type_are_refused() {
    for (pointer, bad) in [
        ("/service", json!(1)),
        ("/sequence", json!(-1)),
        ("/sequence", json!("42")),
        ("/requested_at", json!("yesterday")),
        ("/requested_at", json!(1_767_225_600)),
        ("/build", json!("42")),
        ("/options/max_unavailable", json!(1.5)),
        ("/image", json!("api")),
    ] {
        refused(
            &serde_json::to_vec(&with(pointer, bad)).unwrap(),
            RejectionCode::Invalid,
            "",
        );
    }
}

#[test]
fn options_have_bounds_of_their_own() {
    for (pointer, bad, said) in [
        ("/options/max_unavailable", 0, "options.max_unavailable is 0"),
        ("/options/min_healthy_time_s", 3601, "at most 3600"),
        ("/options/min_drain_s", 3601, "at most 3600"),
    ] {
        refused(
            &serde_json::to_vec(&with(pointer, json!(bad))).unwrap(),
            RejectionCode::Invalid,
            said,
        );
    }
}

/// A number this high is in no counter, and a program that reads numbers as JavaScript does would read
/// another one.
#[test]
fn trap_44_a_sequence_beyond_2_to_the_53_is_refused() {
    let most = 9_007_199_254_740_992_u64;
    assert_eq!(
        decode(&with("/sequence", json!(most))).unwrap().sequence,
        Some(most)
    );
    for wrong in [most + 1, u64::MAX] {
        let body = serde_json::to_vec(&with("/sequence", json!(wrong))).unwrap();
        refused(
            &body,
            RejectionCode::Invalid,
            &format!("sequence is {wrong}, and at most {most}"),
        );
    }
}

#[test]
fn a_request_that_expires_before_it_is_made_is_refused() {
    for bad in ["2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z"] {
        let body = serde_json::to_vec(&with("/expires_at", json!(bad))).unwrap();
        refused(
            &body,
            RejectionCode::Invalid,
            "expires_at is not after requested_at",
        );
    }
}

#[test]
fn a_rejection_is_cut_to_its_bound() {
    let body = with("/revision", json!("x".repeat(60_000)));
    let rejection = decode(&body).unwrap_err();
    assert!(rejection.detail.chars().count() < 300, "{rejection}");
    assert_eq!(
        Rejection::new(RejectionCode::Invalid, "ü".repeat(3_000))
            .detail
            .chars()
            .count(),
        2_000
    );
}

#[test]
fn the_fingerprint_is_of_what_is_asked_however_it_is_written() {
    let first = decode(&full()).unwrap();
    let spaced = ReleaseRequest::decode(serde_json::to_string_pretty(&full()).unwrap().as_bytes()).unwrap();
    assert_eq!(first.fingerprint(), spaced.fingerprint());
    let Value::Object(fields) = full() else { panic!() };
    let reversed: Vec<String> = fields
        .iter()
        .rev()
        .map(|(name, value)| format!("{}: {value}", json!(name)))
        .collect();
    let reversed = format!("{{\n{}\n}}", reversed.join(" ,\n"));
    assert_eq!(
        ReleaseRequest::decode(reversed.as_bytes()).unwrap().fingerprint(),
        first.fingerprint()
    );
    let escaped = full().to_string().replace("hotfix", "\\u0068otfix");
    assert_eq!(
        ReleaseRequest::decode(escaped.as_bytes()).unwrap().fingerprint(),
        first.fingerprint()
    );
    let empty_options = {
        let mut body = minimal();
        body["options"] = json!({});
        decode(&body).unwrap()
    };
    assert_eq!(
        empty_options.fingerprint(),
        decode(&minimal()).unwrap().fingerprint()
    );
    assert_eq!(first.fingerprint().len(), 64);
}

#[test]
fn every_field_counts_in_the_fingerprint() {
    let first = decode(&full()).unwrap().fingerprint();
    for (pointer, other) in [
        ("/id", json!("0190f6f0-0000-7000-8000-000000000002")),
        ("/environment", json!("x")),
        ("/service", json!("x")),
        ("/image", json!("x:1")),
        ("/revision", json!("x")),
        ("/branch", json!("x")),
        ("/sequence", json!(43)),
        ("/build/system", json!("x")),
        ("/build/number", json!("x")),
        ("/build/url", json!("x")),
        ("/requested_by", json!("x")),
        ("/requested_at", json!("2026-01-01T00:00:01Z")),
        ("/expires_at", json!("2026-01-01T01:00:01Z")),
        ("/reason", json!("x")),
        ("/options/max_unavailable", json!(2)),
        ("/options/min_healthy_time_s", json!(1)),
        ("/options/min_drain_s", json!(1)),
    ] {
        assert_ne!(
            decode(&with(pointer, other)).unwrap().fingerprint(),
            first,
            "{pointer}"
        );
    }
}

#[test]
fn a_version_is_named_by_its_revision_or_else_by_its_tag() {
    let name = |revision: Value| decode(&with("/revision", revision)).unwrap().version_name();
    assert_eq!(name(json!("0123abcdef0123abcdef")), "0123abc");
    assert_eq!(name(json!("0123abc")), "0123abc");
    assert_eq!(name(json!("abc")), "abc");
    assert_eq!(
        name(json!("r-2026.01.01-a-very-long-revision")),
        "r-2026.01.01-a-very-lon…"
    );
    assert_eq!(decode(&minimal()).unwrap().version_name(), "1");
}
