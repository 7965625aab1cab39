//! The dead-letter queue.

use drawgate_schemas::topology;
use lapin::options::BasicGetOptions;
use lapin::types::AMQPValue;

use super::vhost::Broker;
use crate::wait::until;

/// A message in the dead-letter queue.
#[derive(Debug)]
pub struct DeadLetter {
    /// The body, as it was published.
    pub body: Vec<u8>,
    /// The header with the kind of error.
    pub reason: String,
    /// The header with the error's details.
    pub detail: String,
    /// The header with the message's original routing key.
    pub routing_key: String,
    /// The header with the first publisher, where the message was replayed.
    pub original_user_id: Option<String>,
}

impl Broker {
    /// Takes the next message out of the dead-letter queue.
    pub async fn dead_letter(&self) -> DeadLetter {
        let channel = self.connection.create_channel().await.unwrap();
        let options = BasicGetOptions { no_ack: true };
        let message = until("a dead letter", || async {
            channel
                .basic_get(topology::DEAD_QUEUE.into(), options)
                .await
                .unwrap()
        })
        .await;
        let headers = message.properties.headers().clone().unwrap_or_default();
        let found = |name: &str| match headers.inner().get(name) {
            Some(AMQPValue::LongString(text)) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
            _ => None,
        };
        let header = |name: &str| found(name).unwrap_or_else(|| panic!("no header {name} in {headers:?}"));
        DeadLetter {
            reason: header(topology::HEADER_REASON),
            detail: header(topology::HEADER_DETAIL),
            routing_key: header(topology::HEADER_ROUTING_KEY),
            original_user_id: found(topology::HEADER_ORIGINAL_USER_ID),
            body: message.data.clone(),
        }
    }
}
