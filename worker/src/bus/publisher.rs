//! Publishes with confirms, over a channel that is opened anew after a loss.

use std::sync::Arc;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::protocol::AMQPSoftError;
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};

use super::link::Link;
use super::stop::Stop;
use super::{BusError, limits, topology};

/// Delivery mode "persistent": the message survives the broker's restart.
pub(super) const PERSISTENT: u8 = 2;

/// The destination, and whether a queue must be bound there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address<'a> {
    pub(super) exchange: &'static str,
    pub(super) key: &'a str,
    pub(super) mandatory: bool,
}

pub(super) struct Publisher {
    link: Arc<Link>,
    channel: Option<Channel>,
}

impl Publisher {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link, channel: None }
    }

    /// Publishes and waits for the broker's confirm. `None` when it is time to stop.
    pub(super) async fn publish(
        &mut self,
        address: Address<'_>,
        body: &[u8],
        properties: BasicProperties,
        stop: &mut Stop,
    ) -> Option<Result<(), BusError>> {
        let confirm = match self.send(address, body, properties, stop).await? {
            Ok(confirm) => confirm,
            Err(error) => return Some(Err(error)),
        };
        Some(self.confirmed(confirm).await)
    }

    /// Publishes without waiting for the confirm. `None` when it is time to stop.
    pub(super) async fn send(
        &mut self,
        address: Address<'_>,
        body: &[u8],
        properties: BasicProperties,
        stop: &mut Stop,
    ) -> Option<Result<PublisherConfirm, BusError>> {
        let channel = match self.channel(stop).await? {
            Ok(channel) => channel,
            Err(error) => return Some(Err(error)),
        };
        let options = BasicPublishOptions {
            mandatory: address.mandatory,
            ..Default::default()
        };
        let publish = channel.basic_publish(
            address.exchange.into(),
            address.key.into(),
            options,
            body,
            properties,
        );
        let sent = match tokio::time::timeout(limits::CONFIRM_TIMEOUT, publish).await {
            Ok(sent) => sent.map_err(BusError::refused("take a message")),
            Err(_) => Err(BusError::Silent {
                operation: "take a message",
            }),
        };
        if sent.is_err() {
            self.channel = None;
        }
        Some(sent)
    }

    /// Waits for a confirm.
    pub(super) async fn confirmed(&mut self, confirm: PublisherConfirm) -> Result<(), BusError> {
        let result = match tokio::time::timeout(limits::CONFIRM_TIMEOUT, confirm).await {
            Ok(Ok(Confirmation::Ack(None))) => return Ok(()),
            Ok(Ok(Confirmation::Ack(Some(_)))) => Err(BusError::Unroutable),
            Ok(Ok(_)) => Err(BusError::NotStored),
            Ok(Err(source)) => Err(BusError::Refused {
                operation: "confirm a message",
                source,
            }),
            Err(_) => Err(BusError::Unconfirmed),
        };
        self.recover(&result).await;
        result
    }

    /// After a failure no unconfirmed message counts as stored. The channel is replaced; where an exchange or
    /// a queue is missing, the connection is too, because a new connection declares it.
    async fn recover(&mut self, result: &Result<(), BusError>) {
        self.channel = None;
        let missing = match result {
            Err(BusError::Unroutable) => true,
            Err(BusError::Refused { source, .. }) => topology::is_soft(source, AMQPSoftError::NOTFOUND),
            _ => false,
        };
        if missing {
            self.link.start_over().await;
        }
    }

    async fn channel(&mut self, stop: &mut Stop) -> Option<Result<Channel, BusError>> {
        if let Some(channel) = self
            .channel
            .as_ref()
            .filter(|channel| channel.status().connected())
        {
            return Some(Ok(channel.clone()));
        }
        let channel = self.link.channel(stop).await?;
        let select = channel.confirm_select(ConfirmSelectOptions::default());
        match tokio::time::timeout(limits::CALL_TIMEOUT, select).await {
            Ok(Ok(())) => {
                self.channel = Some(channel.clone());
                Some(Ok(channel))
            }
            Ok(Err(source)) => Some(Err(BusError::Refused {
                operation: "confirm messages",
                source,
            })),
            Err(_) => Some(Err(BusError::Silent {
                operation: "confirm messages",
            })),
        }
    }
}
