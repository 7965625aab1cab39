//! Dead letters: messages that were refused for good, with the reason in their headers.

use drawgate_amqp::DEATHS;
use drawgate_schemas::Rejection;
use drawgate_schemas::topology::{
    HEADER_DETAIL, HEADER_REASON, HEADER_REJECTED_AT, HEADER_ROUTING_KEY, HEADER_USER_ID, HEADER_WORKER,
};
use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

use super::consume::Delivered;
use super::limits;
use super::publisher::PERSISTENT;

/// The original's properties with the reason added. Two properties that would act on the dead letter itself
/// are left out: the expiry, and the user id, which the broker checks against the worker's own.
pub(super) fn properties(
    message: &Delivered,
    rejection: &Rejection,
    worker: &str,
    at: Timestamp,
) -> BasicProperties {
    let original = &message.properties;
    let mut properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_headers(headers(message, rejection, worker, at));
    macro_rules! carry {
        ($($get:ident => $with:ident),*) => {
            $(if let Some(value) = original.$get() { properties = properties.$with(value.clone()); })*
        };
    }
    carry!(
        content_type => with_content_type,
        content_encoding => with_content_encoding,
        correlation_id => with_correlation_id,
        message_id => with_message_id,
        timestamp => with_timestamp,
        kind => with_type,
        app_id => with_app_id
    );
    properties
}

fn headers(message: &Delivered, rejection: &Rejection, worker: &str, at: Timestamp) -> FieldTable {
    let original = message.properties.headers().clone().unwrap_or_default();
    let mut headers = FieldTable::default();
    if size(&original) <= limits::DEAD_HEADER_BYTES {
        // The broker vouches for who published the message, and for whether it has dead-lettered the message
        // before. A sender's own headers of these names vouch for nothing, so they are dropped.
        let of_sender = original.inner().iter();
        for (name, value) in of_sender.filter(|(name, _)| ![HEADER_USER_ID, DEATHS].contains(&name.as_str()))
        {
            headers.insert(name.clone(), value.clone());
        }
    }
    let mut set = |name: &str, value: &str| {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    };
    set(HEADER_REASON, rejection.code.as_str());
    set(HEADER_DETAIL, &rejection.detail);
    set(HEADER_ROUTING_KEY, &message.routing_key);
    set(HEADER_WORKER, worker);
    set(HEADER_REJECTED_AT, &at.to_string());
    if let Some(user) = message.user() {
        set(HEADER_USER_ID, user);
    }
    headers
}

/// About how many bytes a table takes in a frame. An underestimate is at most the size of its small parts.
fn size(table: &FieldTable) -> usize {
    table
        .inner()
        .iter()
        .map(|(name, value)| name.as_str().len() + 2 + value_size(value))
        .sum()
}

fn value_size(value: &AMQPValue) -> usize {
    const NUMBER: usize = 9;
    match value {
        AMQPValue::ShortString(text) => text.as_str().len() + 1,
        AMQPValue::LongString(text) => text.as_bytes().len() + 4,
        AMQPValue::ByteArray(bytes) => bytes.as_slice().len() + 4,
        AMQPValue::FieldArray(values) => {
            values
                .as_slice()
                .iter()
                .map(|value| 1 + value_size(value))
                .sum::<usize>()
                + 4
        }
        AMQPValue::FieldTable(table) => size(table) + 4,
        _ => NUMBER,
    }
}

#[cfg(test)]
mod tests {
    use drawgate_schemas::RejectionCode;

    use super::*;

    fn text(headers: &FieldTable, name: &str) -> Option<String> {
        match headers.inner().get(name) {
            Some(AMQPValue::LongString(text)) => Some(text.to_string()),
            _ => None,
        }
    }

    fn dead(original: &BasicProperties) -> BasicProperties {
        let message = Delivered {
            body: b"{".to_vec(),
            routing_key: "staging.api".to_owned(),
            redelivered: true,
            properties: original.clone(),
            unreadable: None,
        };
        let rejection = Rejection::new(RejectionCode::NotJson, "no");
        properties(&message, &rejection, "bastion-1", Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_dead_letter_says_why_and_keeps_what_it_was() {
        let mut headers = FieldTable::default();
        headers.insert("x-build".into(), AMQPValue::LongString("812".into()));
        let original = BasicProperties::default()
            .with_message_id("m-1".into())
            .with_user_id("ci".into())
            .with_expiration("1000".into())
            .with_headers(headers);
        let dead = dead(&original);
        assert_eq!(dead.message_id().as_ref().map(|id| id.as_str()), Some("m-1"));
        assert_eq!(
            (dead.delivery_mode(), dead.expiration(), dead.user_id()),
            (&Some(2), &None, &None)
        );
        let headers = dead.headers().clone().unwrap_or_default();
        for (name, value) in [
            ("x-build", "812"),
            (HEADER_REASON, "not_json"),
            (HEADER_DETAIL, "no"),
            (HEADER_ROUTING_KEY, "staging.api"),
            (HEADER_WORKER, "bastion-1"),
            (HEADER_REJECTED_AT, "1970-01-01T00:00:00Z"),
            (HEADER_USER_ID, "ci"),
        ] {
            assert_eq!(text(&headers, name).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn a_header_of_the_senders_own_names_nobody_as_the_publisher() {
        let mut headers = FieldTable::default();
        headers.insert(HEADER_USER_ID.into(), AMQPValue::LongString("anna".into()));
        let unsigned = dead(&BasicProperties::default().with_headers(headers.clone()));
        assert_eq!(
            text(&unsigned.headers().clone().unwrap_or_default(), HEADER_USER_ID),
            None
        );
        let signed = BasicProperties::default()
            .with_headers(headers)
            .with_user_id("ci".into());
        let signed = dead(&signed).headers().clone().unwrap_or_default();
        assert_eq!(text(&signed, HEADER_USER_ID).as_deref(), Some("ci"));
    }

    #[test]
    fn headers_that_would_fill_a_frame_are_left_out() {
        let mut nested = FieldTable::default();
        nested.insert("deep".into(), AMQPValue::LongString("x".repeat(40 * 1024).into()));
        let mut headers = FieldTable::default();
        headers.insert("x-nested".into(), AMQPValue::FieldTable(nested));
        let dead = dead(&BasicProperties::default().with_headers(headers));
        let headers = dead.headers().clone().unwrap_or_default();
        assert!(!headers.contains_key("x-nested"));
        assert_eq!(text(&headers, HEADER_REASON).as_deref(), Some("not_json"));
    }
}
