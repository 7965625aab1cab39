//! Which RabbitMQ it is. lapin does not tell the server's properties, so the first frame of a handshake is read over
//! a connection of its own, which is then dropped.
//!
//! Why it must be known: `x-delivery-limit = -1` means "none" to RabbitMQ 4, where leaving it out means 20. RabbitMQ
//! 3.10 takes the same argument without a word and drops a message at its first redelivery.

use futures_util::io::{AsyncReadExt as _, AsyncWriteExt as _};
use lapin::protocol::{AMQPClass, connection, parse_class};
use lapin::tcp::{AMQPUriTcpExt as _, OwnedTLSConfig};
use lapin::types::AMQPValue;
use lapin::uri::AMQPUri;

use super::{BusError, limits};

/// AMQP 0-9-1's protocol header.
const HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
/// Type, channel, size of the payload.
const FRAME_HEADER_BYTES: usize = 7;
const METHOD_FRAME: u8 = 1;

/// A server's version, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerVersion {
    /// The first number; `None` when the server does not say it.
    pub(super) major: Option<u32>,
    /// As the server writes it.
    pub(super) text: String,
}

impl ServerVersion {
    pub(super) fn new(text: &str) -> Self {
        let major = text.split('.').next().and_then(|major| major.parse().ok());
        Self {
            major,
            text: text.to_owned(),
        }
    }
}

/// Asks the server.
pub(super) async fn server_version(uri: &AMQPUri) -> Result<ServerVersion, BusError> {
    match tokio::time::timeout(limits::CONNECT_TIMEOUT, first_frame(uri)).await {
        Ok(frame) => read(&frame?),
        Err(_) => Err(BusError::Silent {
            operation: "begin the handshake",
        }),
    }
}

/// The payload of the server's first frame.
async fn first_frame(uri: &AMQPUri) -> Result<Vec<u8>, BusError> {
    let runtime = lapin::runtime::default_runtime().map_err(BusError::refused("connect"))?;
    let tls = OwnedTLSConfig::default();
    let mut stream = uri
        .connect_with_config_async(tls.as_ref(), &runtime)
        .await
        .map_err(BusError::Unreachable)?;
    stream.write_all(HEADER).await.map_err(BusError::Unreachable)?;
    stream.flush().await.map_err(BusError::Unreachable)?;
    let mut header = [0; FRAME_HEADER_BYTES];
    stream
        .read_exact(&mut header)
        .await
        .map_err(BusError::Unreachable)?;
    let [kind, _, _, size @ ..] = header;
    let size = usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX);
    if kind != METHOD_FRAME || size > limits::HANDSHAKE_BYTES {
        return Err(BusError::NotABroker);
    }
    let mut payload = vec![0; size];
    stream
        .read_exact(&mut payload)
        .await
        .map_err(BusError::Unreachable)?;
    Ok(payload)
}

fn read(payload: &[u8]) -> Result<ServerVersion, BusError> {
    match parse_class(payload) {
        Ok((_, AMQPClass::Connection(connection::AMQPMethod::Start(start)))) => {
            let text = match start.server_properties.inner().get("version") {
                Some(AMQPValue::LongString(text)) => text.to_string(),
                _ => String::new(),
            };
            Ok(ServerVersion::new(&text))
        }
        _ => Err(BusError::NotABroker),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_decides() {
        assert_eq!(ServerVersion::new("3.10.8").major, Some(3));
        assert_eq!(ServerVersion::new("4.1.0-rc.1").major, Some(4));
        assert_eq!(ServerVersion::new("").major, None);
    }

    #[test]
    fn what_is_no_handshake_is_no_broker() {
        assert!(matches!(
            read(b"HTTP/1.1 400 Bad Request"),
            Err(BusError::NotABroker)
        ));
        assert!(matches!(read(b""), Err(BusError::NotABroker)));
    }
}
