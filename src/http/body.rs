//! Readers between files and sockets: one that yields exactly the promised bytes of a request, one
//! that appends the SHA-1 of what it read, and one that turns what breaks a response into the
//! crate's errors.
//!
//! | where bytes stop | what the reader of the other side sees |
//! | --- | --- |
//! | the source of a request's body ends early | the request breaks off, and the call fails: the service stores nothing |
//! | the source fails | as above, with the source's error |
//! | the source has more than promised | the rest is not read |
//! | the call is cancelled | `Cancelled` at the next piece, at most 256 KiB later |
//! | a response's body ends early | a failure of the connection, never a short success |
//! | a response's body drips, and is not the content of a file | a failure of the connection after ten times the idle limit |
//! | a response's body is silent for longer than the idle limit | a failure of the connection |
//!
//! The three readers and who uses them:
//!
//! - `ExactReader` is the body of every request that has one. It is between the source and `ureq`.
//! - `Sha1AtEnd` is put around the source of an upload whose SHA-1 is not known in advance.
//! - `ResponseBody` is the body of every answer, of refusals as well.
//!
//! None of them holds more than the caller's buffer, and none takes a lock while it waits for the
//! network. A pause of the bandwidth limit is taken inside `read`, in small pieces, and ends at
//! once when the call is cancelled. `ExactReader` takes the pause of a piece before it reads the next
//! one, because the head of a request is sent with the first piece.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use crate::control::Control;
use crate::control::clock::Clock;
use crate::control::rate_limit::{Bandwidth, RateLimiter};
use crate::error::{Error, Sent};
use crate::http::error;
use crate::model::operation::Operation;
use crate::model::sha1::{Sha1Digest, Sha1Hasher};

/// The most memory that is reserved because an answer announces a length, in bytes.
const MOST_RESERVED: u64 = 64 * 1024;
/// The room behind an answer in which its end is looked for. With less, the standard library reads the
/// end of an answer by itself.
const PROBE: usize = 64;

/// Where the bytes of a request's body come from.
pub(super) enum Source<'a> {
    /// Memory, sent as fast as the connection takes it.
    Bytes(&'a [u8]),
    /// The content of a file, sent at the rate of this limiter.
    Reader(&'a mut dyn Read, &'a RateLimiter),
}

/// A request's body: exactly `length` bytes, or an error.
///
/// A source that ends early must not look like the end of the body, because `ureq` would then wait
/// for the remaining bytes in a loop that never ends. The reader checks at each read whether the
/// call is cancelled, and keeps to the bandwidth limit.
pub(super) struct ExactReader<'a> {
    /// Where the bytes come from.
    source: Source<'a>,
    /// How many bytes there are to be.
    length: u64,
    /// How many bytes are still to come.
    left: u64,
    /// Checked before each piece, so that a cancelled upload stops between two pieces.
    control: &'a Control,
    /// Tells when the first byte was asked for, and paces the bandwidth limit.
    clock: &'a Clock,
    /// When the first byte was asked for. With `Expect: 100-continue`, that is when the wait for
    /// leave ended.
    first_read: Option<Duration>,
    /// The bytes whose time at the bandwidth limit is still to be waited for. They are waited for once
    /// they were sent: before the next ones are read, or at the end.
    owed: usize,
}

impl<'a> ExactReader<'a> {
    /// Creates a body of exactly `length` bytes. Nothing is read from the source yet.
    pub(super) fn new(
        source: Source<'a>,
        length: u64,
        control: &'a Control,
        clock: &'a Clock,
    ) -> Self {
        Self {
            source,
            length,
            left: length,
            control,
            clock,
            first_read: None,
            owed: 0,
        }
    }

    /// Waits for the time that the last bytes take at the bandwidth limit. A call that is cancelled does not
    /// wait; its request is over.
    pub(super) fn settle(&mut self) {
        let _cancelled = self.pay();
    }

    /// Waits for the time of the bytes that were read last. Fails with `Cancelled`.
    fn pay(&mut self) -> Result<(), Error> {
        match (std::mem::take(&mut self.owed), &self.source) {
            (owed @ 1.., Source::Reader(_, limiter)) => {
                limiter.moved(owed, self.clock, self.control)
            }
            _ => Ok(()),
        }
    }

    /// The number of bytes that were promised.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// How much of the body was handed to `ureq`. Less may have reached the service.
    ///
    /// An empty body counts as sent in full from the beginning, so a request with one is never
    /// taken for a request that had no effect.
    pub(super) fn sent(&self) -> Sent {
        match self.left {
            0 => Sent::All,
            left if left == self.length => Sent::Nothing,
            _ => Sent::Partial,
        }
    }

    /// When the body was first asked for, by the clock's `elapsed`.
    pub(super) fn first_read(&self) -> Option<Duration> {
        self.first_read
    }
}

