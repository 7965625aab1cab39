//! A connection to the broker that can be cut: a TCP proxy before it, on a port of this machine.
//!
//! ```text
//!   client -- sending ----> broker     swallow: what the client sends is lost
//!   client <-- receiving -- broker     swallow_answers_after: what the broker says is lost
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::broker::address;
use crate::wait::within;

/// Bytes that are forwarded at once.
const CHUNK: usize = 16 * 1024;

/// A wire from this machine to the broker.
pub struct Wire {
    /// The broker's address, by way of the wire.
    pub url: String,
    state: Arc<State>,
}

struct State {
    is_cut: AtomicBool,
    /// While set, the broker gets nothing more of what a client sends.
    swallows: AtomicBool,
    /// While set, no client gets anything more of what the broker says.
    swallows_answers: AtomicBool,
    /// The word of a client that sets `swallows_answers`.
    word: Mutex<Option<Vec<u8>>>,
    /// The first digit of the version that the broker seems to have.
    major: Mutex<Option<u8>>,
    /// Each open connection holds a receiver; each change breaks them all.
    breaks: watch::Sender<u32>,
}

impl Wire {
    /// A wire to the broker of this address.
    pub async fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            is_cut: AtomicBool::new(false),
            swallows: AtomicBool::new(false),
            swallows_answers: AtomicBool::new(false),
            word: Mutex::new(None),
            major: Mutex::new(None),
            breaks: watch::channel(0).0,
        });
        tokio::spawn(accept(listener, address::host_and_port(url), Arc::clone(&state)));
        Self {
            url: address::through(url, port),
            state,
        }
    }

    /// Breaks every connection, as a broker's restart does, and each new one until `mend`.
    pub fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
        self.state.breaks.send_modify(|n| *n += 1);
    }

    /// Waits until nothing comes through any more; the wire has to be cut.
    pub async fn closed(&self) {
        within("a wire without connections", self.state.breaks.closed()).await;
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.state.is_cut.store(false, Ordering::SeqCst);
    }

    /// Breaks every connection once, and swallows nothing that is sent from then on.
    pub fn snap(&self) {
        self.state.swallows.store(false, Ordering::SeqCst);
        self.state.breaks.send_modify(|n| *n += 1);
    }

    /// Loses everything that a client sends from now on, until the connections break.
    pub fn swallow(&self) {
        self.state.swallows.store(true, Ordering::SeqCst);
    }

    /// Loses everything that the broker says, once a client has sent `word`.
    pub fn swallow_answers_after(&self, word: &str) {
        *self.state.word.lock().unwrap() = Some(word.as_bytes().to_vec());
    }

    /// From the next connection on, the broker's version begins with this digit.
    pub fn says_major(&self, digit: u8) {
        *self.state.major.lock().unwrap() = Some(digit);
    }
}

async fn accept(listener: TcpListener, broker: String, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        // Before the look at `is_cut`: a cut that comes between breaks this connection too.
        let broken = state.breaks.subscribe();
        if !state.is_cut.load(Ordering::SeqCst) {
            tokio::spawn(forward(client, broker.clone(), Arc::clone(&state), broken));
        }
    }
}

async fn forward(client: TcpStream, broker: String, state: Arc<State>, mut broken: watch::Receiver<u32>) {
    let Ok(server) = TcpStream::connect(broker).await else {
        return;
    };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        _ = broken.changed() => {}
        () = send(from_client, to_server, &state) => {}
        _ = receive(from_server, to_client, &state) => {}
    }
}

async fn send(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, state: &State) {
    let mut buffer = vec![0; CHUNK];
    let mut swallowed = false;
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let chunk = &buffer[..read];
        let word = state.word.lock().unwrap().clone();
        if word.is_some_and(|word| chunk.windows(word.len()).any(|part| part == word)) {
            state.swallows_answers.store(true, Ordering::SeqCst);
        }
        // Once it has lost data, a connection loses everything: a stream may end early, but it never has a
        // gap.
        swallowed |= state.swallows.load(Ordering::SeqCst);
        if !swallowed && to.write_all(chunk).await.is_err() {
            return;
        }
    }
}

async fn receive(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    state: &State,
) -> std::io::Result<()> {
    let major = *state.major.lock().unwrap();
    if let Some(digit) = major {
        say_another_version(&mut from, &mut to, digit).await?;
    }
    let mut buffer = vec![0; CHUNK];
    while let read @ 1.. = from.read(&mut buffer).await? {
        if !state.swallows_answers.load(Ordering::SeqCst) {
            to.write_all(&buffer[..read]).await?;
        }
    }
    Ok(())
}

/// Forwards the broker's first frame with another version in it.
async fn say_another_version(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    digit: u8,
) -> std::io::Result<()> {
    let mut head = [0; 7];
    from.read_exact(&mut head).await?;
    let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
    let mut payload = vec![0; usize::try_from(size).unwrap() + 1];
    from.read_exact(&mut payload).await?;
    // The field's name, type and length come before the version.
    let name = b"versionS";
    let at = payload.windows(name.len()).position(|part| part == name).unwrap();
    payload[at + name.len() + 4] = digit;
    to.write_all(&head).await?;
    to.write_all(&payload).await
}
