//! The sieve as a stream, and the runtime that hands such streams to the library.

use std::fmt;
use std::future;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_rs::TokioRuntime;
use async_rs::traits::Reactor;
use futures_util::Stream;
use futures_util::io::{AsyncRead, AsyncWrite};
use lapin::tcp::AsyncTcpStream;

use crate::sieve::Sieve;

/// The library's own stream, with or without TLS.
type Inner = AsyncTcpStream<<TokioRuntime as Reactor>::TcpStream>;

/// Bytes read from the stream at once: half of RabbitMQ's default frame.
const CHUNK: usize = 64 * 1024;

/// A stream whose input passes the sieve; its output goes straight to the broker.
pub(crate) struct Sifted {
    inner: Inner,
    sieve: Sieve,
    chunk: Box<[u8]>,
}

impl Sifted {
    pub(crate) fn new(inner: Inner, sieve: Sieve) -> Self {
        Self {
            inner,
            sieve,
            chunk: vec![0; CHUNK].into_boxed_slice(),
        }
    }
}

impl AsyncRead for Sifted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        loop {
            let taken = this.sieve.take(buffer);
            if taken > 0 || buffer.is_empty() {
                return Poll::Ready(Ok(taken));
            }
            let read = ready!(Pin::new(&mut this.inner).poll_read(context, &mut this.chunk))?;
            if read == 0 {
                return Poll::Ready(Ok(0));
            }
            this.sieve.put(&this.chunk[..read])?;
        }
    }
}

impl AsyncWrite for Sifted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(context)
    }
}

/// Tokio's reactor with sifted streams in place of its own. The library is generic over the runtime's stream,
/// and the reactor decides which one it gets.
#[derive(Debug, Clone)]
pub(crate) struct SiftedReactor(TokioRuntime);

impl SiftedReactor {
    pub(crate) fn new(tokio: TokioRuntime) -> Self {
        Self(tokio)
    }
}

impl Reactor for SiftedReactor {
    type TcpStream = Sifted;
    type Sleep = <TokioRuntime as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.0.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(time)
    }

    /// Always fails. The library never calls it, because `connect` makes the streams: a sieve needs the bound
    /// in the broker's URI.
    fn tcp_connect_addr(
        &self,
        _: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        future::ready(Err(io::Error::from(io::ErrorKind::Unsupported)))
    }
}

impl fmt::Debug for Sifted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sifted").finish_non_exhaustive()
    }
}
