//! The bytes of a version, or of a range of it, over as many connections as necessary. They are
//! counted, but not verified here.
//!
//! If a connection breaks, the rest is requested by the version's id from the byte that was
//! reached. The answer must be about the same version with the same length; anything else is an
//! error, because bytes of two versions must never be mixed. Connections that bring less than 64
//! KiB count against the attempts of the retry policy; others do not, so a long download over a bad
//! line can finish.
//!
//! | what breaks the connection | what follows |
//! | --- | --- |
//! | it was left waiting ([`ByteStream::rest`]), and breaks before it brings another byte | the rest is requested at once; that does not count as an attempt |
//! | it is reset or stalls | the rest is requested over another one, after a pause if the last one brought nothing either |
//! | the body ends early although the connection is intact | an error: somebody changes bodies on the way |
//! | the body has more bytes than announced | an error when the end is reached |
//! | the answer is about another version | an error: a proxy mixes up answers |
//! | the token expires | it is replaced, and the rest is requested |
//! | the version is deleted | `FileNotFound` |
//!
//! Each connection is one request of class B, and the service bills the bytes that it sent, whether
//! they arrived or not. A stream that is dropped before its end closes its connection; one that was
//! read to its end and drained leaves it for the next request. Nothing is requested before the first
//! read, unless a response is open already.
//!
//! Everything that downloads reads through this: a reader alone, the ranges of a large download side
//! by side, the blocks of an open file, and stored pieces of a composition.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use crate::control::Control;
use crate::control::progress::ProgressCounter;
use crate::error::{Error, Result};
use crate::http::body::ResponseBody;
use crate::http::length_mismatch;
use crate::model::id::FileId;
use crate::model::operation::Operation;
use crate::model::range::ByteRange;
use crate::raw::DownloadRequest;
use crate::session::Session;

/// The number of bytes that a connection must bring to count as progress.
const PROGRESS: u64 = 64 * 1024;

/// The version that all responses of a download must belong to.
#[derive(Debug, Clone)]
pub(super) struct PinnedVersion {
    /// The request for it, by the version's id, with the customer's key if it needs one.
    pub(super) request: DownloadRequest,
    /// The id that the headers of every response must name.
    pub(super) file_id: FileId,
    /// The length of the whole file, in bytes.
    pub(super) length: u64,
}

/// A range of a version that is being read.
///
/// It belongs to one thread. Its position only moves forward, and every byte is returned once,
/// whatever the number of connections.
#[derive(Debug)]
pub(super) struct ByteStream {
    /// Repeats requests that fail, and replaces an expired token.
    session: Arc<Session>,
    /// What cancels the stream: reads of the open response, pauses and requests.
    control: Control,
    /// The version that every response must belong to.
    content: PinnedVersion,
    /// The bytes of the file to read.
    range: Range<u64>,
    /// The byte of the file that comes next.
    position: u64,
    /// The response that is being read; `None` before the first request and after a broken
    /// connection.
    body: Option<ResponseBody>,
    /// The byte at which the response that is being read ends. What it has after the range is left
    /// unread.
    body_end: u64,
    /// Whether a response turned out to have more bytes than were announced.
    is_longer: bool,
    /// The number of connections in a row that brought less than [`PROGRESS`].
    barren: u32,
    /// Whether the present connection was left waiting and has brought nothing since.
    has_rested: bool,
    /// The byte at which the present connection began.
    connected_at: u64,
    /// Counts the bytes that arrive, and the repeated requests.
    counter: Arc<ProgressCounter>,
}

impl ByteStream {
    /// Creates a stream of a range. `body` is a response that begins there, if one is already open.
    pub(super) fn new(
        session: &Arc<Session>,
        (control, counter): (Control, &Arc<ProgressCounter>),
        content: PinnedVersion,
        range: Range<u64>,
        body: Option<ResponseBody>,
    ) -> Self {
        let (position, connected_at, body_end) = (range.start, range.start, range.end);
        Self {
            session: Arc::clone(session),
            control,
            content,
            range,
            position,
            body,
            body_end,
            is_longer: false,
            barren: 0,
            has_rested: false,
            connected_at,
            counter: Arc::clone(counter),
        }
    }

