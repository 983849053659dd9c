//! Reads a download to its verified end, over as many connections as it takes.

use std::fmt;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::Arc;

use crate::control::Control;
use crate::control::progress::Tally;
use crate::error::{Error, Result};
use crate::http::body::ResponseBody;
use crate::http::length_mismatch;
use crate::model::file::FileVersion;
use crate::model::operation::Operation;
use crate::model::range::ByteRange;
use crate::model::sha1::{Sha1Digest, Sha1Hasher};
use crate::raw::{DownloadRequest, DownloadResponse};
use crate::session::Session;
use crate::transfer::download::Verification;

/// What one connection must have brought to count as progress; fewer bytes than that on every
/// connection end the download after as many of them as [`RetryPolicy`](crate::RetryPolicy) allows.
const PROGRESS: u64 = 64 * 1024;

/// The bytes of a download. Its errors carry an [`Error`]: `io::Error::downcast` gives it back.
pub struct DownloadReader {
    session: Arc<Session>,
    control: Control,
    version: FileVersion,
    range: Range<u64>,
    position: u64,
    body: ResponseBody,
    drained: bool,
    check: Option<(Sha1Digest, Sha1Hasher)>,
    verification: Verification,
    tally: Tally,
    /// Connections in a row that brought next to nothing.
    barren: u32,
    /// Where the present connection began.
    connected_at: u64,
}

impl DownloadReader {
    pub(super) fn new(session: Arc<Session>, control: Control, response: DownloadResponse) -> Self {
        let DownloadResponse {
            version,
            range,
            body,
        } = response;
        let is_whole = range == (0..version.content_length);
        let (check, verification) = match version.sha1() {
            _ if !is_whole => (None, Verification::PartOfFile),
            None => (None, Verification::NoChecksum),
            Some(sha1) => (Some((sha1, Sha1Hasher::default())), Verification::Verified),
        };
        let length = range.end - range.start;
        let tally = Tally::new(control.progress.as_ref(), session.clock(), Some(length));
        let position = range.start;
        Self {
            session,
            control,
            version,
            range,
            position,
            body,
            drained: false,
            check,
            verification,
            tally,
            barren: 0,
            connected_at: position,
        }
    }

    /// What is being read.
    #[must_use]
    pub const fn version(&self) -> &FileVersion {
        &self.version
    }

    /// How many bytes there are to read in all.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// What a complete reading proves.
    #[must_use]
    pub const fn verification(&self) -> Verification {
        self.verification
    }

    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    /// Copies everything; `failed` makes the error of a writer that fails.
    pub(super) fn copy_to(
        &mut self,
        writer: &mut impl Write,
        failed: impl Fn(io::Error) -> Error,
    ) -> Result<u64> {
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let read = self.next(&mut buffer)?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            writer.write_all(bytes).map_err(&failed)?;
        }
        writer.flush().map_err(failed)?;
        Ok(self.length())
    }

    /// The next bytes; none at the verified end.
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.position < self.range.end {
            let left = usize::try_from(self.range.end - self.position).unwrap_or(usize::MAX);
            let room = left.min(buffer.len());
            let Some(room) = buffer.get_mut(..room).filter(|room| !room.is_empty()) else {
                return Ok(0);
            };
            match self.body.read(room) {
                // A cut connection is an error; an early end is somebody's change of the body.
                Ok(0) => return Err(length_mismatch(self.body.operation())),
                Ok(read) => {
                    self.position += read as u64;
                    self.tally.add(read as u64);
                    if let Some((_, hasher)) = &mut self.check {
                        hasher.update(room.get(..read).unwrap_or_default());
                    }
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.reconnect(error)?,
            }
        }
        self.drain()?;
        self.verify()?;
        self.tally.finish();
        Ok(0)
    }

    /// Reads the end of the body: without that its connection would not be used again.
    fn drain(&mut self) -> Result<()> {
        if self.drained {
            return Ok(());
        }
        self.drained = true;
        match self.body.read(&mut [0]) {
            Ok(1..) => Err(length_mismatch(self.body.operation())),
            // Whatever fails now does not matter: all bytes are here.
            _ => Ok(()),
        }
    }

    fn verify(&mut self) -> Result<()> {
        let Some((expected, hasher)) = &self.check else {
            return Ok(());
        };
        let actual = hasher.clone().finish();
        if actual == *expected {
            return Ok(());
        }
        Err(Error::ChecksumMismatch {
            expected: Box::new(*expected),
            actual: Box::new(actual),
        })
    }

    /// Goes on from the byte that was reached, on another connection.
    fn reconnect(&mut self, cause: io::Error) -> Result<()> {
        let (expected, actual) = (self.length(), self.position - self.range.start);
        let cause = match Error::from_io(cause) {
            Ok(Error::Cancelled) => return Err(Error::Cancelled),
            Ok(error @ Error::Connection(_)) => error,
            _ => Error::Truncated { expected, actual },
        };
        let progressed = self.position - self.connected_at >= PROGRESS;
        self.barren = if progressed { 0 } else { self.barren + 1 };
        let policy = self.session.retry_policy();
        if self.barren >= policy.max_attempts {
            return Err(if actual > 0 {
                Error::Truncated { expected, actual }
            } else {
                cause
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
        let request = DownloadRequest::ById(self.version.file_id.clone());
        let rest = ByteRange::from(self.position..=self.range.end - 1);
        let response = self
            .session
            .call(Operation::DownloadFileById, &self.control, |raw| {
                raw.download(&request, Some(rest))
            })?;
        self.connected_at = self.position;
        self.body = response.body;
        Ok(())
    }
}

impl Read for DownloadReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        Ok(self.next(buffer)?)
    }
}

impl fmt::Debug for DownloadReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadReader")
            .field("version", &self.version)
            .field("range", &self.range)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
