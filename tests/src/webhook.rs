//! A chat that can be away: an incoming webhook on its own port.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::wait::within;

/// Largest request that is read.
const MOST_BYTES: usize = 256 * 1024;

/// The address of a webhook; nothing listens there until [`listen`](Self::listen).
pub struct Webhook {
    address: std::net::SocketAddr,
}

/// A webhook that listens.
pub struct Listening {
    posts: watch::Receiver<Vec<Value>>,
    task: tokio::task::JoinHandle<()>,
}

impl Webhook {
    /// Reserves a free port without listening on it: connections are refused.
    pub async fn away() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/services/T0/B0/secret", self.address)
    }

    /// Starts to listen.
    pub async fn listen(&self) -> Listening {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let (sender, posts) = watch::channel(Vec::new());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Some(post) = answer(stream).await {
                    sender.send_modify(|all| all.push(post));
                }
            }
        });
        Listening { posts, task }
    }
}

impl Listening {
    /// Waits until this many posts have come; gives all so far.
    pub async fn posts(&self, count: usize) -> Vec<Value> {
        let mut posts = self.posts.clone();
        let enough = async {
            posts
                .wait_for(|all| all.len() >= count)
                .await
                .map(|all| all.clone())
        };
        within(&format!("{count} posts"), enough)
            .await
            .expect("the webhook ended")
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one request and answers as Slack does; gives its body.
async fn answer(mut stream: TcpStream) -> Option<Value> {
    let mut request = Vec::new();
    loop {
        let read = stream.read_buf(&mut request).await.ok()?;
        if let Some(body) = body_of(&request) {
            let said = serde_json::from_slice(body).ok();
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
            stream.write_all(answer.as_bytes()).await.ok()?;
            return said;
        }
        if read == 0 || request.len() > MOST_BYTES {
            return None;
        }
    }
}

/// The body of a request, once it is complete.
fn body_of(request: &[u8]) -> Option<&[u8]> {
    let end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(request.get(..end)?)
        .ok()?
        .to_ascii_lowercase();
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))?
        .trim()
        .parse()
        .ok()?;
    request.get(end..end + length)
}
