//! How often the broker delivers a release before it dead-letters it.
//!
//! AMQP does not show a queue's policy, and the worker has no login at the management interface, so the
//! worker tries it out. A queue whose name the policy's pattern matches gets one message; the worker takes it
//! and gives it back until it does not come again.
//!
//! ```text
//! drawgate.releases.<site>.trial-<id>:  publish one -> get, reject(requeue) ... until it is gone: so many, less one
//! ```

use std::sync::Arc;
use std::time::Duration;

use drawgate_schemas::Site;
use drawgate_schemas::topology::releases_queue;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, BasicRejectOptions, ConfirmSelectOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::link::Link;
use super::topology::Declared;
use super::{BusError, limits, topology};
use crate::error_chain;

/// The delivery limit that a trial found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryLimit {
    /// This many deliveries beyond the first.
    Of(u32),
    /// No limit, or one above [`limits::DELIVERY_LIMIT_TRIED`].
    None,
    /// The trial failed, for this reason.
    Unknown(String),
}

impl DeliveryLimit {
    /// What an operator must know and do about the limit; `None` where the limit is good.
    pub fn concern(&self) -> Option<String> {
        const REMEDY: &str =
            "import the shipped policies: rabbitmqctl import_definitions infra/rabbitmq/definitions.json";
        match self {
            Self::Of(limit) if *limit >= limits::DELIVERY_LIMIT_LEAST => None,
            Self::Of(limit) => Some(format!(
                "the broker gives up on a release after {limit} deliveries, and restarts of the worker can bring a good \
                 one there; {REMEDY}"
            )),
            Self::None => Some(format!(
                "the broker gives a release out more than {} times: the policy with a delivery limit is missing there, and a \
                 message that ends the worker comes back for ever; {REMEDY}",
                limits::DELIVERY_LIMIT_TRIED
            )),
            Self::Unknown(why) => Some(format!(
                "whether the broker has a delivery limit could not be tried: {why}"
            )),
        }
    }

    fn good_for(&self) -> Duration {
        match self.concern() {
            None => limits::DELIVERY_LIMIT_GOOD_FOR,
            Some(_) => limits::DELIVERY_LIMIT_BAD_FOR,
        }
    }
}

/// Tries the delivery limit out, and remembers the result.
#[derive(Debug)]
pub struct DeliveryLimitTrial {
    link: Arc<Link>,
    releases: Arc<Link>,
    queue: String,
    found: Mutex<Option<(Instant, DeliveryLimit)>>,
}

impl DeliveryLimitTrial {
    pub(super) fn new(link: Arc<Link>, releases: Arc<Link>, site: &Site) -> Self {
        Self {
            link,
            releases,
            queue: format!("{}.trial-{}", releases_queue(site), Uuid::now_v7().simple()),
            found: Mutex::default(),
        }
    }

    /// The limit, from a recent trial or a new one. Callers at the same time wait for one trial.
    pub async fn find(&self) -> DeliveryLimit {
        let mut found = self.found.lock().await;
        if let Some((at, limit)) = &*found
            && at.elapsed() < limit.good_for()
        {
            return limit.clone();
        }
        let trial = tokio::time::timeout(limits::DELIVERY_LIMIT_TIMEOUT, self.try_once());
        let limit = match trial.await {
            Ok(Ok(limit)) => limit,
            Ok(Err(error)) => DeliveryLimit::Unknown(error_chain(&error)),
            Err(_) => DeliveryLimit::Unknown("the broker did not answer in time".to_owned()),
        };
        *found = Some((Instant::now(), limit.clone()));
        limit
    }

    async fn try_once(&self) -> Result<DeliveryLimit, BusError> {
        let channel = self.link.try_channel().await?;
        let tried = self.on(&channel).await;
        // The queue is deleted whatever was found. If the deletion fails, the queue expires.
        let _ = channel
            .queue_delete(self.queue.as_str().into(), QueueDeleteOptions::default())
            .await;
        let _ = channel.close(200, "".into()).await;
        tried.map_err(BusError::refused("try a queue"))
    }

    async fn on(&self, channel: &Channel) -> lapin::Result<DeliveryLimit> {
        let name = || self.queue.as_str().into();
        channel
            .queue_declare(name(), QueueDeclareOptions::durable(), self.arguments())
            .await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        channel
            .basic_publish(
                "".into(),
                name(),
                BasicPublishOptions::default(),
                b"how often is this delivered?",
                BasicProperties::default(),
            )
            .await?
            .await?;
        for deliveries in 0..limits::DELIVERY_LIMIT_TRIED {
            let Some(message) = self.next(channel).await? else {
                return Ok(DeliveryLimit::Of(deliveries.saturating_sub(1)));
            };
            message
                .delivery
                .reject(BasicRejectOptions { requeue: true })
                .await?;
        }
        Ok(DeliveryLimit::None)
    }

    /// The same arguments as the queue of releases, except that its dead letters go nowhere.
    fn arguments(&self) -> FieldTable {
        let mut arguments = topology::quorum(&[
            ("x-expires", AMQPValue::LongInt(limits::TRIAL_QUEUE_EXPIRES_MS)),
            ("x-dead-letter-exchange", AMQPValue::LongString("".into())),
            (
                "x-dead-letter-routing-key",
                AMQPValue::LongString("nowhere".into()),
            ),
        ]);
        let limit_taken_off = Declared::Ours {
            limit_taken_off: true,
        };
        if self.releases.declared() == limit_taken_off {
            topology::take_limit_off(&mut arguments);
        }
        arguments
    }

    /// The next delivery. A message that was given back is in the queue again within milliseconds.
    async fn next(&self, channel: &Channel) -> lapin::Result<Option<lapin::message::BasicGetMessage>> {
        const LOOKS: u32 = 20;
        const PAUSE: Duration = Duration::from_millis(20);
        for _ in 0..LOOKS {
            let got = channel
                .basic_get(self.queue.as_str().into(), BasicGetOptions::default())
                .await?;
            if got.is_some() {
                return Ok(got);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_limit_is_no_concern() {
        let shipped = include_str!("../../../infra/rabbitmq/definitions.json");
        let shipped: serde_json::Value = serde_json::from_str(shipped).unwrap();
        let policies = shipped["policies"].as_array().unwrap();
        let releases = policies
            .iter()
            .find(|policy| policy["name"] == "drawgate-releases")
            .unwrap();
        assert_eq!(releases["definition"]["delivery-limit"], limits::DELIVERY_LIMIT);
        assert_eq!(DeliveryLimit::Of(limits::DELIVERY_LIMIT).concern(), None);
    }

    #[test]
    fn a_hundred_restarts_and_an_hour_without_a_ledger_fit() {
        let given_back_an_hour = 3600 / limits::LEDGER_HOLD.as_secs();
        assert!(100 + given_back_an_hour < u64::from(limits::DELIVERY_LIMIT));
        assert!(u64::from(limits::DELIVERY_LIMIT_LEAST) > 100);
    }

    #[test]
    fn none_and_too_low_ones_are_told_with_the_way_out() {
        for limit in [DeliveryLimit::None, DeliveryLimit::Of(20)] {
            let concern = limit.concern().unwrap();
            assert!(concern.contains("rabbitmqctl import_definitions"), "{concern}");
        }
    }
}
