//! Publishes one request: persistent, mandatory, confirmed.

use drawgate_schemas::{ReleaseRequest, topology};
use lapin::message::BasicReturnMessage;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation};

use super::call::{CallError, Refusal, app_id, call, refusal, user_id};
use super::connect::Link;
use crate::limits;

/// Delivery mode 2 survives the broker's restart (AMQP 0-9-1).
const PERSISTENT: u8 = 2;

/// Why it is not certain that the message arrived.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// No worker ever ran on this broker's virtual host.
    #[error(
        "the broker at {broker} has no exchange {} in virtual host {vhost:?}: no worker ever ran there",
        topology::RELEASES_EXCHANGE
    )]
    NoExchange { broker: String, vhost: String },
    /// No queue takes this routing key (basic.return 312).
    #[error("nobody listens for {key}: no worker serves this service in this environment")]
    NobodyListens {
        /// `<environment>.<service>`.
        key: String,
    },
    /// The broker returned the message with another code (basic.return).
    #[error("the broker returned the message: {code} {text}")]
    Returned { code: u16, text: String },
    /// The user may not write to the exchange.
    #[error(
        "the broker does not let user {user:?} publish to {}",
        topology::RELEASES_EXCHANGE
    )]
    NotPermitted {
        user: String,
        /// The broker's words.
        #[source]
        source: lapin::Error,
    },
    /// The channel could not be opened, before anything was sent.
    #[error("no channel on the broker's connection; nothing was published")]
    Channel(#[source] CallError),
    #[error("the broker could not store the message (nack): it is unknown whether a worker has it")]
    Nack,
    #[error("the broker did not confirm within {} s: it is unknown whether the message arrived", limits::CONFIRM.as_secs())]
    NoConfirm,
    /// The connection broke between sending and confirming.
    #[error("the connection broke before the broker confirmed: it is unknown whether the message arrived")]
    Lost(#[source] lapin::Error),
}

impl PublishError {
    /// Whether the broker refused this one message: it may still accept another.
    pub(crate) fn is_of_this_message(&self) -> bool {
        matches!(self, Self::NobodyListens { .. } | Self::Returned { .. })
    }

    /// What to do next. `again` is the command that publishes the same request.
    pub(crate) fn hint(&self, again: &str) -> Option<String> {
        match self {
            Self::NoExchange { .. } => Some(
                "is it the right broker and virtual host? The worker makes the exchange when it starts: \
                 systemctl status drawgate-worker on the bastion"
                    .to_owned(),
            ),
            Self::NobodyListens { .. } => Some(
                "check --environment and --service for typing errors; else the worker lacks that service's file, \
                 or has not been started since it was written"
                    .to_owned(),
            ),
            Self::NotPermitted { .. } => Some(format!(
                "it needs the permission to write {} (rabbitmqctl set_permissions)",
                topology::RELEASES_EXCHANGE
            )),
            Self::Nack | Self::NoConfirm | Self::Lost(_) => Some(format!(
                "publishing the same request again is harmless, its id is accepted once:\n  {again}"
            )),
            Self::Returned { .. } | Self::Channel(_) => None,
        }
    }
}

/// Publishes `body` and returns when the broker has it on disk, in a queue that some worker reads.
///
/// # Errors
/// Every other end; each error says whether it is a no or a don't-know.
pub(crate) async fn publish(link: &Link, request: &ReleaseRequest, body: &[u8]) -> Result<(), PublishError> {
    publish_for(link, request, body, None).await
}

/// Publishes a message that `original` has published before. The broker would refuse a foreign `user_id`, so
/// the original user stands in a header, and the property names the replayer.
pub(crate) async fn publish_for(
    link: &Link,
    request: &ReleaseRequest,
    body: &[u8],
    original: Option<&str>,
) -> Result<(), PublishError> {
    let channel = call(link.connection.create_channel())
        .await
        .map_err(PublishError::Channel)?;
    call(channel.confirm_select(ConfirmSelectOptions::default()))
        .await
        .map_err(PublishError::Channel)?;
    let key = topology::release_key(&request.environment, &request.service);
    let confirmed = async {
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        channel
            .basic_publish(
                topology::RELEASES_EXCHANGE.into(),
                key.as_str().into(),
                options,
                body,
                properties(link, request, original),
            )
            .await?
            .await
    };
    match tokio::time::timeout(limits::CONFIRM, confirmed).await {
        Err(_) => Err(PublishError::NoConfirm),
        Ok(Err(source)) => Err(meaning(link, source)),
        Ok(Ok(confirmation)) => verdict(confirmation, key),
    }
}

fn properties(link: &Link, request: &ReleaseRequest, original: Option<&str>) -> BasicProperties {
    let seconds = u64::try_from(request.requested_at.as_second()).unwrap_or(0);
    let mut properties = BasicProperties::default()
        .with_content_type(topology::CONTENT_TYPE.into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(request.id.to_string().into())
        .with_timestamp(seconds)
        .with_app_id(app_id());
    if let Some(original) = original {
        let mut headers = FieldTable::default();
        let name = topology::HEADER_ORIGINAL_USER_ID;
        headers.insert(name.into(), AMQPValue::LongString(original.into()));
        properties = properties.with_headers(headers);
    }
    match user_id(link.address.user_id()) {
        Some(user) => properties.with_user_id(user),
        None => properties,
    }
}

fn verdict(confirmation: Confirmation, key: String) -> Result<(), PublishError> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
            Err(why_returned(&returned, key))
        }
        // `NotRequested` would be as uncertain as a nack. It does not occur, because confirms were asked for.
        Confirmation::Nack(None) | Confirmation::NotRequested => Err(PublishError::Nack),
    }
}

fn why_returned(returned: &BasicReturnMessage, key: String) -> PublishError {
    /// AMQP 0-9-1: NO_ROUTE.
    const NO_ROUTE: u16 = 312;
    if returned.reply_code == NO_ROUTE {
        return PublishError::NobodyListens { key };
    }
    PublishError::Returned {
        code: returned.reply_code,
        text: returned.reply_text.to_string(),
    }
}

fn meaning(link: &Link, source: lapin::Error) -> PublishError {
    match refusal(&source) {
        Refusal::NotFound => PublishError::NoExchange {
            broker: link.address.to_string(),
            vhost: link.address.vhost().to_owned(),
        },
        Refusal::NotPermitted => PublishError::NotPermitted {
            user: link.address.user().to_owned(),
            source,
        },
        Refusal::NotAllowed | Refusal::Other => PublishError::Lost(source),
    }
}
