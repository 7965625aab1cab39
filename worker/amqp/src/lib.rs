//! Connections to RabbitMQ that no message can break.
//!
//! The AMQP library reads a message's properties with a parser that recurses once for each level of a nested
//! header and takes short strings as UTF-8. RabbitMQ checks neither: a sender's few kilobytes end the process
//! (the stack overflows) or the connection (a parse error), and the broker delivers the message again to the
//! next consumer. So everything that the broker sends passes a sieve before the library reads it:
//!
//! ```text
//! broker -> TCP, TLS -> sieve -> lapin -> consumer
//!                         |
//!                         +-- a frame that the library cannot read: its content stays as it is, its
//!                             properties give way to one header that says why; the consumer sees
//!                             `unreadable` and refuses the message, and the broker, which has kept every
//!                             byte, puts it into the queue of dead letters
//! ```
//!
//! Why a sieve, and what else was tried: runbooks/decisions/0026-what-the-library-cannot-read.md.

mod death;
mod sieve;
mod stream;
mod table;

use std::sync::{Arc, OnceLock};

use async_rs::Runtime;
use async_rs::util::RuntimeParts;
use lapin::tcp::{AMQPUriTcpExt as _, AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Connection, ConnectionProperties};

pub use death::{DEATHS, Death, text};
pub use sieve::Unreadable;
use sieve::{MARK, Sieve};
use stream::{Sifted, SiftedReactor};

/// A connection, with its server's version.
#[derive(Debug)]
pub struct Connected {
    /// The library's connection.
    pub connection: Connection,
    /// The version as the server writes it; empty where the server does not name one.
    pub server_version: String,
}

/// Connects to the broker, with the sieve before the library.
///
/// # Errors
/// As the library's own `Connection::connect_uri_with_config`.
pub async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
    tls: OwnedTLSConfig,
) -> lapin::Result<Connected> {
    let tokio = lapin::runtime::default_runtime()?;
    let runtime = Runtime::new(RuntimeParts::new(
        tokio.clone(),
        SiftedReactor::new(tokio.clone()),
    ));
    let version = Arc::new(OnceLock::new());
    let told = Arc::clone(&version);
    let connection = Connection::connector(
        uri,
        runtime,
        async move |uri, _| {
            let stream = uri.connect_with_config_async(tls.as_ref(), &tokio).await?;
            let sieve = Sieve::new(uri.query.frame_max, Arc::clone(&told));
            Ok(AsyncTcpStream::Plain(Sifted::new(stream, sieve)))
        },
        properties,
    )
    .await?;
    let server_version = version.get().cloned().unwrap_or_default();
    Ok(Connected {
        connection,
        server_version,
    })
}

/// Why the library could not read this message; `None` for a message that it could.
///
/// A sender may write the sieve's header itself: the worker refuses such a message too, so the sender harms
/// nobody else.
pub fn unreadable(properties: &BasicProperties) -> Option<Unreadable> {
    let mark = properties.headers().as_ref()?.inner().get(MARK)?;
    Some(Unreadable::of(mark))
}
