//! The bytes of a connection: its socket, with TLS or without, and what hyper writes to it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::simulator::front::handle::SURPLUS;

/// A socket, with TLS or without.
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// Shakes hands if this is a service with TLS; `None` if the client does not within this time.
    pub(super) async fn accept(
        stream: TcpStream,
        tls: Option<&TlsAcceptor>,
        time: Duration,
    ) -> Option<Self> {
        let Some(acceptor) = tls else {
            return Some(Self::Plain(stream));
        };
        let accepted = tokio::time::timeout(time, acceptor.accept(stream)).await;
        accepted
            .ok()?
            .ok()
            .map(|stream| Self::Tls(Box::new(stream)))
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Ends our side of the connection: with TLS it says so first.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        poll_fn(|context| Pin::new(&mut *self).poll_shutdown(context)).await
    }

    /// Sends FIN and nothing else, as a server that dies does.
    pub(super) async fn cut(&mut self) -> io::Result<()> {
        let socket = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_mut().0,
        };
        poll_fn(|context| Pin::new(&mut *socket).poll_shutdown(context)).await
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// The socket, and whether all that hyper wrote is sent: hyper flushes when it has nothing left.
pub(super) struct Wire {
    pub(super) stream: Transport,
    pub(super) flushed: Arc<AtomicBool>,
    pub(super) surplus: Arc<AtomicU64>,
    pub(super) idle_time: Duration,
    /// Runs while the client takes nothing of what is to be sent.
    pub(super) untaken: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    /// Sends what belongs to no answer: hyper would not.
    fn poll_surplus(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let left = self.surplus.load(Ordering::Relaxed);
            let piece = usize::try_from(left).unwrap_or(usize::MAX);
            let Some(piece) = SURPLUS.get(..piece.min(SURPLUS.len())) else {
                return Poll::Ready(Ok(()));
            };
            if piece.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let written = Pin::new(&mut self.stream).poll_write(context, piece);
            let sent = ready!(self.watch(context, written))?;
            self.surplus.fetch_sub(sent as u64, Ordering::Relaxed);
        }
    }

    /// Fails if what was to be written has waited too long.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.untaken = None;
            return written;
        }
        let idle_time = self.idle_time;
        let untaken = self
            .untaken
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(idle_time)));
        let is_over = untaken.as_mut().poll(context);
        is_over.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.flushed.store(false, Ordering::Relaxed);
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.flushed.store(false, Ordering::Relaxed);
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match self.poll_surplus(context) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.stream).poll_flush(context),
            unsent => unsent,
        };
        self.flushed.store(flushed.is_ready(), Ordering::Relaxed);
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
