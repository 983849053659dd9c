//! What a download answers: what it is about, and the bytes.

use std::io::{self, Read};
use std::ops::Range;

use crate::http::body::ResponseBody;
use crate::http::length_mismatch;
use crate::model::file::FileVersion;

/// A download whose headers were read. Reading it reads the content, over this one connection: where
/// that breaks, reading fails, and nothing continues it; where it ends, the content has the length that
/// was announced. **Nobody compares checksums.** Errors of reading carry an
/// [`Error`](crate::Error): `io::Error::downcast` gives it back.
///
/// Dropping it unread costs its connection, nothing else.
#[derive(Debug)]
#[non_exhaustive]
pub struct DownloadResponse {
    /// The file, as far as headers describe it: account and bucket are not among them.
    pub version: FileVersion,
    /// The bytes of the file that are to be read.
    pub range: Range<u64>,
    pub(crate) body: ResponseBody,
    read: u64,
}

impl DownloadResponse {
    pub(super) const fn new(version: FileVersion, range: Range<u64>, body: ResponseBody) -> Self {
        Self {
            version,
            range,
            body,
            read: 0,
        }
    }

    /// How many bytes are still to be read.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.range
            .end
            .saturating_sub(self.range.start)
            .saturating_sub(self.read)
    }
}

impl Read for DownloadResponse {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.body.read(buffer)?;
        let left = self.left();
        let is_cut = read == 0 && left > 0 && !buffer.is_empty();
        if is_cut || read as u64 > left {
            return Err(length_mismatch(self.body.operation()).into());
        }
        self.read += read as u64;
        Ok(read)
    }
}