    /// Ends the stream at this byte. A connection that has to be replaced then requests no more than
    /// that. What follows in the open response is left unread, unless
    /// [`continue_to`](Self::continue_to) moves the end.
    pub(super) fn cut_at(mut self, end: u64) -> Self {
        self.range.end = end;
        if self.body.is_none() {
            self.body_end = end;
        }
        self
    }

    /// Whether the open response has bytes after the range. It has none once a connection was
    /// replaced, because the new one was asked for the range alone.
    pub(super) const fn has_more(&self) -> bool {
        self.body.is_some() && self.body_end > self.range.end
    }

    /// Moves the end of the stream to this byte, which the open response contains.
    pub(super) const fn continue_to(&mut self, end: u64) {
        self.range.end = end;
    }

    /// The session that requests the rest.
    pub(super) const fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// What cancels and watches the download.
    pub(super) const fn control(&self) -> &Control {
        &self.control
    }

    /// The version that is read.
    pub(super) const fn content(&self) -> &PinnedVersion {
        &self.content
    }

    /// The bytes of the file that this stream returns.
    pub(super) const fn range(&self) -> &Range<u64> {
        &self.range
    }

    /// What counts the bytes of this stream, and of all others of the same download.
    pub(super) const fn counter(&self) -> &Arc<ProgressCounter> {
        &self.counter
    }

    /// Returns the open response, for a stream of its own: the first range of a large download. What is
    /// left here requests its bytes again when it is read.
    pub(super) const fn take_body(&mut self) -> Option<ResponseBody> {
        self.body.take()
    }

    /// The byte of the file that comes next.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Whether a response is being read.
    pub(super) const fn is_open(&self) -> bool {
        self.body.is_some()
    }

    /// Leaves out the bytes before this position, which were received in another way. A response
    /// that is open is given up.
    pub(super) fn skip_to(&mut self, position: u64) {
        self.position = position;
        self.connected_at = position;
        self.body = None;
        self.body_end = self.range.end;
    }

    /// Notes that the next read may come much later. A connection that is silent for long is closed
    /// by the service, so if the open one breaks before it brings another byte, it is replaced without
    /// counting that as an attempt.
    pub(super) const fn rest(&mut self) {
        self.has_rested = self.body.is_some();
    }

    /// Whether all bytes of the range were read.
    pub(super) const fn is_at_end(&self) -> bool {
        self.position >= self.range.end
    }

    /// Reads the next bytes; returns 0 at the end. Fails with `Truncated` if too many connections
    /// in a row break.
    ///
    /// Each connection that replaces a broken one is a request in class B. The bytes of the broken
    /// one that had not arrived are billed as the service counts them.
    ///
    /// A body that ends early without an error is not continued: the length was announced and the
    /// connection is intact, so something in between has changed the body, and would do it again.
    pub(super) fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.position < self.range.end {
            let left = usize::try_from(self.range.end - self.position).unwrap_or(usize::MAX);
            let room = left.min(buffer.len());
            let Some(room) = buffer.get_mut(..room).filter(|room| !room.is_empty()) else {
                return Ok(0);
            };
            let body = match &mut self.body {
                Some(body) => body,
                None => {
                    let body = self.connect()?;
                    self.body.insert(body)
                }
            };
            match body.read(room) {
                // A broken connection is an error. An early end means that somebody changed the
                // body.
                Ok(0) => return Err(length_mismatch(body.operation())),
                Ok(read) => {
                    self.has_rested = false;
                    self.position += read as u64;
                    self.counter.arrived(read as u64);
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.broke_off(error)?,
            }
        }
        Ok(0)
    }

