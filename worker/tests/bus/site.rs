//! The worker's side of a test's virtual host.

use drawgate_lab::broker::Broker;
use drawgate_lab::wire::Wire;
use drawgate_worker::bus::{Bus, BusSettings};
use drawgate_worker::chat::KINDS;
use tokio::sync::watch;

/// A virtual host; `None`, with a line on stderr, where no broker is configured.
pub(crate) async fn broker() -> Option<Broker> {
    // RUST_LOG=drawgate_worker=debug shows the worker's log.
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into());
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer()
        .try_init();
    Broker::new().await
}

/// The worker's side of a virtual host.
pub(crate) trait Buses {
    /// The settings of a worker there, by way of a wire or not.
    fn settings(&self, wire: Option<&Wire>) -> BusSettings;

    /// A connected bus, and the sender that stops its loops.
    async fn bus(&self, wire: Option<&Wire>) -> (Bus, watch::Sender<bool>);
}

impl Buses for Broker {
    fn settings(&self, wire: Option<&Wire>) -> BusSettings {
        BusSettings {
            url: wire.map_or(self.url(), |wire| wire.url.as_str()).to_owned(),
            password_file: None,
            site: "lab".parse().unwrap(),
            worker: "bastion-1".to_owned(),
            routes: vec!["staging.*".to_owned()],
            chat_kinds: KINDS.to_vec(),
        }
    }

    async fn bus(&self, wire: Option<&Wire>) -> (Bus, watch::Sender<bool>) {
        let (stop, receiver) = watch::channel(false);
        let bus = Bus::new(self.settings(wire)).unwrap();
        assert!(bus.connected(receiver).await);
        (bus, stop)
    }
}
