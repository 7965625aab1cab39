//! The header that RabbitMQ writes into a message which becomes a dead letter (RabbitMQ guide, "Dead Letter
//! Exchanges").

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

/// Header with every time that the message became a dead letter, the latest first. Only the broker writes it:
/// it overwrites what a sender puts there when it gives up on the message, and a worker does not copy it.
pub const DEATHS: &str = "x-death";

/// The latest time that the broker gave up on a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// `rejected`, `expired`, `maxlen` or `delivery_limit`.
    pub reason: String,
    /// The queue that the message was in.
    pub queue: String,
    /// The routing key with which the message had come into that queue.
    pub routing_key: Option<String>,
    /// When the broker gave up, in seconds of Unix time.
    pub at_s: Option<i64>,
}

impl Death {
    /// Reads the latest death from a message's properties; `None` for a message that is no dead letter.
    pub fn of(properties: &BasicProperties) -> Option<Self> {
        let headers = properties.headers().as_ref()?;
        let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get(DEATHS) else {
            return None;
        };
        let Some(AMQPValue::FieldTable(latest)) = deaths.as_slice().first() else {
            return None;
        };
        let keys = match latest.inner().get("routing-keys") {
            Some(AMQPValue::FieldArray(keys)) => keys.as_slice(),
            _ => &[],
        };
        let at_s = match latest.inner().get("time") {
            Some(AMQPValue::Timestamp(seconds)) => i64::try_from(*seconds).ok(),
            _ => None,
        };
        Some(Self {
            reason: text(latest, "reason").unwrap_or_else(|| "unknown".to_owned()),
            queue: text(latest, "queue").unwrap_or_else(|| "a queue".to_owned()),
            routing_key: keys.first().and_then(as_text),
            at_s,
        })
    }
}

/// The text of a header; `None` where the header is missing or is no text.
pub fn text(table: &FieldTable, name: &str) -> Option<String> {
    table.inner().get(name).and_then(as_text)
}

fn as_text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}
