//! Connections: waited for, and logged in.

use std::time::Duration;

use drawgate_lab::wait::soon;
use drawgate_lab::wire::Wire;
use drawgate_worker::bus::{Bus, BusSettings};
use tokio::sync::watch;

use crate::site::{Buses as _, broker};

#[tokio::test]
async fn a_broker_that_is_away_is_waited_for() {
    let Some(broker) = broker().await else { return };
    let wire = Wire::before(broker.url()).await;
    wire.cut();
    let (stop, receiver) = watch::channel(false);
    let connecting = |receiver| {
        let bus = Bus::new(broker.settings(Some(&wire))).unwrap();
        tokio::spawn(async move {
            let connected = bus.connected(receiver).await;
            (bus, connected)
        })
    };
    let first = connecting(receiver);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!first.is_finished());
    wire.mend();
    let (bus, connected) = first.await.unwrap();
    assert!(connected && bus.is_connected());
    bus.close().await;
    // A bus that is told to stop ends its wait.
    wire.cut();
    let second = connecting(stop.subscribe());
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.send_replace(true);
    assert!(!second.await.unwrap().1);
    broker.delete().await;
}

#[tokio::test]
async fn a_password_file_goes_before_the_url() {
    let Some(broker) = broker().await else { return };
    let url: reqwest::Url = broker.url().parse().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), url.password().unwrap()).unwrap();
    let mut wrong = url.clone();
    wrong.set_password(Some("wrong")).unwrap();
    let (_stop, receiver) = watch::channel(false);
    let settings = BusSettings {
        url: wrong.to_string(),
        password_file: Some(file.path().to_owned()),
        ..broker.settings(None)
    };
    let bus = Bus::new(settings).unwrap();
    assert!(soon(bus.connected(receiver)).await);
    bus.close().await;
    broker.delete().await;
}
