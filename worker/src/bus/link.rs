//! One connection that reconnects by itself. A caller asks for a channel and waits as long as that takes.

use std::sync::Arc;
use std::time::Duration;

use lapin::tcp::OwnedTLSConfig;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::sync::{Mutex, watch};

use super::backoff::Backoff;
use super::stop::Stop;
use super::topology::{Declared, Part};
use super::version::ServerVersion;
use super::{BusError, BusSettings, limits, topology};
use crate::error_chain;

#[derive(Debug)]
pub(super) struct Link {
    /// The connection's name in the broker's management interface.
    name: String,
    part: Part,
    settings: Arc<BusSettings>,
    state: Mutex<State>,
    /// How the queue of this part was found at the last connection.
    declared: watch::Sender<Declared>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    told: Told,
}

/// What the log says already: a change is logged once, not at each try.
#[derive(Debug, Default, PartialEq)]
enum Told {
    #[default]
    Nothing,
    Up,
    Down(String),
}

impl Link {
    pub(super) fn new(part: Part, settings: Arc<BusSettings>) -> Self {
        let name = match part {
            Part::Releases => format!("drawgate-worker {}", settings.worker),
            Part::Control => format!("drawgate-worker {} control", settings.worker),
            Part::Publishing => format!("drawgate-worker {} publishing", settings.worker),
            Part::Chat => format!("drawgate-worker {} chat", settings.worker),
        };
        Self {
            name,
            part,
            settings,
            state: Mutex::default(),
            declared: watch::Sender::new(Declared::Others),
        }
    }

    /// A channel of the connection. Connects first where necessary. `None` when it is time to stop.
    pub(super) async fn channel(&self, stop: &mut Stop) -> Option<Channel> {
        let mut backoff = Backoff::default();
        while !stop.is_set() {
            // `try_channel` has logged an error already.
            if let Some(Ok(channel)) = stop.or(self.try_channel()).await {
                return Some(channel);
            }
            stop.sleep(backoff.next()).await;
        }
        None
    }

    /// How the queue was found. It decides what the broker does with a message that is refused or that comes
    /// back again and again.
    pub(super) fn declared(&self) -> Declared {
        *self.declared.borrow()
    }

    /// Drops the connection because an exchange or a queue is missing: the next connection declares
    /// everything anew.
    pub(super) async fn start_over(&self) {
        let connection = self.state.lock().await.connection.take();
        close(connection).await;
    }

    pub(super) fn is_connected(&self) -> bool {
        // A held lock means that a caller is connecting.
        let state = self.state.try_lock();
        state.is_ok_and(|state| {
            state
                .connection
                .as_ref()
                .is_some_and(|connection| connection.status().connected())
        })
    }

    pub(super) async fn close(&self) {
        self.start_over().await;
    }

    pub(super) async fn try_channel(&self) -> Result<Channel, BusError> {
        // The lock is kept while connecting, because other callers need the same connection.
        let mut state = self.state.lock().await;
        let attempt = tokio::time::timeout(limits::CONNECT_TIMEOUT * 2, self.open(&mut state.connection));
        let channel = attempt.await.unwrap_or(Err(BusError::Silent {
            operation: "open a connection and a channel",
        }));
        if let Err(error) = &channel {
            self.tell_down(&mut state.told, error);
        } else {
            state.told = Told::Up;
        }
        channel
    }

    async fn open(&self, kept: &mut Option<Connection>) -> Result<Channel, BusError> {
        kept.take_if(|connection| !connection.status().connected());
        let connection = match kept {
            Some(connection) => connection,
            None => kept.insert(self.connect().await?),
        };
        connection
            .create_channel()
            .await
            .map_err(BusError::refused("open a channel"))
    }

    async fn connect(&self) -> Result<Connection, BusError> {
        let uri = self.settings.uri()?;
        let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let connected = drawgate_amqp::connect(uri, properties, OwnedTLSConfig::default())
            .await
            .map_err(BusError::unconnected)?;
        let version = ServerVersion::new(&connected.server_version);
        let declared = topology::declare(&connected.connection, self.part, &self.settings, &version).await?;
        self.declared.send_replace(declared);
        self.tell_up(&version);
        Ok(connected.connection)
    }

    fn tell_up(&self, version: &ServerVersion) {
        tracing::info!(
            connection = self.name,
            rabbitmq = version.text,
            "connected to the broker"
        );
        if version.major.is_none() {
            tracing::warn!(
                connection = self.name,
                "the broker does not say its version: queues are declared as for RabbitMQ 3"
            );
        }
    }

    fn tell_down(&self, told: &mut Told, error: &BusError) {
        let text = error_chain(error);
        let now = Told::Down(text.clone());
        if *told != now {
            let hint = error.hint();
            tracing::warn!(
                connection = self.name,
                hint,
                "no connection to the broker, trying on: {text}"
            );
            *told = now;
        }
    }
}

async fn close(connection: Option<Connection>) {
    const PATIENCE: Duration = Duration::from_secs(5);
    if let Some(connection) = connection {
        // A failed close does not matter: dropping the handle ends the connection.
        let _ = tokio::time::timeout(PATIENCE, connection.close(200, "".into())).await;
    }
}
