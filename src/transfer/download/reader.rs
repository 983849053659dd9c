//! Reads a download to its verified end.
//!
//! Reading a download to its end proves that the bytes are those that were uploaded, as far as a
//! checksum is known. The last bytes are returned only after that, because a caller who knows the
//! length may never ask for more.
//!
//! | what happens | what the reader does |
//! | --- | --- |
//! | a connection breaks | continues over another one (`stream`) |
//! | the SHA-1 is wrong | fails with `ChecksumMismatch` in place of the last bytes |
//! | the SHA-1 that the uploader of a large file recorded is wrong, and that is accepted | returns the last bytes, and reports `Mismatch` |
//! | nobody recorded a SHA-1, or a range is read | hashes nothing; only the length is checked |
//! | it is dropped before its end | nothing is verified, and the connection is closed |

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use crate::control::Control;
use crate::control::progress::ProgressCounter;
use crate::error::{Error, Result};
use crate::model::file::FileVersion;
use crate::model::sha1::{Sha1Digest, Sha1Hasher};
use crate::raw::{DownloadRequest, DownloadResponse};
use crate::session::Session;
use crate::transfer::download::Verification;
use crate::transfer::download::stream::{ByteStream, PinnedVersion};

/// A reader of a download's bytes, from [`Download::into_reader`](crate::Download::into_reader).
///
/// If a connection breaks, reading continues over another one, with a request for the rest that is
/// billed in class B. The read that would return the last byte fails with
/// [`Error::ChecksumMismatch`] if the bytes are wrong: bytes that were returned before it are not
/// verified until then. Each further read fails in the same way. Errors contain an [`Error`], which
/// `io::Error::downcast` extracts.
///
/// A reader that is dropped before its end closes its connection. The bytes that the service has
/// sent are billed, whether they were read or not.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start()?;
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
/// # bucket.upload_bytes(b"hello", "hello.txt")?;
/// use std::io::Read;
///
/// let mut reader = bucket.download_file_by_name("hello.txt")?.into_reader();
/// let mut content = String::new();
/// reader.read_to_string(&mut content)?;
/// assert_eq!((content.as_str(), reader.received_bytes()), ("hello", 5));
/// assert_eq!(reader.verification(), b2sdk::Verification::Verified);
/// # }
/// # Ok::<_, anyhow::Error>(())
/// ```
pub struct DownloadReader {
    /// The bytes, over as many connections as it takes.
    stream: ByteStream,
    /// The version, as the headers describe it.
    version: FileVersion,
    /// The checksum that the bytes must have, if one is known for all of them.
    expected: Option<Sha1Digest>,
    /// The hash of what was read so far.
    hasher: Sha1Hasher,
    /// What will be known about the bytes after the last one. A mismatch that is accepted changes it.
    verification: Verification,
    /// Whether a SHA-1 that the uploader recorded may be wrong.
    accepts_mismatch: bool,
    /// Whether all bytes were read and verified.
    is_complete: bool,
}

impl DownloadReader {
    /// A reader of the response that was opened after `retries` failed attempts.
    ///
    /// Whatever is requested later asks for the version by the id in these headers, also if the file was
    /// asked for by its name. A file that is replaced during the download is therefore read to its end.
    pub(super) fn new(
        session: &Arc<Session>,
        control: Control,
        request: &DownloadRequest,
        (response, retries): (DownloadResponse, u32),
    ) -> Self {
        let DownloadResponse {
            version,
            range,
            body,
            ..
        } = response;
        let is_whole = range == (0..version.content_length);
        let (expected, verification) = match version.sha1() {
            _ if !is_whole => (None, Verification::PartOfFile),
            None => (None, Verification::NoChecksum),
            Some(sha1) => (Some(sha1), Verification::Verified),
        };
        let total = Some(range.end - range.start);
        let counter = ProgressCounter::new(&control, &version.file_name, session.clock(), total);
        counter.retried(retries);
        let content = PinnedVersion {
            request: request.pinned_to(&version.file_id),
            file_id: version.file_id.clone(),
            length: version.content_length,
        };
        let steering = (control, &Arc::new(counter));
        let stream = ByteStream::new(session, steering, content, range, Some(body));
        Self {
            stream,
            version,
            expected,
            hasher: Sha1Hasher::default(),
            verification,
            accepts_mismatch: false,
            is_complete: false,
        }
    }

