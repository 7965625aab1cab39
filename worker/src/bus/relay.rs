//! The relay publishes the ledger's outbox to the events exchange, in order, and repeats until the broker
//! confirms.
//!
//! ```text
//! unpublished(64) -> publish all -> confirms in order -> mark the confirmed front -> again from the first that is not
//! ```
//!
//! After a loss the unconfirmed rest is sent again, so a consumer may see 1 2 3 2 3 4: the same ids, never a
//! gap. Only one process per ledger relays (it needs a lease, as a lane does), because two would interleave
//! events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use drawgate_schemas::{EVENT_CONTENT_TYPE, topology::EVENTS_EXCHANGE};
use lapin::BasicProperties;
use tokio::sync::watch;

use super::backoff::Backoff;
use super::publisher::{Address, PERSISTENT, Publisher};
use super::stop::Stop;
use super::{Bus, BusError, limits};
use crate::error_chain;
use crate::ledger::{self, Acquired, Lease, Ledger, LedgerError, OutboxRow};

impl Bus {
    /// Publishes the outbox until told to stop. Events in flight at that moment are confirmed first.
    pub async fn relay(&self, ledger: &Ledger, stop: watch::Receiver<bool>) {
        let mut stop = Stop::new(stop);
        let mut relay = Relay {
            ledger,
            publisher: Publisher::new(Arc::clone(&self.publishing)),
            backoff: Backoff::default(),
            trouble: None,
        };
        while !stop.is_set() {
            match ledger.acquire_relay().await {
                Ok(Acquired::Lease(lease)) => relay.with_lease(lease, &mut stop).await,
                Ok(Acquired::Held { .. }) => {
                    stop.sleep(limits::RELAY_LEASE_POLL).await;
                }
                Err(error) => relay.trouble(error_chain(&error), None, &mut stop).await,
            }
        }
    }
}

struct Relay<'a> {
    ledger: &'a Ledger,
    publisher: Publisher,
    backoff: Backoff,
    /// The reason that the log gives already for events not getting out.
    trouble: Option<String>,
}

impl Relay<'_> {
    /// Relays until the lease is lost or it is time to stop.
    async fn with_lease(&mut self, lease: Lease, stop: &mut Stop) {
        let mut renewed = Instant::now();
        while !stop.is_set() {
            if renewed.elapsed() >= renew_every(&lease) {
                match self.ledger.renew(&lease).await {
                    Ok(()) => renewed = Instant::now(),
                    Err(error) if error.is_lost_lease() => return,
                    Err(error) => self.trouble(error_chain(&error), None, stop).await,
                }
            }
            // A process that was suspended may wake up here after its lease has passed to another process.
            if lease.remaining().is_zero() {
                continue;
            }
            self.one_batch(stop).await;
        }
        self.last_words().await;
        if let Err(error) = self.ledger.give_back(lease).await {
            tracing::debug!("the relay's lease was not given back: {}", error_chain(&error));
        }
    }

    /// Publishes the events that were appended before the stop, as far as the broker takes them.
    async fn last_words(&mut self) {
        let (_never, receiver) = watch::channel(false);
        let mut stop = Stop::new(receiver);
        let flush = async {
            while let Ok(rows) = self.ledger.unpublished(limits::EVENTS_IN_FLIGHT).await {
                if rows.is_empty() || self.trouble.is_some() {
                    break;
                }
                self.publish(&rows, &mut stop).await;
            }
        };
        // The rest goes out at the next start.
        let _ = tokio::time::timeout(limits::LAST_WORDS, flush).await;
    }

    async fn one_batch(&mut self, stop: &mut Stop) {
        // While the broker refuses an event, the events behind it are not sent again and again.
        let most = if self.trouble.is_some() {
            1
        } else {
            limits::EVENTS_IN_FLIGHT
        };
        match self.ledger.unpublished(most).await {
            Ok(rows) if rows.is_empty() => {
                let wake = tokio::time::timeout(limits::OUTBOX_POLL, self.ledger.appended());
                stop.or(wake).await;
            }
            Ok(rows) => self.publish(&rows, stop).await,
            Err(error) => self.trouble(error_chain(&error), None, stop).await,
        }
    }

    async fn publish(&mut self, rows: &[OutboxRow], stop: &mut Stop) {
        let (confirmed, failure) = self.publish_in_order(rows, stop).await;
        self.mark(&confirmed, stop).await;
        match failure {
            Some(error) => self.trouble(error_chain(&error), error.hint(), stop).await,
            None => {
                self.backoff.reset();
                if self.trouble.take().is_some() {
                    tracing::info!("events are published again");
                }
            }
        }
    }

    /// The places of the leading rows that the broker has confirmed, and the error that stopped the rest.
    async fn publish_in_order(
        &mut self,
        rows: &[OutboxRow],
        stop: &mut Stop,
    ) -> (Vec<i64>, Option<BusError>) {
        let mut sent = VecDeque::with_capacity(rows.len());
        let mut failure = None;
        for row in rows {
            let address = Address {
                exchange: EVENTS_EXCHANGE,
                key: &row.routing_key,
                mandatory: false,
            };
            match self
                .publisher
                .send(address, row.json.as_bytes(), properties(row), stop)
                .await
            {
                Some(Ok(confirm)) => sent.push_back((row.place, confirm)),
                Some(Err(error)) => {
                    failure = Some(error);
                    break;
                }
                None => break,
            }
        }
        let mut confirmed = Vec::with_capacity(sent.len());
        while let Some((place, confirm)) = sent.pop_front() {
            match self.publisher.confirmed(confirm).await {
                Ok(()) => confirmed.push(place),
                // Later rows may have arrived. They are sent again behind this one, because the order is by
                // place.
                Err(error) => return (confirmed, Some(error)),
            }
        }
        (confirmed, failure)
    }

    /// Retries until the ledger has noted the places: publishing confirmed events again would be worse than
    /// waiting.
    async fn mark(&mut self, places: &[i64], stop: &mut Stop) {
        loop {
            match self.ledger.mark_published(places).await {
                Ok(()) => return,
                Err(error) if !self.may_try_again(&error, stop) => return,
                Err(error) => self.trouble(error_chain(&error), None, stop).await,
            }
        }
    }

    fn may_try_again(&self, error: &LedgerError, stop: &Stop) -> bool {
        error.is_unavailable() && !stop.is_set()
    }

    /// Logs each reason once, and pauses.
    async fn trouble(&mut self, what: String, hint: Option<String>, stop: &mut Stop) {
        if self.trouble.as_ref() != Some(&what) {
            tracing::warn!(hint, "events are not published, trying on: {what}");
            self.trouble = Some(what);
        }
        stop.sleep(self.backoff.next()).await;
    }
}

/// A quarter of the lease, and at most [`ledger::limits::RENEW_EVERY`].
fn renew_every(lease: &Lease) -> Duration {
    ledger::limits::RENEW_EVERY.min(lease.length() / 4)
}

fn properties(row: &OutboxRow) -> BasicProperties {
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type(EVENT_CONTENT_TYPE.into())
        .with_message_id(row.event_id.to_string().into())
        .with_app_id("drawgate-worker".into())
}