/// Fails with `Cancelled` when the call is cancelled, with `UnexpectedEof` when the source ends
/// early, and with the source's own error. All three reach the caller through `ureq`.
impl Read for ExactReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.control.check()?;
        self.pay()?;
        self.first_read.get_or_insert_with(|| self.clock.elapsed());
        let room = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let room = match &self.source {
            Source::Bytes(_) => room,
            Source::Reader(_, limiter) => limiter.piece(room),
        };
        let Some(buffer) = buffer.get_mut(..room).filter(|room| !room.is_empty()) else {
            return Ok(0);
        };
        let read = match &mut self.source {
            Source::Bytes(bytes) => bytes.read(buffer)?,
            Source::Reader(reader, _) => read_uninterrupted(reader, buffer)?,
        };
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the source of the body ended early",
            ));
        }
        self.left -= read as u64;
        self.owed = read;
        Ok(read)
    }
}

/// Reads again after `Interrupted`, which says no more than that a signal arrived.
fn read_uninterrupted(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Content followed by its SHA-1 in 40 hexadecimal digits. An upload announces this with
/// `hex_digits_at_end` and so need not read its source twice (docs/protocol.md, section 5).
pub(crate) struct Sha1AtEnd<'a> {
    /// What is uploaded.
    content: &'a mut dyn Read,
    /// How many bytes of content are still to be read.
    left: u64,
    /// The SHA-1 of what was read so far.
    hasher: Sha1Hasher,
    /// The SHA-1 of all of it, once it was read.
    digest: Option<Sha1Digest>,
    /// The checksum in hexadecimal digits, as far as it is still to be read.
    trailer: io::Cursor<Vec<u8>>,
}

impl<'a> Sha1AtEnd<'a> {
    /// The length of the checksum in bytes.
    pub(crate) const TRAILER: u64 = 40;

    /// Wraps content of exactly `length` bytes. The whole reader yields [`TRAILER`](Self::TRAILER)
    /// bytes more than that, which the request's `Content-Length` must include.
    pub(crate) fn new(content: &'a mut dyn Read, length: u64) -> Self {
        Self {
            content,
            left: length,
            hasher: Sha1Hasher::default(),
            digest: None,
            trailer: io::Cursor::default(),
        }
    }

    /// The SHA-1 of the content, once all of it was read.
    pub(crate) fn digest(&self) -> Option<Sha1Digest> {
        self.digest
    }
}

impl Sha1AtEnd<'_> {
    /// Reads and hashes content, at most what is left of it.
    ///
    /// Returns 0 if the content ends early, or if the buffer has no room.
    fn read_content(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(buffer) = buffer.get_mut(..room) else {
            return Ok(0);
        };
        let read = read_uninterrupted(self.content, buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        self.left -= read as u64;
        Ok(read)
    }
}

/// A source that ends early makes this reader end early too, without a checksum. The `ExactReader`
/// around it then makes the request fail, so the service never sees a checksum of half a file.
impl Read for Sha1AtEnd<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        if self.left > 0 {
            read = self.read_content(buffer)?;
            if self.left > 0 || read == 0 {
                return Ok(read);
            }
        }
        // Behind the last of the content if there is room, so that a small file is sent in one piece.
        let room = buffer.get_mut(read..).unwrap_or_default();
        if self.digest.is_none() {
            let digest = std::mem::take(&mut self.hasher).finish();
            self.digest = Some(digest);
            self.trailer = io::Cursor::new(digest.to_string().into_bytes());
        }
        Ok(read + self.trailer.read(room)?)
    }
}

/// The body of a response. What breaks it becomes one of the crate's errors inside an `io::Error`,
/// so that it survives being read through `std::io`. Reading stops when the call is cancelled.
///
/// A body that is read to its end returns its connection to the pool. A body that is dropped
/// earlier closes it.
pub(crate) struct ResponseBody {
    /// The request that this is the answer to, for errors.
    operation: Operation,
    /// The bytes as they arrive.
    reader: Box<dyn Read + Send + Sync>,
    /// Checked at every read. Cancelling also breaks the connection, so a blocked read ends at
    /// once.
    control: Control,
    /// By which `ends` is measured.
    clock: Clock,
    /// The limit, if the body is the content of a file.
    bandwidth: Option<Arc<Bandwidth>>,
    /// When reading stops, by the clock's `elapsed`, unless the body is the content of a file.
    ends: Option<Duration>,
    /// The number of bytes that the head of the answer announces, if it does.
    announced: Option<u64>,
}

impl ResponseBody {
    /// A body that is read within `limit`, if there is one.
    pub(super) fn new(
        operation: Operation,
        body: ureq::Body,
        control: Control,
        clock: &Clock,
        bandwidth: &Arc<Bandwidth>,
        limit: Option<Duration>,
    ) -> Self {
        let announced = body.content_length();
        let reader = Box::new(body.into_with_config().limit(u64::MAX).reader());
        let is_content = matches!(
            operation,
            Operation::DownloadFileById | Operation::DownloadFileByName
        );
        Self {
            operation,
            reader,
            control,
            clock: clock.clone(),
            bandwidth: is_content.then(|| Arc::clone(bandwidth)),
            ends: limit.map(|limit| clock.elapsed().saturating_add(limit)),
            announced,
        }
    }