    /// Accepts that the uploader recorded a wrong SHA-1, but not that the service's own is another one.
    pub(super) fn accept_mismatch(mut self, accept: bool) -> Self {
        self.accepts_mismatch = accept && self.version.content_sha1.digest().is_none();
        self
    }

    /// Judges the hash of all bytes. Fails with `ChecksumMismatch` if it is not the expected one, unless that
    /// is accepted.
    pub(super) fn judge(&mut self, hasher: Sha1Hasher) -> Result<()> {
        match verify(self.expected, hasher) {
            Err(Error::ChecksumMismatch { expected, actual }) if self.accepts_mismatch => {
                let file_name = self.version.file_name.as_str();
                tracing::warn!(
                    file_name, %expected, %actual,
                    "the file does not have the SHA-1 that its uploader recorded"
                );
                self.verification = Verification::Mismatch;
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Returns the version that is being read.
    #[must_use]
    pub const fn version(&self) -> &FileVersion {
        &self.version
    }

    /// Returns the bytes of the file that are read, counted from 0.
    #[must_use]
    pub const fn range(&self) -> Range<u64> {
        let range = self.stream.range();
        range.start..range.end
    }

    /// Returns the total number of bytes to read.
    #[must_use]
    pub const fn length(&self) -> u64 {
        let range = self.stream.range();
        range.end - range.start
    }

    /// Returns what is known about the bytes once all of them were read. Before that it says what
    /// can become known: [`Verified`](Verification::Verified) is true only after the last byte.
    #[must_use]
    pub const fn verification(&self) -> Verification {
        self.verification
    }

    /// Returns the number of bytes of content that have arrived so far.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.counter().moved()
    }

    /// Returns the number of times that something was requested again so far, because an attempt
    /// failed or its connection broke.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.counter().retries()
    }

    /// The checksum that the bytes must have, if one is known for all of them.
    pub(super) const fn expected(&self) -> Option<Sha1Digest> {
        self.expected
    }

    /// What counts the bytes and the repeated requests of the whole download.
    pub(super) const fn counter(&self) -> &Arc<ProgressCounter> {
        self.stream.counter()
    }

    /// What cancels and watches the download.
    pub(super) const fn control(&self) -> &Control {
        self.stream.control()
    }

    /// The bytes before they are hashed. Whoever reads them passes them to [`take_in`](Self::take_in), or
    /// hashes the whole in another way and lets [`judge`](Self::judge) compare it.
    pub(super) const fn stream(&mut self) -> &mut ByteStream {
        &mut self.stream
    }

    /// Reads the next bytes; returns 0 at the end. The last bytes are returned only after the whole
    /// was verified.
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.stream.next(buffer)?;
        self.take_in(buffer.get(..read).unwrap_or_default())?;
        Ok(read)
    }

    /// Hashes the bytes that end at the position of the stream. If they are the last ones, verifies
    /// the whole.
    ///
    /// The verification is done once. If it fails, it fails again with each further call, so that nobody
    /// gets the last bytes by asking twice.
    pub(super) fn take_in(&mut self, bytes: &[u8]) -> Result<()> {
        if self.expected.is_some() {
            self.hasher.update(bytes);
        }
        if self.stream.is_at_end() && !self.is_complete {
            self.stream.drain()?;
            self.judge(self.hasher.clone())?;
            self.counter().part_arrived();
            self.is_complete = true;
        }
        Ok(())
    }
}

/// Fails with `ChecksumMismatch` if the hash is not the expected one. Without an expected one, it
/// succeeds.
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
        let read = self.next(buffer)?;
        if self.is_complete {
            self.counter().finish();
        }
        Ok(read)
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
