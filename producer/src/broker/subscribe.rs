//! Listening to one target's events, with a queue of our own that goes when we go.

use drawgate_schemas::{Environment, Service, topology};
use lapin::Consumer;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;

use super::call::{CallError, Refusal, call};
use super::connect::Link;
use crate::ending::Ending;
use crate::exit::Exit;

/// Whose events.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The environment.
    pub(crate) environment: Environment,
    /// The service.
    pub(crate) service: Service,
}

/// Why no events are heard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubscribeError {
    /// No worker ever ran on this broker's virtual host.
    #[error(
        "the broker at {broker} has no exchange {} in virtual host {vhost:?}: no worker ever ran there",
        topology::EVENTS_EXCHANGE
    )]
    NoExchange {
        /// Where.
        broker: String,
        /// In which.
        vhost: String,
    },
    /// The user may not make a queue, or not read events.
    #[error(
        "the broker does not let user {user:?} listen to {}",
        topology::EVENTS_EXCHANGE
    )]
    NotPermitted {
        /// Who.
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

/// Listens from now on. `rejections` adds those of any target: of a message that could not be read, the worker cannot
/// say whose it was.
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
