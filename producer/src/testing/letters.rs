//! Dead letters for unit tests.

use drawgate_schemas::topology;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldArray, FieldTable};

use crate::broker::DeadLetter;

/// A text as a header has it.
pub(crate) fn long(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// A table of headers.
pub(crate) fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert((*name).into(), value.clone());
    }
    table
}

/// A letter with these headers.
pub(crate) fn read(headers: &[(&str, AMQPValue)], body: &[u8]) -> DeadLetter {
    let properties = BasicProperties::default()
        .with_user_id("ci".into())
        .with_headers(table(headers));
    DeadLetter::read(&properties, "staging.search", body.to_vec())
}

/// A letter as a worker writes it.
pub(crate) fn refused(reason: &str, at: &str, body: &str) -> DeadLetter {
    let headers = [
        (topology::HEADER_REASON, long(reason)),
        (topology::HEADER_DETAIL, long("unknown field `max_unavailble`")),
        (topology::HEADER_ROUTING_KEY, long("staging.search-api")),
        (topology::HEADER_WORKER, long("bastion-a")),
        (topology::HEADER_REJECTED_AT, long(at)),
        (topology::HEADER_USER_ID, long("teamcity")),
    ];
    read(&headers, body.as_bytes())
}

/// A letter as the broker writes it.
pub(crate) fn given_up(body: &str) -> DeadLetter {
    let mut keys = FieldArray::default();
    keys.push(long("production.search-api"));
    let latest = table(&[
        ("count", AMQPValue::LongLongInt(1)),
        ("reason", long("delivery_limit")),
        ("queue", long("drawgate.releases.lab")),
        ("time", AMQPValue::Timestamp(1_741_100_000)),
        ("exchange", long("drawgate.releases")),
        ("routing-keys", AMQPValue::FieldArray(keys)),
    ]);
    let earlier = table(&[("reason", long("maxlen"))]);
    let mut deaths = FieldArray::default();
    for death in [latest, earlier] {
        deaths.push(AMQPValue::FieldTable(death));
    }
    read(&[("x-death", AMQPValue::FieldArray(deaths))], body.as_bytes())
}
