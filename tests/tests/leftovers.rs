//! Each kind of leftover is explained to the operator who finds it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;

use serde_json::Value;

#[test]
fn the_runbook_explains_every_leftover() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let schema = std::fs::read_to_string(root.join("schemas/json/status-event.v1.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let runbook = std::fs::read_to_string(root.join("runbooks/needs-operator.md")).unwrap();
    let kinds = schema["$defs"]["Leftover"]["oneOf"].as_array().unwrap();
    let names: Vec<&str> = kinds
        .iter()
        .map(|kind| kind["properties"]["type"]["const"].as_str().unwrap())
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(
            runbook.contains(&format!("| `{name}` |")),
            "needs-operator.md does not explain {name}"
        );
    }
}
