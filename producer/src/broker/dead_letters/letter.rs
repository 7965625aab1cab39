//! A dead letter, read from the message that the broker has: whose it is, and why it was refused. Pure.

use drawgate_amqp::{Death, Unreadable, text};
use drawgate_schemas::limits::MESSAGE_BYTES;
use drawgate_schemas::{RejectionCode, ReleaseRequest, topology};
use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::FieldTable;
use serde_json::Value;

use super::id::LetterId;

/// A message that was refused for good.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    pub(crate) id: LetterId,
    /// When the message was refused; absent where it is not known.
    pub(crate) rejected_at: Option<Timestamp>,
    /// The code of the rejection: a worker's code, or the broker's own.
    pub(crate) reason: String,
    /// What is wrong with the message, and what would be right.
    pub(crate) detail: String,
    /// The routing key that the message came with.
    pub(crate) routing_key: String,
    /// The user who published the message, as the broker has checked it.
    pub(crate) published_by: Option<String>,
    /// The worker that refused the message; `None` where the broker itself gave up on it.
    pub(crate) worker: Option<String>,
    /// The bytes of the message.
    pub(crate) body: Vec<u8>,
    /// The contents of the message, as far as they can be read.
    pub(crate) said: Said,
}

/// The contents of a message, as far as they can be read. The message was refused, so any of them may be
/// missing or wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// The release's id.
    pub(crate) release: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) service: Option<String>,
    /// What people call the version.
    pub(crate) version: Option<String>,
}

impl Said {
    fn of(body: &[u8]) -> Self {
        if let Ok(request) = ReleaseRequest::decode(body) {
            return Self {
                release: Some(request.id.to_string()),
                environment: Some(request.environment.to_string()),
                service: Some(request.service.to_string()),
                version: Some(request.version_name()),
            };
        }
        // A worker does not read a longer message, and neither does this.
        if body.len() > MESSAGE_BYTES {
            return Self::default();
        }
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Self {
            release: text("id"),
            environment: text("environment"),
            service: text("service"),
            version: text("revision").or_else(|| text("image")),
        }
    }
}

impl DeadLetter {
    /// Reads a dead letter from the broker's message. `delivered_key` is the routing key under which it came
    /// into the queue of dead letters.
    pub(crate) fn read(properties: &BasicProperties, delivered_key: &str, body: Vec<u8>) -> Self {
        let headers = properties.headers().clone().unwrap_or_default();
        if let Some(why) = drawgate_amqp::unreadable(properties) {
            return Self::of_nobody(why, delivered_key, body);
        }
        // The broker's word counts first, because a sender can write a worker's headers and let the message
        // expire.
        match (Death::of(properties), text(&headers, topology::HEADER_REASON)) {
            (None, Some(reason)) => Self::of_worker(&headers, reason, delivered_key, body),
            (death, _) => Self::of_broker(properties, death, delivered_key, body),
        }
    }

    /// Makes a letter whose properties cannot be read, so that anything written in them is unknown. The
    /// broker still has the whole message.
    fn of_nobody(why: Unreadable, delivered_key: &str, body: Vec<u8>) -> Self {
        Self {
            id: LetterId::of(&body, delivered_key, ""),
            rejected_at: None,
            reason: RejectionCode::DeadLettered.as_str().to_owned(),
            detail: format!("nobody can read its properties: {why}"),
            routing_key: delivered_key.to_owned(),
            published_by: None,
            worker: None,
            said: Said::of(&body),
            body,
        }
    }

    /// Makes a letter whose reason a worker wrote into the headers.
    fn of_worker(headers: &FieldTable, reason: String, delivered_key: &str, body: Vec<u8>) -> Self {
        let header = |name: &str| text(headers, name);
        let routing_key = header(topology::HEADER_ROUTING_KEY).unwrap_or_else(|| delivered_key.to_owned());
        let rejected_at = header(topology::HEADER_REJECTED_AT).unwrap_or_default();
        Self {
            id: LetterId::of(&body, &routing_key, &rejected_at),
            rejected_at: rejected_at.parse().ok(),
            reason,
            detail: header(topology::HEADER_DETAIL).unwrap_or_default(),
            routing_key,
            published_by: header(topology::HEADER_USER_ID),
            worker: header(topology::HEADER_WORKER),
            said: Said::of(&body),
            body,
        }
    }

