//! The bytes of a version, or of a range of it, over as many connections as it takes. They are
//! counted, but not verified here.

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

/// What one connection must have brought to count as progress; fewer bytes than that on every
/// connection end the download after as many of them as [`RetryPolicy`](crate::RetryPolicy) allows.
const PROGRESS: u64 = 64 * 1024;

/// What all responses of a download must be of.
#[derive(Debug, Clone)]
pub(super) struct PinnedVersion {
    /// Asks for it, by the version's id.
    pub(super) request: DownloadRequest,
    pub(super) file_id: FileId,
    /// Of the whole file, in bytes.
    pub(super) length: u64,
}

#[derive(Debug)]
pub(super) struct ByteStream {
    session: Arc<Session>,
    control: Control,
    content: PinnedVersion,
    range: Range<u64>,
    position: u64,
    body: Option<ResponseBody>,
    /// Whether the body goes on after the range, so that it is left unread.
    goes_on: bool,
    /// Whether a body turned out to have more bytes than were announced.
    is_longer: bool,
    /// Connections in a row that brought next to nothing.
    barren: u32,
    /// Where the present connection began.
    connected_at: u64,
    /// Counts what arrives, and how often it was asked for again.
    tally: Arc<ProgressCounter>,
}

impl ByteStream {
    /// A range of a version, asked for by its id; `body` is a response that begins there, if there is one already.
    pub(super) fn new(
        session: &Arc<Session>,
        (control, tally): (Control, &Arc<ProgressCounter>),
        content: PinnedVersion,
        range: Range<u64>,
        body: Option<ResponseBody>,
    ) -> Self {
        let (position, connected_at) = (range.start, range.start);
        Self {
            session: Arc::clone(session),
            control,
            content,
            range,
            position,
            body,
            goes_on: false,
            is_longer: false,
            barren: 0,
            connected_at,
            tally: Arc::clone(tally),
        }
    }

    /// The same stream, ending here; what follows in the response that is open is left unread.
    pub(super) fn cut_at(mut self, end: u64) -> Self {
        self.goes_on = self.body.is_some() && end < self.range.end;
        self.range.end = end;
        self
    }

    pub(super) const fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(super) const fn control(&self) -> &Control {
        &self.control
    }

    pub(super) const fn content(&self) -> &PinnedVersion {
        &self.content
    }

    pub(super) const fn range(&self) -> &Range<u64> {
        &self.range
    }

    pub(super) const fn tally(&self) -> &Arc<ProgressCounter> {
        &self.tally
    }

    /// The response that waits to be read, for somebody who reads it otherwise.
    pub(super) const fn take_body(&mut self) -> Option<ResponseBody> {
        self.body.take()
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.position >= self.range.end
    }

    /// The next bytes; none at the end.
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
                // A cut connection is an error; an early end is somebody's change of the body.
                Ok(0) => return Err(length_mismatch(body.operation())),
                Ok(read) => {
                    self.position += read as u64;
                    self.tally.arrived(read as u64);
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.broke_off(error)?,
            }
        }
        Ok(0)
    }

    /// Fills a buffer with all that is left.
    pub(super) fn fill(mut self, buffer: &mut [u8]) -> Result<()> {
        self.fill_next(buffer)?;
        self.drain()
    }

    /// Fills a buffer with the next bytes; there must be as many.
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

    /// Reads the end of a body that is at its end: without that its connection would not be used
    /// again. Fails once and for all if there is no end.
    pub(super) fn drain(&mut self) -> Result<()> {
        if let Some(mut body) = self.body.take().filter(|_| !self.goes_on) {
            // Whatever else fails now does not matter: all bytes are here.
            self.is_longer = matches!(body.read(&mut [0]), Ok(1..));
        }
        if self.is_longer {
            return Err(length_mismatch(Operation::DownloadFileById));
        }
        Ok(())
    }

    /// Gives the connection up; the next read goes on from the byte that was reached, on another one.
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
        self.tally.retried(1);
        self.body = None;
        self.goes_on = false;
        self.connected_at = self.position;
        Ok(())
    }

    /// Asks for what is left by id, so that a newer version cannot slip in, and makes sure that it was
    /// that version which answered: a proxy in between may have kept another answer.
    fn connect(&self) -> Result<ResponseBody> {
        let operation = Operation::DownloadFileById;
        let (content, mut again) = (&self.content, false);
        let range = ByteRange::from(self.position..self.range.end);
        let response = self.session.call(operation, &self.control, |raw| {
            self.tally.attempt(&mut again);
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
