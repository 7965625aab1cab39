//! The loops of a bus, each as a task.

use std::sync::Arc;
use std::time::Duration;

use drawgate_config::{Secret, SecretSource};
use drawgate_lab::broker::Broker;
use drawgate_lab::wait::until_true;
use drawgate_lab::webhook::Listening;
use drawgate_worker::bus::{Bus, ChatHandler};
use drawgate_worker::chat::Chat;
use drawgate_worker::ledger::Ledger;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::intake::Intake;

pub(crate) fn consume(bus: &Bus, intake: &Arc<Intake>, stop: &watch::Sender<bool>) -> JoinHandle<()> {
    let (bus, intake, stop) = (bus.clone(), Arc::clone(intake), stop.subscribe());
    tokio::spawn(async move { bus.consume_releases(&*intake, stop).await })
}

pub(crate) fn relay(bus: &Bus, ledger: &Ledger, stop: &watch::Sender<bool>) -> JoinHandle<()> {
    let (bus, ledger, stop) = (bus.clone(), ledger.clone(), stop.subscribe());
    tokio::spawn(async move { bus.relay(&ledger, stop).await })
}

/// Feeds chat; returns when its queue is bound and consumed.
pub(crate) async fn feed(
    broker: &Broker,
    bus: &Bus,
    mut chat: impl ChatHandler + 'static,
    stop: &watch::Sender<bool>,
) -> JoinHandle<()> {
    let (bus, stop) = (bus.clone(), stop.subscribe());
    let feeding = tokio::spawn(async move { bus.feed_chat(&mut chat, stop).await });
    until_true("chat has its queue", async || {
        broker.is_consumed("drawgate.chat").await
    })
    .await;
    feeding
}

/// A handler that posts to this webhook.
pub(crate) fn chat_at(webhook: &Listening) -> Chat {
    let webhook = SecretSource::Inline(Secret::new(webhook.url()));
    Chat::new(webhook).unwrap()
}

pub(crate) async fn ends(task: JoinHandle<()>) {
    tokio::time::timeout(Duration::from_secs(10), task)
        .await
        .expect("it stops within 10 s")
        .unwrap();
}
