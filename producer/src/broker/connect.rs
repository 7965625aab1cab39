//! Connects, and tries again within bounds. The library's own recovery stays off: after a loss the producer
//! must ask for the events that it missed, so it must know that the connection was lost.

use std::io;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use lapin::tcp::OwnedTLSConfig;
use lapin::{Connection, ConnectionProperties};
use tokio::time::Instant;

use super::address::Address;
use super::call::{Refusal, refusal};
use crate::ending::Ending;
use crate::exit::Exit;
use crate::limits;

/// An open connection, and its broker's address.
pub(crate) struct Link {
    pub(crate) connection: Connection,
    /// The address of the broker.
    pub(crate) address: Address,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The host's name does not resolve.
    #[error("cannot find the broker {address}")]
    NoSuchHost {
        address: Address,
        #[source]
        source: io::Error,
    },
    /// No process listens at the address, or no route leads there.
    #[error("cannot reach the broker at {address}")]
    Unreachable {
        address: Address,
        #[source]
        source: lapin::Error,
    },
    /// The address takes connections, or packets are swallowed on the way, and no answer comes.
    #[error("the broker at {address} did not answer within {} s", limits::CONNECT_TRY.as_secs())]
    Silent { address: Address },
    /// The TLS handshake failed.
    #[error("no TLS connection to the broker at {address}")]
    Tls {
        address: Address,
        #[source]
        source: lapin::Error,
    },
    /// The broker refused the user's name or password.
    #[error("the broker at {address} refused the credentials of user {:?}", address.user())]
    Credentials {
        address: Address,
        /// The broker's words.
        #[source]
        source: lapin::Error,
    },
    /// The broker has no such virtual host, or does not let the user into it.
    #[error("the broker at {address} has no virtual host {:?} for user {:?}", address.vhost(), address.user())]
    Vhost {
        address: Address,
        /// The broker's words.
        #[source]
        source: lapin::Error,
    },
    /// The connection broke while it was being made.
    #[error("the broker at {address} ended the connection while it was being made")]
    Broken {
        address: Address,
        #[source]
        source: lapin::Error,
    },
}

impl Ending for ConnectError {
    fn exit(&self) -> Exit {
        Exit::Broker
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoSuchHost { .. } => "is the host's name right, and does this machine's DNS know it?".to_owned(),
            Self::Unreachable { address, .. } => {
                format!("is {address} right, does the broker run, and does a firewall let this machine through?")
            }
            Self::Silent { address } if !address.is_tls() => {
                "a port that speaks TLS needs amqps://; a firewall may also swallow packets".to_owned()
            }
            Self::Silent { .. } => "a firewall may swallow packets".to_owned(),
            Self::Tls { .. } => "the port must speak TLS (5671, by custom), the name must be the certificate's, and \
                 a private authority's certificate goes into --amqp-ca-file"
                .to_owned(),
            Self::Credentials { .. } => {
                "check user name and password; `guest` may connect from the broker's own machine only".to_owned()
            }
            Self::Vhost { address, .. } if address.vhost().is_empty() => {
                "the address ends in /, which means the virtual host with the empty name; the default one is /%2f"
                    .to_owned()
            }
            Self::Vhost { .. } => {
                "the last part of the address names the virtual host (%2f is the default one); \
                 `rabbitmqctl list_permissions -p VHOST` shows who may use it"
                    .to_owned()
            }
            Self::Broken { address, .. } if !address.is_tls() => {
                "does that port speak AMQP (5672, by custom)? One that speaks TLS needs amqps://".to_owned()
            }
            Self::Broken { .. } => "does that port speak AMQP over TLS (5671, by custom)?".to_owned(),
        })
    }
}

impl ConnectError {
    /// Whether another attempt may succeed without anybody changing a setting.
    fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::NoSuchHost { .. } | Self::Unreachable { .. } | Self::Silent { .. } | Self::Broken { .. }
        )
    }
}