    /// Makes a letter on which the broker gave up. Its user id is still the one that the broker has checked.
    fn of_broker(
        properties: &BasicProperties,
        death: Option<Death>,
        delivered_key: &str,
        body: Vec<u8>,
    ) -> Self {
        let (reason, detail) = match &death {
            Some(death) => (
                death.reason.clone(),
                format!(
                    "the broker gave up on it in {}; no worker has judged it",
                    death.queue
                ),
            ),
            None => ("unknown".to_owned(), "nothing in its headers says why".to_owned()),
        };
        let at_s = death.as_ref().and_then(|death| death.at_s);
        let at = at_s.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let routing_key = death.and_then(|death| death.routing_key);
        let routing_key = routing_key.unwrap_or_else(|| delivered_key.to_owned());
        let when = at.map_or_else(String::new, |at| at.to_string());
        Self {
            id: LetterId::of(&body, &routing_key, &when),
            rejected_at: at,
            reason,
            detail,
            routing_key,
            published_by: properties.user_id().as_ref().map(|user| user.as_str().to_owned()),
            worker: None,
            said: Said::of(&body),
            body,
        }
    }

    /// The environment in the message, or else in its routing key.
    pub(crate) fn environment(&self) -> &str {
        let of_key = self.routing_key.split('.').next().unwrap_or_default();
        self.said.environment.as_deref().unwrap_or(of_key)
    }

    /// The service in the message, or else in its routing key.
    pub(crate) fn service(&self) -> &str {
        let of_key = self
            .routing_key
            .split_once('.')
            .map_or("-", |(_, service)| service);
        self.said.service.as_deref().unwrap_or(of_key)
    }

    /// The target as `<environment>/<service>`.
    pub(crate) fn target(&self) -> String {
        format!("{}/{}", self.environment(), self.service())
    }
}

#[cfg(test)]
mod tests {
    use lapin::types::{AMQPValue, FieldArray};

    use super::*;
    use crate::testing::letters::{given_up, long, read, refused, table};

    #[test]
    fn a_workers_letter_is_told_by_its_headers() {
        let letter = refused(
            "invalid",
            "2025-03-04T15:15:00Z",
            r#"{"environment": "staging", "image": "r/api:1"}"#,
        );
        assert_eq!(letter.reason, "invalid");
        assert_eq!(letter.published_by.as_deref(), Some("teamcity"));
        assert_eq!(letter.worker.as_deref(), Some("bastion-a"));
        assert_eq!(letter.target(), "staging/search-api", "the service is the key's");
        assert_eq!(letter.said.version.as_deref(), Some("r/api:1"));
    }

    #[test]
    fn a_brokers_letter_is_told_by_its_latest_death() {
        let letter = given_up("no JSON");
        assert_eq!((letter.reason.as_str(), letter.worker), ("delivery_limit", None));
        assert_eq!(letter.routing_key, "production.search-api");
        assert_eq!(
            letter.published_by.as_deref(),
            Some("ci"),
            "the property, which the broker checks"
        );
        assert_eq!(letter.rejected_at.map(Timestamp::as_second), Some(1_741_100_000));
        assert!(
            letter.detail.contains("drawgate.releases.lab"),
            "{}",
            letter.detail
        );
    }

    #[test]
    fn a_workers_headers_that_a_sender_wrote_are_not_believed() {
        let mut deaths = FieldArray::default();
        deaths.push(AMQPValue::FieldTable(table(&[("reason", long("expired"))])));
        let forged = [
            (topology::HEADER_REASON, long("lane_full")),
            (topology::HEADER_USER_ID, long("anna")),
            ("x-death", AMQPValue::FieldArray(deaths)),
        ];
        let letter = read(&forged, b"{}");
        assert_eq!(
            (
                letter.reason.as_str(),
                letter.published_by.as_deref(),
                letter.worker
            ),
            ("expired", Some("ci"), None)
        );
    }

    #[test]
    fn headers_that_are_not_what_they_should_be_stop_nothing() {
        for odd in [
            AMQPValue::Void,
            AMQPValue::FieldArray(FieldArray::default()),
            long("x"),
        ] {
            let letter = read(&[("x-death", odd)], b"\xff");
            assert_eq!(
                (letter.reason.as_str(), letter.routing_key.as_str()),
                ("unknown", "staging.search")
            );
        }
        let letter = read(&[(topology::HEADER_REASON, long("invalid"))], b"[1]");
        assert_eq!((letter.rejected_at, letter.said), (None, Said::default()));
    }
}
