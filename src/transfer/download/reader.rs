//! Reads a download to its verified end.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::control::Control;
use crate::control::progress::Tally;
use crate::error::{Error, Result};
use crate::model::file::FileVersion;
use crate::model::sha1::{Sha1Digest, Sha1Hasher};
use crate::raw::{DownloadRequest, DownloadResponse};
use crate::session::Session;
use crate::transfer::download::Verification;
use crate::transfer::download::stream::{ByteStream, Content};

/// The bytes of a download. Its errors carry an [`Error`]: `io::Error::downcast` gives it back.
pub struct DownloadReader {
    stream: ByteStream,
    version: FileVersion,
    expected: Option<Sha1Digest>,
    hasher: Sha1Hasher,
    verification: Verification,
    tally: Tally,
}

impl DownloadReader {
    pub(super) fn new(
        session: Arc<Session>,
        control: Control,
        request: &DownloadRequest,
        response: DownloadResponse,
    ) -> Self {
        let DownloadResponse {
            version,
            range,
            body,
        } = response;
        let is_whole = range == (0..version.content_length);
        let (expected, verification) = match version.sha1() {
            _ if !is_whole => (None, Verification::PartOfFile),
            None => (None, Verification::NoChecksum),
            Some(sha1) => (Some(sha1), Verification::Verified),
        };
        let tally = Tally::new(
            control.progress.as_ref(),
            session.clock(),
            Some(range.end - range.start),
        );
        let content = Content {
            request: request.pinned_to(&version.file_id),
            file_id: version.file_id.clone(),
            length: version.content_length,
        };
        let stream = ByteStream::new(session, control, content, range, Some(body));
        Self {
            stream,
            version,
            expected,
            hasher: Sha1Hasher::default(),
            verification,
            tally,
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
        let range = self.stream.range();
        range.end - range.start
    }

    /// What a complete reading proves.
    #[must_use]
    pub const fn verification(&self) -> Verification {
        self.verification
    }

    /// Whether these are all bytes of the file.
    pub(super) fn is_whole(&self) -> bool {
        *self.stream.range() == (0..self.version.content_length)
    }

    /// The checksum that the bytes must have, if one is known for all of them.
    pub(super) const fn expected(&self) -> Option<Sha1Digest> {
        self.expected
    }

    pub(super) const fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(super) const fn stream(&mut self) -> &mut ByteStream {
        &mut self.stream
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

    /// The next bytes; none at the end. The last ones are handed out only after the whole was
    /// verified: a caller who knows the length may never ask for more.
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.stream.next(buffer)?;
        if read > 0 {
            self.tally.add(read as u64);
            if self.expected.is_some() {
                self.hasher.update(buffer.get(..read).unwrap_or_default());
            }
        }
        if self.stream.is_at_end() {
            self.stream.drain()?;
            verify(self.expected, self.hasher.clone())?;
            self.tally.finish();
        }
        Ok(read)
    }
}

/// Whether what was hashed is what was expected, if anything was.
pub(super) fn verify(expected: Option<Sha1Digest>, hasher: Sha1Hasher) -> Result<()> {
    let Some(expected) = expected else {
        return Ok(());
    };
    let actual = hasher.finish();
    if actual == expected {
        return Ok(());
    }
    Err(Error::ChecksumMismatch {
        expected: Box::new(expected),
        actual: Box::new(actual),
    })
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
            .field("range", self.stream.range())
            .finish_non_exhaustive()
    }
}