async fn connect(address: &Address, name: &str) -> Result<Link, ConnectError> {
    let properties = ConnectionProperties::default()
        .with_connection_name(name.into())
        .with_client_property("product".into(), "drawgate".into())
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());
    let tls = OwnedTLSConfig {
        identity: None,
        cert_chain: address.ca_pem(),
    };
    // The name is looked up first, because the library's error would not say that the name is the problem.
    let host = (address.host(), address.port());
    if let Err(source) = tokio::net::lookup_host(host).await {
        let address = address.clone();
        return Err(ConnectError::NoSuchHost { address, source });
    }
    let attempt = drawgate_amqp::connect(address.uri(), properties, tls);
    match tokio::time::timeout(limits::CONNECT_TRY, attempt).await {
        Ok(Ok(connected)) => Ok(Link {
            connection: connected.connection,
            address: address.clone(),
        }),
        Ok(Err(source)) => Err(meaning(address, source)),
        Err(_) => Err(ConnectError::Silent {
            address: address.clone(),
        }),
    }
}

fn meaning(address: &Address, source: lapin::Error) -> ConnectError {
    let address = address.clone();
    match refusal(&source) {
        Refusal::NotPermitted => return ConnectError::Credentials { address, source },
        Refusal::NotAllowed => return ConnectError::Vhost { address, source },
        Refusal::NotFound | Refusal::Other => {}
    }
    match source.kind() {
        lapin::ErrorKind::IOError(error) if is_unreachable(error) => {
            ConnectError::Unreachable { address, source }
        }
        lapin::ErrorKind::IOError(_) if address.is_tls() => ConnectError::Tls { address, source },
        _ => ConnectError::Broken { address, source },
    }
}

/// Whether the error came before anything was sent: no route, no listener.
fn is_unreachable(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::AddrNotAvailable
            | Kind::TimedOut
    )
}

/// The pauses between attempts. Each pause is twice the one before, up to a bound, and up to half of it is
/// cut off at random. Otherwise a thousand jobs that lost a broker at the same moment would come back in
/// step.
#[derive(Debug)]
pub(crate) struct Backoff(ExponentialBackoff);

impl Backoff {
    /// Starts with the shortest pause.
    pub(crate) fn new() -> Self {
        // The library adds up to as much again to each pause, so half of each bound is passed to keep the
        // pauses within it.
        let pauses = ExponentialBuilder::new()
            .with_min_delay(limits::BACKOFF_FIRST / 2)
            .with_max_delay(limits::BACKOFF_LONGEST / 2)
            .without_max_times()
            .with_jitter();
        Self(pauses.build())
    }

    /// Returns the next pause.
    pub(crate) fn next(&mut self) -> Duration {
        self.0.next().unwrap_or(limits::BACKOFF_LONGEST)
    }
}

/// Tries to connect until `limit` has passed. An error that no waiting mends (credentials, virtual host, TLS)
/// ends it at once, unless `stubborn` is set: a starting broker refuses with the same words.
pub(crate) async fn connect_patiently(
    address: &Address,
    name: &str,
    limit: Duration,
    stubborn: bool,
    mut before_pause: impl FnMut(&ConnectError),
) -> Result<Link, ConnectError> {
    let deadline = Instant::now() + limit;
    let mut backoff = Backoff::new();
    loop {
        let error = match connect(address, name).await {
            Ok(link) => return Ok(link),
            Err(error) => error,
        };
        let pause = backoff.next();
        if !(error.may_pass() || stubborn) || Instant::now() + pause >= deadline {
            return Err(error);
        }
        before_pause(&error);
        tokio::time::sleep(pause).await;
    }
}

impl Link {
    /// Closes the connection with a good-bye, so that the broker's log does not report a lost client.
    pub(crate) async fn close(self) {
        let bye = self.connection.close(200, "done".into());
        // No result depends on this call, because everything was confirmed before.
        let _said = tokio::time::timeout(limits::CLOSE, bye).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_their_bound() {
        let mut backoff = Backoff::new();
        for whole_ms in [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000] {
            let (pause, whole) = (backoff.next(), Duration::from_millis(whole_ms));
            assert!(pause >= whole / 2 && pause <= whole, "{pause:?} of {whole:?}");
        }
    }

    #[test]
    fn many_jobs_do_not_come_back_in_step() {
        // By the fifth attempt of each job, a restarted broker is back.
        let fifth = |_| {
            let mut backoff = Backoff::new();
            (0..4).map(|_| backoff.next()).sum::<Duration>().as_millis()
        };
        let mut moments: Vec<u128> = (0..1000).map(fifth).collect();
        moments.sort_unstable();
        let in_a_tenth = moments
            .windows(100)
            .any(|some| some.last().unwrap() - some.first().unwrap() < 50);
        assert!(!in_a_tenth, "100 of 1000 jobs come within 50 ms: {moments:?}");
    }
}
