//! The answer to a download: what it is about, and its bytes.

use std::io::{self, Read};
use std::ops::Range;

use crate::http::body::ResponseBody;
use crate::http::length_mismatch;
use crate::model::file::FileVersion;

/// A download whose headers were read. Reading it reads the content, over this one connection.
///
/// If the connection breaks, reading fails, and nothing continues it. If reading comes to the end,
/// the content has the announced length. **Nobody compares checksums.** Errors contain an
/// [`Error`](crate::Error), which `io::Error::downcast` extracts.
///
/// Dropping it unread costs its connection, which cannot be used again.
#[derive(Debug)]
#[non_exhaustive]
pub struct DownloadResponse {
    /// The version, as far as the headers describe it. They do not contain account and bucket.
    pub version: FileVersion,
    /// The bytes of the file that the answer contains.
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

    /// Returns the number of bytes that are still to be read.
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
