//! Connecting, and trying again within bounds. The library's own recovery stays off: after a loss we must ask what
//! was missed, and so must know that there was one.

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

/// An open connection, and where it leads.
pub(crate) struct Link {
    /// The connection.
    pub(crate) connection: Connection,
    /// Where it leads.
    pub(crate) address: Address,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The name means no machine.
    #[error("cannot find the broker {address}")]
    NoSuchHost {
        /// Where.
        address: Address,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nobody answers there.
    #[error("cannot reach the broker at {address}")]
    Unreachable {
        /// Where.
        address: Address,
        /// Why.
        #[source]
        source: lapin::Error,
    },
    /// Something is there, or swallows what is sent there, and says nothing.
    #[error("the broker at {address} did not answer within {} s", limits::CONNECT_TRY.as_secs())]
    Silent {
        /// Where.
        address: Address,
    },
    /// The TLS handshake failed.
    #[error("no TLS connection to the broker at {address}")]
    Tls {
        /// Where.
        address: Address,
        /// Why.
        #[source]
        source: lapin::Error,
    },
    /// User name or password.
    #[error("the broker at {address} refused the credentials of user {:?}", address.user())]
    Credentials {
        /// Where.
        address: Address,
        /// The broker's words.
        #[source]
        source: lapin::Error,
    },
    /// The virtual host.
    #[error("the broker at {address} has no virtual host {:?} for user {:?}", address.vhost(), address.user())]
    Vhost {
        /// Where.
        address: Address,
        /// The broker's words.
        #[source]
        source: lapin::Error,
    },
    /// The connection broke while it was being made.
    #[error("the broker at {address} ended the connection while it was being made")]
    Broken {
        /// Where.
        address: Address,
        /// Why.
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
    /// Whether another attempt may end otherwise, without anybody changing a setting.
    fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::NoSuchHost { .. } | Self::Unreachable { .. } | Self::Silent { .. } | Self::Broken { .. }
        )
    }
}

/// One attempt.
async fn connect(address: &Address, name: &str) -> Result<Link, ConnectError> {
    let properties = ConnectionProperties::default()
        .with_connection_name(name.into())
        .with_client_property("product".into(), "drawgate".into())
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());
    let tls = OwnedTLSConfig {
        identity: None,
        cert_chain: address.ca_pem(),
    };
    // Looked up first, because the library's error would not say that it is the name.
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

/// Before anything was said: no route, no listener.
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

/// Pauses between attempts: each twice the one before, up to a bound, and of each a random part of its second half. A thousand
/// jobs that lost a broker at the same moment would come back in step otherwise.
#[derive(Debug)]
pub(crate) struct Backoff(ExponentialBackoff);

impl Backoff {
    /// From the shortest pause.
    pub(crate) fn new() -> Self {
        // The library adds up to as much again to each pause: half of the bounds here keeps them.
        let pauses = ExponentialBuilder::new()
            .with_min_delay(limits::BACKOFF_FIRST / 2)
            .with_max_delay(limits::BACKOFF_LONGEST / 2)
            .without_max_times()
            .with_jitter();
        Self(pauses.build())
    }

    /// The next pause.
    pub(crate) fn next(&mut self) -> Duration {
        self.0.next().unwrap_or(limits::BACKOFF_LONGEST)
    }
}

/// Attempts until `limit` has passed. What no waiting mends (credentials, virtual host, TLS) ends it at once, unless
/// `stubborn`: a broker that is just starting refuses with the same words.
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
    /// Says good-bye, so that the broker's log does not report a lost client.
    pub(crate) async fn close(self) {
        let bye = self.connection.close(200, "done".into());
        // Nothing depends on it: everything was confirmed before.
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
        // Each job's fifth attempt: by then a broker that was restarted is back.
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
