//! A stand-in for Slack: an incoming webhook on its own port that can be away, answers as it is told, and
//! checks each post against Slack's documented shape.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::wait::within;

/// Largest request that is read.
const MOST_BYTES: usize = 256 * 1024;

const PATH: &str = "/services/T000/B000/secret";

/// An answer: its status, and its headers but the length. Status 0 is no answer at all.
pub type Answer = (u16, &'static str);

/// The address of a webhook; nothing listens there until [`listen`](Self::listen).
pub struct Webhook {
    address: SocketAddr,
}

/// A webhook that listens. It answers with 200 unless it is told otherwise.
pub struct Listening {
    address: SocketAddr,
    answers: Answers,
    posts: watch::Receiver<Vec<Post>>,
    task: JoinHandle<()>,
}

/// The answers to come.
type Answers = Arc<Mutex<VecDeque<Answer>>>;

#[derive(Debug, Clone)]
struct Post {
    body: Value,
    /// The status of its answer.
    status: u16,
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
        url(self.address)
    }

    /// Starts to listen.
    pub async fn listen(&self) -> Listening {
        Listening::on(self.address).await
    }
}

impl Listening {
    /// A webhook on a free port.
    pub async fn new() -> Self {
        Self::on(([127, 0, 0, 1], 0).into()).await
    }

    async fn on(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers = Answers::default();
        let (sender, posts) = watch::channel(Vec::new());
        let (sender, to_come) = (Arc::new(sender), Arc::clone(&answers));
        let task = tokio::spawn(async move {
            // The connections end with the webhook.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&to_come), Arc::clone(&sender)));
            }
        });
        Self {
            address,
            answers,
            posts,
            task,
        }
    }

    pub fn url(&self) -> String {
        url(self.address)
    }

    /// Adds answers to those to come.
    pub fn will_answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// Answers with 200 again.
    pub fn recover(&self) {
        self.answers.lock().unwrap().clear();
    }

    /// Waits until this many posts have come, whatever their answers; gives all so far.
    pub async fn posts(&self, count: usize) -> Vec<Value> {
        let mut posts = self.posts.clone();
        let enough = async {
            let all = posts.wait_for(|all| all.len() >= count).await;
            all.map(|all| all.iter().map(|post| post.body.clone()).collect())
        };
        within(&format!("{count} posts"), enough)
            .await
            .expect("the webhook ended")
    }

    /// The number of posts so far, whatever their answers.
    pub fn tries(&self) -> usize {
        self.posts.borrow().len()
    }

    /// The texts of the posts that were answered with 200.
    pub fn taken(&self) -> Vec<String> {
        let posts = self.posts.borrow();
        let taken = posts.iter().filter(|post| post.status == 200);
        taken.map(|post| text(&post.body).to_owned()).collect()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}{PATH}")
}

fn text(body: &Value) -> &str {
    body["text"].as_str().expect("a text")
}

/// Answers every post on a connection.
async fn serve(mut stream: TcpStream, answers: Answers, posts: Arc<watch::Sender<Vec<Post>>>) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let body = next_body(&mut stream, &mut read).await?;
        let length = text(&body).chars().count();
        assert!(
            (1..=4000).contains(&length),
            "Slack asks for 1 to 4,000 characters"
        );
        let (status, headers) = answers.lock().unwrap().pop_front().unwrap_or((200, ""));
        posts.send_modify(|all| all.push(Post { body, status }));
        if status == 0 {
            return None;
        }
        let words = if status == 200 { "ok" } else { "no_service" };
        let length = words.len();
        let answer = format!("HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\n\r\n{words}");
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// Reads one request; gives its body. What was read beyond it stays in `read`.
async fn next_body(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Value> {
    loop {
        if let Some((end, length)) = measured(read)
            && let Some(body) = read.get(end..end + length)
        {
            let body = serde_json::from_slice(body).expect("JSON");
            read.drain(..end + length);
            return Some(body);
        }
        let more = stream.read_buf(read).await.ok()?;
        if more == 0 || read.len() > MOST_BYTES {
            return None;
        }
    }
}

/// Where the body of a request begins, and its length, once the head is complete.
fn measured(request: &[u8]) -> Option<(usize, usize)> {
    let end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&request[..end])
        .expect("a head in UTF-8")
        .to_ascii_lowercase();
    let asked = format!("post {PATH} http/1.1").to_ascii_lowercase();
    assert!(head.starts_with(&asked), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    Some((end, length.expect("a length").trim().parse().expect("a length")))
}
