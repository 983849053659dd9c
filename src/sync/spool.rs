//! Steps that wait: in memory as long as they are few, in a temporary file without a name
//! otherwise, so that a million removals take no more memory than a thousand.
//!
//! A step is a record of JSON between two copies of its length, four bytes each, so that records
//! can be read from the first one on or from the last one back. The file is in the directory for
//! temporary files (`TMPDIR` on Unix), takes some 200 bytes for each step, and is gone when the
//! process ends, however that is. A disk that is full ends the plan, and a run then removes
//! nothing.
//!
//! | bytes | 4 | n | 4 | 4 | m | 4 |
//! |---|---|---|---|---|---|---|
//! | content | n | record | n | m | record | m |
//!
//! Lengths are unsigned and little-endian. A record may have up to 4 GiB; a step has some hundred
//! bytes, or as many as its file info. Nothing but the process that wrote it reads the file, so
//! that it has no version and no checksum.
//!
//! | what happens | what follows |
//! |---|---|
//! | the disk is full while transfers are kept | the plan ends with an error, and nothing was transferred |
//! | the disk is full while removals are kept | the plan ends with an error, and nothing is removed |
//! | the process is killed | the system frees the file, which has no name |

use std::io::{self, Read, Seek, SeekFrom, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::SpooledTempFile;

/// The number of bytes from which on the records are in a file.
const IN_MEMORY: usize = 1 << 20;
/// The number of bytes that are read at a time, unless one record is longer.
const WINDOW: u64 = 1 << 16;
/// The number of bytes of a length.
const LENGTH: usize = 4;

/// A spool that is written.
///
/// Records are added at its end only; reading uses it up.
#[derive(Debug)]
pub(super) struct Spool {
    file: SpooledTempFile,
    buffer: Vec<u8>,
    records: u64,
}

/// A spool that is read.
///
/// It reads in one direction, which is chosen when it is made. After a failure it must not be read
/// on.
#[derive(Debug)]
pub(super) struct Reader {
    file: SpooledTempFile,
    is_backward: bool,
    /// What is left to be read lies between these.
    start: u64,
    end: u64,
    /// A piece of the file, from this offset on.
    window: Vec<u8>,
    window_at: u64,
}

impl Default for Spool {
    fn default() -> Self {
        Self {
            file: SpooledTempFile::new(IN_MEMORY),
            buffer: Vec::new(),
            records: 0,
        }
    }
}

impl Spool {
    /// Adds a record at the end. Fails if the file cannot be created or written.
    pub(super) fn push(&mut self, record: &impl Serialize) -> io::Result<()> {
        self.buffer.clear();
        self.buffer.extend_from_slice(&[0; LENGTH]);
        serde_json::to_writer(&mut self.buffer, record)?;
        let length = self.buffer.len() - LENGTH;
        let length = u32::try_from(length)
            .map_err(io::Error::other)?
            .to_le_bytes();
        if let Some(room) = self.buffer.get_mut(..LENGTH) {
            room.copy_from_slice(&length);
        }
        self.buffer.extend_from_slice(&length);
        self.file.write_all(&self.buffer)?;
        self.records += 1;
        Ok(())
    }

    /// Returns the number of records.
    pub(super) const fn len(&self) -> u64 {
        self.records
    }

    /// Begins to read from the first record on, for transfers.
    pub(super) fn forward(self) -> io::Result<Reader> {
        self.read(false)
    }

    /// Begins to read from the last record back, for removals: so the oldest version of a name
    /// comes first, and a directory is emptied before the one that it is in.
    pub(super) fn backward(self) -> io::Result<Reader> {
        self.read(true)
    }

    /// Begins to read at one end. Fails only if the file cannot be measured.
    fn read(mut self, is_backward: bool) -> io::Result<Reader> {
        let end = self.file.seek(SeekFrom::End(0))?;
        Ok(Reader {
            file: self.file,
            is_backward,
            start: 0,
            end,
            window: Vec::new(),
            window_at: 0,
        })
    }
}

impl Reader {
    /// Returns the next record, or `None` after the last one.
    /// Fails if the file cannot be read or has something else than what was written.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        if self.start >= self.end {
            return Ok(None);
        }
        let frame = 2 * LENGTH as u64;
        let at = match self.is_backward {
            true => self.end.saturating_sub(LENGTH as u64),
            false => self.start,
        };
        let length: [u8; LENGTH] = self
            .bytes(at, LENGTH as u64)?
            .try_into()
            .map_err(io::Error::other)?;
        let length = u64::from(u32::from_le_bytes(length));
        let body = match self.is_backward {
            true => at.checked_sub(length),
            false => Some(at + LENGTH as u64),
        };
        let body = body.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let record = serde_json::from_slice(self.bytes(body, length)?)?;
        match self.is_backward {
            true => self.end = self.end.saturating_sub(frame + length),
            false => self.start += frame + length,
        }
        Ok(Some(record))
    }

    /// Returns these bytes of the file, from the window if it has them.
    ///
    /// A window is read in the direction of reading, so that its neighbours are in it.
    fn bytes(&mut self, at: u64, length: u64) -> io::Result<&[u8]> {
        let window_end = self.window_at + self.window.len() as u64;
        if at < self.window_at || at + length > window_end {
            let (from, to) = match self.is_backward {
                true => ((at + length).saturating_sub(WINDOW).min(at), at + length),
                false => (at, self.end.min(at + length.max(WINDOW))),
            };
            let size = usize::try_from(to - from).map_err(io::Error::other)?;
            self.window.resize(size, 0);
            self.file.seek(SeekFrom::Start(from))?;
            self.file.read_exact(&mut self.window)?;
            self.window_at = from;
        }
        let start = usize::try_from(at - self.window_at).map_err(io::Error::other)?;
        let end = start + usize::try_from(length).map_err(io::Error::other)?;
        self.window
            .get(start..end)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Spool;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_is_pushed_is_read_in_both_directions(
            lengths in proptest::collection::vec(prop_oneof![0..50_usize, 0..70_000_usize], 0..60),
        ) {
            let records: Vec<String> =
                lengths.iter().enumerate().map(|(n, length)| format!("{n}{}", "x".repeat(*length))).collect();
            let spool = || {
                let mut spool = Spool::default();
                for record in &records {
                    spool.push(record).unwrap();
                }
                spool
            };
            prop_assert_eq!(spool().len(), records.len() as u64);
            let mut forward = spool().forward().unwrap();
            for record in &records {
                let read: Option<String> = forward.next().unwrap();
                prop_assert_eq!(read.as_ref(), Some(record));
            }
            prop_assert_eq!(forward.next::<String>().unwrap(), None);
            let mut backward = spool().backward().unwrap();
            for record in records.iter().rev() {
                let read: Option<String> = backward.next().unwrap();
                prop_assert_eq!(read.as_ref(), Some(record));
            }
            prop_assert_eq!(backward.next::<String>().unwrap(), None);
        }
    }
}
