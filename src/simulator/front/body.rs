//! A request's body, from hyper to the service.
//!
//! hyper sends `100 Continue` when a body is first polled. So nothing polls it before the service
//! reads from its [`BodyReader`]: the first read wakes the [`Feed`], which passes frames through a
//! short channel for as long as the service reads.

use std::future::poll_fn;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Bytes, Incoming};
use tokio::sync::{mpsc, oneshot};

use crate::simulator::faults::RateLimiter;
use crate::simulator::front::rates;

/// Frames under way between the socket and the service.
const FRAMES: usize = 4;
/// The rest of a body up to this size is read and dropped, so that the connection can be kept.
const WORTH_DRAINING: u64 = 64 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// The body as it arrives.
pub(crate) struct RequestBody {
    incoming: Incoming,
    received: Arc<AtomicU64>,
    /// The client waits for `100 Continue`, which has not been sent.
    held_back: bool,
    /// Arrived, but not passed on yet.
    waiting: Bytes,
    limiters: Vec<RateLimiter>,
    ended: bool,
    broken: bool,
    /// How long nothing may come of it.
    idle_time: Duration,
    timed_out: bool,
}

impl RequestBody {
    pub(crate) fn new(
        incoming: Incoming,
        expects_continue: bool,
        received: Arc<AtomicU64>,
        idle_time: Duration,
        limiters: Vec<RateLimiter>,
    ) -> Self {
        Self {
            ended: incoming.is_end_stream(),
            incoming,
            received,
            held_back: expects_continue,
            waiting: Bytes::new(),
            limiters,
            broken: false,
            idle_time,
            timed_out: false,
        }
    }

    /// The next bytes; `None` at the end, or when there will be no more of a body that has not
    /// ended: see [`is_broken`](Self::is_broken) and [`is_timed_out`](Self::is_timed_out).
    async fn next(&mut self) -> Option<Bytes> {
        self.fill().await;
        let piece = rates::piece(&self.limiters, self.waiting.len());
        let bytes = self.waiting.split_to(piece);
        if bytes.is_empty() {
            return None;
        }
        rates::pass(&self.limiters, bytes.len()).await;
        Some(bytes)
    }

    /// Waits for more of the body, unless there is some already.
    async fn fill(&mut self) {
        while self.waiting.is_empty() && !self.ended && !self.broken && !self.timed_out {
            self.held_back = false;
            match tokio::time::timeout(self.idle_time, self.incoming.frame()).await {
                Ok(frame) => self.take(frame),
                Err(_) => self.timed_out = true,
            }
        }
    }

    fn take(&mut self, frame: Option<hyper::Result<hyper::body::Frame<Bytes>>>) {
        match frame {
            None => self.ended = true,
            Some(Err(_)) => self.broken = true,
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    self.ended = self.incoming.is_end_stream();
                    self.waiting = bytes;
                }
            }
        }
    }

    /// Sends `100 Continue` to a client that waits for it, without reading what then comes.
    pub(crate) async fn let_in(&mut self) {
        if !std::mem::take(&mut self.held_back) {
            return;
        }
        let asked = poll_fn(|context| {
            let frame = Pin::new(&mut self.incoming).poll_frame(context);
            Poll::Ready(frame)
        });
        if let Poll::Ready(frame) = asked.await {
            self.take(frame);
        }
        // hyper notes that the body is wanted, and writes when it is polled the next time.
        tokio::task::yield_now().await;
    }

    fn count(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Reads `limit` bytes, or all there are, and drops them.
    pub(crate) async fn skip(&mut self, limit: u64) {
        let mut left = limit;
        while left > 0 {
            let Some(bytes) = self.next().await else {
                return;
            };
            let taken = left.min(bytes.len() as u64);
            self.count(taken);
            left -= taken;
        }
    }

    /// Whether the body is read to its end, so that another request may follow.
    pub(crate) fn is_over(&self) -> bool {
        self.ended && self.waiting.is_empty()
    }

    /// Whether the client closed the connection, or sent something invalid, before the end of the
    /// body.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether the client is there but sends nothing.
    pub(crate) fn is_timed_out(&self) -> bool {
        self.timed_out
    }

    /// Reads the rest of the body, if it is short and the client is sending it.
    pub(crate) async fn drain(&mut self) {
        let left = self.incoming.size_hint().exact();
        if !self.held_back && left.is_none_or(|left| left <= WORTH_DRAINING) {
            // If the client stops sending, the connection ends, but the answer is sent.
            let _ = tokio::time::timeout(DRAIN_TIME, self.skip(WORTH_DRAINING + 1)).await;
        }
    }

    /// A reader for the service, and what feeds it.
    pub(crate) fn hand_over(&mut self) -> (BodyReader, Feed<'_>) {
        let (want, wanted) = oneshot::channel();
        let (sender, frames) = mpsc::channel(FRAMES);
        let reader = BodyReader {
            want: Some(want),
            frames,
            current: Bytes::new(),
            ended: self.is_over(),
        };
        let feed = Feed {
            body: self,
            wanted,
            sender,
        };
        (reader, feed)
    }
}

/// Passes the body on while the service reads it.
pub(crate) struct Feed<'a> {
    body: &'a mut RequestBody,
    wanted: oneshot::Receiver<()>,
    sender: mpsc::Sender<Frame>,
}

enum Frame {
    Bytes(Bytes),
    End,
}

impl Feed<'_> {
    /// Returns when the body has ended, or when the service stops reading. If the client is gone,
    /// the channel closes without [`Frame::End`], and the reader fails.
    pub(crate) async fn run(self) {
        if self.wanted.await.is_err() {
            return;
        }
        loop {
            let frame = match self.body.next().await {
                Some(bytes) => {
                    self.body.count(bytes.len() as u64);
                    Frame::Bytes(bytes)
                }
                None if self.body.is_broken() || self.body.is_timed_out() => return,
                None => Frame::End,
            };
            let last = matches!(frame, Frame::End);
            if self.sender.send(frame).await.is_err() || last {
                return;
            }
        }
    }
}

/// The blocking end: what the service reads from.
pub(crate) struct BodyReader {
    /// Taken by the first read.
    want: Option<oneshot::Sender<()>>,
    frames: mpsc::Receiver<Frame>,
    current: Bytes,
    ended: bool,
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            if let Some(want) = self.want.take() {
                let _ = want.send(());
            }
            match self.frames.blocking_recv() {
                Some(Frame::Bytes(bytes)) => self.current = bytes,
                Some(Frame::End) => self.ended = true,
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        "client is gone",
                    ));
                }
            }
        }
        let taken = self.current.split_to(buffer.len().min(self.current.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}
