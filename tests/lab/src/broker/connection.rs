//! Connections that read everything, poison messages too.

use drawgate_amqp::connect;
use lapin::tcp::OwnedTLSConfig;
use lapin::{Connection, ConnectionProperties};

use crate::wait::within;

pub(super) async fn open(url: &str) -> Connection {
    within("a connection to the broker", try_open(url)).await.unwrap()
}

/// Connects as the programs do, because a test may read poison messages too.
pub(super) async fn try_open(url: &str) -> lapin::Result<Connection> {
    let uri = url.parse().expect("the broker's address");
    let (properties, tls) = (ConnectionProperties::default(), OwnedTLSConfig::default());
    Ok(connect(uri, properties, tls).await?.connection)
}
