//! The checked-in JSON Schemas are the ones that the types generate. `DRAWGATE_UPDATE_SCHEMAS=1` writes them
//! anew.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs};

use drawgate_schemas::{schema, topology};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("json")
}

#[test]
fn the_checked_in_schemas_are_current() {
    let update = env::var_os("DRAWGATE_UPDATE_SCHEMAS").is_some_and(|value| value == "1");
    for (name, schema) in schema::all() {
        let made = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = folder().join(name);
        if update {
            fs::create_dir_all(folder()).unwrap();
            fs::write(&path, &made).unwrap();
        }
        let checked_in = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            checked_in == made,
            "{} is not current: DRAWGATE_UPDATE_SCHEMAS=1 cargo test -p drawgate-schemas",
            path.display()
        );
    }
    let expected: BTreeSet<String> = schema::all().iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(checked_in(), expected, "nothing else lies beside them");
}

/// Validity is checked by the AsyncAPI parser (`make asyncapi`), not here.
#[test]
fn asyncapi_has_every_schema_and_every_name_on_the_broker() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("asyncapi.yaml");
    let text = fs::read_to_string(path).unwrap();
    let schemas = checked_in()
        .into_iter()
        .map(|name| format!("$ref: ./json/{name}"));
    let names = [
        format!("{{ name: {}, type: topic", topology::RELEASES_EXCHANGE),
        format!("{{ name: {}, type: topic", topology::CONTROL_EXCHANGE),
        format!("{{ name: {}, type: topic", topology::EVENTS_EXCHANGE),
        format!("{{ name: {}, durable: true", topology::DEAD_QUEUE),
        topology::CHAT_QUEUE.to_owned(),
        topology::releases_queue(&"site".parse().unwrap()).replace(".site", ".<site>"),
        topology::control_queue(&"site".parse().unwrap()).replace(".site", ".<site>"),
        format!("address: {}\n", topology::QUESTION_KEY),
        format!("address: {}\n", topology::REPLY_QUEUE),
        format!("defaultContentType: {}\n", topology::CONTENT_TYPE),
    ];
    let headers = [
        topology::HEADER_REASON,
        topology::HEADER_DETAIL,
        topology::HEADER_ROUTING_KEY,
        topology::HEADER_WORKER,
        topology::HEADER_REJECTED_AT,
        topology::HEADER_USER_ID,
        topology::HEADER_ORIGINAL_USER_ID,
    ];
    let headers = headers.map(|name| format!("{name}:\n"));
    for wanted in schemas.chain(names).chain(headers) {
        assert!(text.contains(&wanted), "asyncapi.yaml does not say {wanted:?}");
    }
}

/// The names of the schema files in the folder.
fn checked_in() -> BTreeSet<String> {
    fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect()
}

#[test]
fn requests_are_closed_and_events_are_open() {
    for (name, schema) in schema::all() {
        let closed = schema.get("additionalProperties") == Some(&serde_json::Value::Bool(false));
        let is_asked = name.starts_with("release-request") || name.starts_with("question");
        assert_eq!(closed, is_asked, "{name}");
    }
}