    /// Reads until the buffer is full, the range ends, or `is_enough` says so after some bytes. Returns
    /// the number of bytes that arrived, also if it fails after them; 0 means that the range has ended.
    pub(super) fn fill_some(
        &mut self,
        buffer: &mut [u8],
        is_enough: impl Fn() -> bool,
    ) -> (usize, Result<()>) {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.next(room) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) => return (filled, Err(error)),
            }
            if is_enough() {
                break;
            }
        }
        (filled, Ok(()))
    }

    /// Fills a buffer with all bytes that are left.
    pub(super) fn fill(mut self, buffer: &mut [u8]) -> Result<()> {
        self.fill_next(buffer)?;
        self.drain()
    }

    /// Fills a buffer with the next bytes, of which there must be enough. After an error the buffer has
    /// the bytes that arrived before it; the caller is not told their number.
    pub(super) fn fill_next(&mut self, mut buffer: &mut [u8]) -> Result<()> {
        while !buffer.is_empty() {
            let read = self.next(buffer)?;
            if read == 0 {
                return Err(length_mismatch(Operation::DownloadFileById));
            }
            buffer = buffer.get_mut(read..).unwrap_or_default();
        }
        Ok(())
    }

    /// Reads the end of a response after its last byte, without which its connection could not be
    /// used again. Fails if the response has more bytes than were announced.
    pub(super) fn drain(&mut self) -> Result<()> {
        let is_read = !self.has_more();
        if let Some(mut body) = self.body.take().filter(|_| is_read) {
            // Other failures do not matter now, because all bytes have arrived.
            self.is_longer = matches!(body.read(&mut [0]), Ok(1..));
        }
        if self.is_longer {
            return Err(length_mismatch(Operation::DownloadFileById));
        }
        Ok(())
    }

    /// Gives up a broken connection. The next read requests the rest. Waits before that if several
    /// connections in a row brought next to nothing.
    ///
    /// Fails with `Truncated` once as many connections in a row as the policy has attempts brought less
    /// than 64 KiB each. Under a policy of one attempt, only a connection that was left waiting is
    /// replaced.
    fn broke_off(&mut self, cause: io::Error) -> Result<()> {
        let (expected, actual) = (
            self.range.end - self.range.start,
            self.position - self.range.start,
        );
        let cause = match Error::from_io(cause) {
            Ok(Error::Cancelled) => return Err(Error::Cancelled),
            Ok(Error::Connection(cause)) => Some(cause),
            _ => None,
        };
        if std::mem::take(&mut self.has_rested) {
            tracing::debug!(
                position = self.position,
                "the connection was closed while it waited; continuing over another one"
            );
            self.replace_connection();
            return Ok(());
        }
        let policy = self.session.retry_policy();
        let progressed = self.position - self.connected_at >= PROGRESS && policy.max_attempts > 1;
        self.barren = if progressed { 0 } else { self.barren + 1 };
        if self.barren >= policy.max_attempts {
            return Err(Error::Truncated {
                expected,
                actual,
                source: cause,
            });
        }
        tracing::warn!(
            position = self.position,
            barren = self.barren,
            "the download broke off; continuing it"
        );
        if self.barren > 1 {
            self.control
                .sleep(self.session.clock(), policy.delay(self.barren - 2))?;
        }
        self.replace_connection();
        Ok(())
    }

    /// Drops the broken response, so that the next read requests the rest.
    fn replace_connection(&mut self) {
        self.counter.retried(1);
        self.body = None;
        self.body_end = self.range.end;
        self.connected_at = self.position;
    }

    /// Requests the rest of the range by the version's id, and checks that the answer is about that
    /// version. A proxy may have kept another answer.
    ///
    /// The request has the attempts of any call of its own, so a service that is busy for a moment does
    /// not count against the connections of the stream.
    fn connect(&self) -> Result<ResponseBody> {
        let operation = Operation::DownloadFileById;
        let (content, mut again) = (&self.content, false);
        let range = ByteRange::from(self.position..self.range.end);
        let response = self.session.call(operation, &self.control, |raw| {
            self.counter.attempt(&mut again);
            raw.download(&content.request, Some(range))
        })?;
        let found = &response.version;
        if found.file_id != content.file_id || found.content_length != content.length {
            return Err(Error::UnexpectedReply {
                operation,
                source: format!(
                    "it is of version {} with {} bytes, not of {} with {}",
                    found.file_id, found.content_length, content.file_id, content.length
                )
                .into(),
            });
        }
        Ok(response.body)
    }
}
