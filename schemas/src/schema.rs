//! The JSON Schemas of the messages, generated from the types. They are checked in under `schemas/json/`. A
//! test fails when they are out of date; `DRAWGATE_UPDATE_SCHEMAS=1 cargo test -p drawgate-schemas` writes
//! them anew.

use schemars::Schema;
use schemars::generate::SchemaSettings;

use crate::{Answer, Question, ReleaseRequest, StatusEvent};

/// Every JSON Schema, with the name of its file.
pub fn all() -> [(&'static str, Schema); 4] {
    let generate = || SchemaSettings::draft2020_12().into_generator();
    [
        (
            "release-request.v1.json",
            generate().into_root_schema_for::<ReleaseRequest>(),
        ),
        (
            "status-event.v1.json",
            generate().into_root_schema_for::<StatusEvent>(),
        ),
        ("question.v1.json", generate().into_root_schema_for::<Question>()),
        ("answer.v1.json", generate().into_root_schema_for::<Answer>()),
    ]
}
