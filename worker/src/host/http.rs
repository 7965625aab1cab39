//! A GET to a service on the host's own loopback, through the SSH connection. It sees the service as the load
//! balancer's health check would, and no port has to be opened to the bastion.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::error::{Cause, HostError, Stage, TookTooLong};
use super::limits;
use super::master::{Master, Remote, SessionError};
use super::pool::Host;

/// An HTTP answer, cut to what is worth showing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAnswer {
    pub status: u16,
    /// The beginning of the body.
    pub body_start: String,
}

#[derive(Debug, thiserror::Error)]
enum GetError {
    #[error("the port could not be forwarded")]
    Forward(#[source] SessionError),
    #[error("the forwarded port could not be opened")]
    Connect(#[source] std::io::Error),
    #[error("the path cannot be asked for")]
    Request(#[source] hyper::http::Error),
    #[error("the connection ended without an HTTP answer")]
    Http(#[source] hyper::Error),
}

impl Host {
    /// `GET path` on `127.0.0.1:port` of the host. A redirect is an answer, and is not followed.
    ///
    /// Silence counts as the service's only while the host itself answers.
    pub async fn http_get(&self, port: u16, path: &str, limit: Duration) -> Result<HttpAnswer, HostError> {
        const OPERATION: &str = "HTTP check";
        let mut tries = 1;
        loop {
            let link = self.link(OPERATION).await?;
            let error = match timeout(limit, get(&link.master, port, path)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => Arc::new(error) as Cause,
                Err(_) => Arc::new(TookTooLong(limit)) as Cause,
            };
            if !self.dropped_as_dead(&link).await {
                return Err(HostError::NoAnswer {
                    host: self.label(),
                    port,
                    source: error,
                });
            }
            if tries == limits::LINK_TRIES {
                return Err(self.unreachable(OPERATION, Stage::Ssh, None, error));
            }
            tries += 1;
        }
    }
}

async fn get(master: &Master, port: u16, path: &str) -> Result<HttpAnswer, GetError> {
    let request = Request::get(path)
        .header(hyper::header::HOST, format!("127.0.0.1:{port}"))
        .header(hyper::header::USER_AGENT, "drawgate")
        .header(hyper::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(GetError::Request)?;
    let socket = master
        .forward(Remote::Loopback(port))
        .await
        .map_err(GetError::Forward)?;
    let stream = UnixStream::connect(socket).await.map_err(GetError::Connect)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(GetError::Http)?;
    // The request reports how the connection ends.
    let _driver = EndOnDrop(tokio::spawn(async move { drop(connection.await) }));
    let answer = sender.send_request(request).await.map_err(GetError::Http)?;
    let status = answer.status().as_u16();
    Ok(HttpAnswer {
        status,
        body_start: body_start(answer.into_body()).await,
    })
}

/// The first bytes of a body; a body that breaks off counts as ended.
async fn body_start(mut body: Incoming) -> String {
    let mut start = Vec::new();
    while start.len() < limits::HTTP_BODY_BYTES {
        let Some(Ok(frame)) = body.frame().await else {
            break;
        };
        if let Ok(data) = frame.into_data() {
            start.extend_from_slice(&data);
        }
    }
    start.truncate(limits::HTTP_BODY_BYTES);
    String::from_utf8_lossy(&start).into_owned()
}

/// Ends a connection's task when dropped, so that a body that never ends does not keep the connection.
struct EndOnDrop(JoinHandle<()>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
