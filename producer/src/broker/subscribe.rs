//! Listens to the events of one target, with a queue of its own that goes when this program ends.

use drawgate_schemas::{Environment, Service, topology};
use lapin::Consumer;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;

use super::call::{CallError, Refusal, call};
use super::connect::Link;
use crate::ending::Ending;
use crate::exit::Exit;

#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) environment: Environment,
    pub(crate) service: Service,
}

/// Why no events can be heard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubscribeError {
    /// No worker ever ran on this broker's virtual host.
    #[error(
        "the broker at {broker} has no exchange {} in virtual host {vhost:?}: no worker ever ran there",
        topology::EVENTS_EXCHANGE
    )]
    NoExchange { broker: String, vhost: String },
    /// The user may not make a queue, or may not read events.
    #[error(
        "the broker does not let user {user:?} listen to {}",
        topology::EVENTS_EXCHANGE
    )]
    NotPermitted {
        user: String,
        /// The broker's words.
        #[source]
        source: CallError,
    },
    /// The connection broke.
    #[error("the connection to the broker broke")]
    Lost(#[source] CallError),
}

impl Ending for SubscribeError {
    fn exit(&self) -> Exit {
        Exit::Broker
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoExchange { .. } => Some(
                "is it the right broker and virtual host? The worker makes the exchange when it starts: \
                 systemctl status drawgate-worker on the bastion"
                    .to_owned(),
            ),
            Self::NotPermitted { .. } => Some(format!(
                "it needs the permissions configure amq\\.gen.*, write amq\\.gen.*, read amq\\.gen.*|{} \
                 (rabbitmqctl set_permissions)",
                topology::EVENTS_EXCHANGE.replace('.', "\\.")
            )),
            Self::Lost(_) => None,
        }
    }
}

/// Listens from now on. `rejections` adds the rejections of every target, because the worker cannot say whose
/// a message was that it could not read.
pub(crate) async fn subscribe(
    link: &Link,
    target: &Target,
    rejections: bool,
) -> Result<Consumer, SubscribeError> {
    listen(link, target, rejections)
        .await
        .map_err(|source| match source.refusal() {
            Refusal::NotFound => SubscribeError::NoExchange {
                broker: link.address.to_string(),
                vhost: link.address.vhost().to_owned(),
            },
            Refusal::NotPermitted => SubscribeError::NotPermitted {
                user: link.address.user().to_owned(),
                source,
            },
            Refusal::NotAllowed | Refusal::Other => SubscribeError::Lost(source),
        })
}

async fn listen(link: &Link, target: &Target, rejections: bool) -> Result<Consumer, CallError> {
    let channel = call(link.connection.create_channel()).await?;
    let own = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    let queue = call(channel.queue_declare("".into(), own, FieldTable::default())).await?;
    let mut keys = vec![format!("{}.{}.*", target.environment, target.service)];
    keys.extend(rejections.then(|| "*.*.rejected".to_owned()));
    for key in keys {
        let bind = channel.queue_bind(
            queue.name().clone(),
            topology::EVENTS_EXCHANGE.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        call(bind).await?;
    }
    let options = BasicConsumeOptions {
        no_ack: true,
        exclusive: true,
        ..BasicConsumeOptions::default()
    };
    call(channel.basic_consume(queue.name().clone(), "".into(), options, FieldTable::default())).await
}