    /// Fails if the time limit is over: a body that drips is given up as one that stalls.
    ///
    /// The idle limit alone would not help: a server that sends one byte a minute never exceeds it.
    fn check_time(&self) -> Result<(), Error> {
        match self.ends {
            Some(ends) if self.clock.elapsed() >= ends => {
                let drips = ureq::Error::Timeout(ureq::Timeout::RecvBody);
                Err(error::from_body(self.operation, io::Error::other(drips)))
            }
            _ => Ok(()),
        }
    }

    /// The request that this is the answer to.
    ///
    /// It is part of every error that reading can cause.
    pub(crate) fn operation(&self) -> Operation {
        self.operation
    }

    /// Returns what a failed read of the body means.
    ///
    /// A failure that one of this crate's readers raised becomes itself again.
    pub(crate) fn failure(&self, error: io::Error) -> Error {
        error::from_body(self.operation, error)
    }

    /// Reads the whole body. Fails if it is longer than `limit` bytes, which protects the memory of
    /// the process.
    ///
    /// The caller gets nothing of a body that is too long or breaks off. Returning the connection
    /// to the pool is left to `ureq`, which does so at the end of the body.
    pub(crate) fn read_all(&mut self, limit: u64) -> Result<Vec<u8>, Error> {
        let expected = self.announced.unwrap_or(0).min(MOST_RESERVED);
        let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0) + PROBE);
        let read = self.take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| self.failure(error))?;
        if bytes.len() as u64 > limit {
            let source = format!("it has more than {limit} bytes").into();
            return Err(Error::UnexpectedReply {
                operation: self.operation,
                source,
            });
        }
        Ok(bytes)
    }
}

impl ResponseBody {
    /// Reads up to `limit` bytes of the body, or as many as come before it breaks off. That is
    /// enough for the reason of a refusal.
    ///
    /// A body that is longer is not read to its end, so its connection is closed.
    pub(super) fn read_what_comes(&mut self, limit: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _broken_off = self.take(limit).read_to_end(&mut bytes);
        bytes
    }
}

/// Each call reads at most what the bandwidth limit lets through in one piece, and then waits for
/// as long as that piece costs.
impl Read for ResponseBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.control.check()?;
        self.check_time()?;
        let limiter = self.bandwidth.as_ref().map(|bandwidth| &bandwidth.down);
        let room = limiter.map_or(buffer.len(), |limiter| limiter.piece(buffer.len()));
        let outcome = self.reader.read(buffer.get_mut(..room).unwrap_or_default());
        let read = outcome.map_err(|error| {
            if self.control.is_cancelled() {
                Error::Cancelled
            } else {
                error::from_body(self.operation, error)
            }
        })?;
        if let Some(limiter) = limiter {
            limiter.moved(read, &self.clock, &self.control)?;
        }
        Ok(read)
    }
}

/// Shows the endpoint and nothing of the content.
impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::{ExactReader, Sha1AtEnd, Source};
    use crate::control::Control;
    use crate::control::clock::Clock;
    use crate::control::rate_limit::RateLimiter;
    use crate::error::Sent;

    /// Yields its pieces one at a time, with an interruption before each.
    struct Pieces(Vec<&'static [u8]>, bool);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0);
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn content_is_followed_by_its_sha1() {
        let mut pieces = Pieces(vec![b"hel", b"lo"], false);
        let mut reader = Sha1AtEnd::new(&mut pieces, 5);
        let mut sent = String::new();
        reader.read_to_string(&mut sent).unwrap();
        assert_eq!(sent, "helloaaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d");
        assert_eq!(reader.digest().unwrap().to_string(), sent[5..]);
    }

    #[test]
    fn a_small_content_and_its_sha1_come_in_one_piece() {
        let mut content: &[u8] = b"hello";
        let mut buffer = [0; 100];
        assert_eq!(
            Sha1AtEnd::new(&mut content, 5).read(&mut buffer).unwrap(),
            45
        );
        assert_eq!(&buffer[5..45], b"aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d");
    }

    #[test]
    fn a_source_that_ends_early_is_an_error_not_an_end() {
        let (control, clock, limiter) =
            (Control::default(), Clock::default(), RateLimiter::default());
        let mut pieces = Pieces(vec![b"hel"], false);
        let source = Source::Reader(&mut pieces, &limiter);
        let mut reader = ExactReader::new(source, 5, &control, &clock);
        assert_eq!(reader.sent(), Sent::Nothing);
        let mut sent = Vec::new();
        let error = reader.read_to_end(&mut sent).unwrap_err();
        assert_eq!(
            (error.kind(), sent.as_slice(), reader.sent()),
            (io::ErrorKind::UnexpectedEof, &b"hel"[..], Sent::Partial)
        );
    }

    #[test]
    fn a_longer_source_is_cut_at_the_promised_length() {
        let (control, clock) = (Control::default(), Clock::default());
        let mut reader = ExactReader::new(Source::Bytes(b"hello"), 2, &control, &clock);
        let mut sent = Vec::new();
        reader.read_to_end(&mut sent).unwrap();
        assert_eq!((sent.as_slice(), reader.sent()), (&b"he"[..], Sent::All));
    }
}
