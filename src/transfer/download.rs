//! Downloads. A [`Download`] knows what will arrive before it arrives.
//!
//! 1. A GET by name or id is sent. The headers describe the version; the body waits to be read.
//! 2. The body is read by whoever wants it, and hashed on its way. If the connection breaks, the
//!    rest is requested by the version's id from the byte that was reached, so that the bytes of
//!    two versions are never mixed (`stream`, `reader`). A large file that is saved to a path is
//!    requested in several ranges at a time where that brings more (`ranges`).
//! 3. At the end the SHA-1 is compared, if the service or the uploader recorded one.
//!
//! What the bytes go to decides the module: `file` for a path, `special` for pipes and devices,
//! `partial` for a download that can be resumed, `directory` for names that somebody else chose,
//! `in_order` for a writer, `in_memory`, and `remote_file` for reading at any position.
//! `connections` decides how many connections are worthwhile, and `ordered_hash` hashes in order
//! what several of them bring.

mod connections;
pub(crate) mod directory;
pub(crate) mod file;
mod handle;
mod in_memory;
mod in_order;
pub(crate) mod options;
mod ordered_hash;
mod partial;
mod ranges;
pub(crate) mod reader;
pub(crate) mod remote_file;
mod special;
mod stream;
pub(crate) mod temporary;

use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::workers::Workers;
use crate::error::{Error, Result};
use crate::model::file::FileVersion;
use crate::model::range::ByteRange;
use crate::raw::DownloadRequest;
use crate::transfer::Transfer;
use crate::transfer::download::directory::LocalDirectory;
use crate::transfer::download::file::{SaveOptions, Saved};
use crate::transfer::download::options::DownloadOptions;
use crate::transfer::download::reader::DownloadReader;

/// The smallest size of a range, in bytes. Smaller ones would cost more in waiting than they gain.
const MIN_RANGE: u64 = 10_000_000;
/// The largest size of a range if the caller does not choose one, in bytes. Hashing follows the
/// ranges one by one, and what the later ones bring has to stay in the page cache until then.
const MAX_RANGE: u64 = 128_000_000;

/// Whether the bytes are known to be those that were uploaded.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start()?;
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
/// # bucket.upload_bytes(b"hello, world", "hello.txt")?;
/// use b2sdk::{ByteRange, DownloadOptions, Verification};
///
/// let options = DownloadOptions::new().range(ByteRange::from(0..5));
/// let reader = bucket.download_file_by_name_with("hello.txt", &options)?.into_reader();
/// assert_eq!(reader.verification(), Verification::PartOfFile);
/// # }
/// # Ok::<_, anyhow::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verification {
    /// Their SHA-1 is the one that the service, or the uploader of a large file, recorded.
    Verified,
    /// Only a part of the file was read, and there is a checksum only of the whole.
    PartOfFile,
    /// Nobody recorded a SHA-1.
    NoChecksum,
    /// Their SHA-1 is not the one that the uploader of a large file recorded, and the options
    /// [accept](DownloadOptions::accept_mismatch) that.
    Mismatch,
}

/// A download whose headers have arrived and whose body has not been read.
///
/// Dropping it unread costs its connection, which cannot be used again. The request is billed in
/// any case.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start()?;
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
/// # bucket.upload_bytes(b"hello", "hello.txt")?;
/// # let directory = tempfile::tempdir()?;
/// let download = bucket.download_file_by_name("hello.txt")?;
/// assert_eq!((download.version().file_name.as_str(), download.length()), ("hello.txt", 5));
/// let saved = download.save_to(directory.path().join("hello.txt"))?;
/// assert_eq!(saved.verification(), b2sdk::Verification::Verified);
/// # }
/// # Ok::<_, anyhow::Error>(())
/// ```
#[derive(Debug)]
pub struct Download {
    /// The open response, and all that is needed to continue it over another connection.
    reader: DownloadReader,
    /// The permits of the threads that request other ranges.
    workers: Arc<Workers>,
    /// The size of the ranges that the caller chose; it is never 0.
    part_size: Option<u64>,
    /// Whether a download to a path leaves what has arrived if it fails.
    resume: bool,
    /// Whether a download to a path is not flushed to disk.
    skip_flush: bool,
}

impl Download {
    /// Requests a file and reads the headers of the answer. Fails with `InvalidInput` for options
    /// that contradict each other, before anything is sent.
    ///
    /// The download runs under a token of its own below the caller's. The failure of one range can
    /// therefore stop the others, and does not cancel what else the caller's token controls.
    pub(crate) fn open(
        transfer: Transfer<'_>,
        request: DownloadRequest,
        options: &DownloadOptions,
    ) -> Result<Self> {
        let Transfer {
            session,
            workers,
            control,
        } = transfer;
        let DownloadOptions {
            range,
            max_length,
            part_size,
            resume,
            skip_flush,
            accept_mismatch,
            encryption_key,
            progress: _,
            cancel: _,
        } = options;
        if *part_size == Some(0) {
            return Err(Error::invalid_input(
                "part_size",
                "a part has at least one byte",
            ));
        }
        if range.is_some_and(ByteRange::is_empty) {
            return Err(Error::invalid_input("range", "there is no byte in it"));
        }
        if range.is_some() && *resume {
            return Err(Error::invalid_input(
                "resume",
                "only the download of a whole file can be resumed",
            ));
        }
        let request = request.with_key(encryption_key.as_ref());
        // A token of its own, so that one range that fails can break all others.
        let parent = control.cancel.as_ref();
        let own = parent.map_or_else(CancelToken::new, CancelToken::child);
        let control = Control {
            cancel: Some(own),
            ..control.clone()
        };
        let mut attempts = 0_u32;
        let response = session.call(&request, &control, |raw| {
            attempts = attempts.saturating_add(1);
            raw.download(&request, *range)
        })?;
        let opened = (response, attempts.saturating_sub(1));
        let reader = DownloadReader::new(session, control, &request, opened);
        check_length(reader.length(), *max_length)?;
        Ok(Self {
            reader: reader.accept_mismatch(*accept_mismatch),
            workers: Arc::clone(workers),
            part_size: *part_size,
            resume: *resume,
            skip_flush: *skip_flush,
        })
    }

    /// Returns the version that is being downloaded. The ids of account and bucket are not set,
    /// because the headers do not contain them.
    #[must_use]
    pub fn version(&self) -> &FileVersion {
        self.reader.version()
    }

    /// Returns the number of bytes that will arrive: the length of the file, or of the range.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.reader.length()
    }

    /// Returns which bytes of the file will come, counted from 0: all of them, or the range that was asked
    /// for, cut at the file's end.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"hello, world", "hello.txt")?;
    /// use b2sdk::{ByteRange, DownloadOptions};
    ///
    /// // The header of a program that serves the last five bytes.
    /// let options = DownloadOptions::new().range(ByteRange::last(5));
    /// let download = bucket.download_file_by_name_with("hello.txt", &options)?;
    /// let (range, total) = (download.range(), download.version().content_length);
    /// let content_range = format!("bytes {}-{}/{total}", range.start, range.end - 1);
    /// assert_eq!(content_range, "bytes 7-11/12");
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    #[must_use]
    pub const fn range(&self) -> Range<u64> {
        self.reader.range()
    }

    /// Returns a reader of the bytes. It continues over another connection if one breaks, and fails
    /// at the end if the checksum is wrong. Its errors contain an [`Error`].
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"first line\nsecond line\n", "notes.txt")?;
    /// use std::io::{BufRead, BufReader};
    ///
    /// let reader = bucket.download_file_by_name("notes.txt")?.into_reader();
    /// let lines: Result<Vec<_>, _> = BufReader::new(reader).lines().collect();
    /// assert_eq!(lines?, ["first line", "second line"]);
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    #[must_use]
    pub fn into_reader(self) -> DownloadReader {
        self.reader
    }

    /// Downloads all bytes into memory. A file that is larger than one range
    /// ([`part_size`](DownloadOptions::part_size)) is requested in several ranges at a time. The
    /// [memory limit](crate::B2ApiBuilder::memory_limit) does not apply to the result.
    ///
    /// A file of any length is read unless the options set a [`max_length`](DownloadOptions::max_length), and
    /// a system that grants more memory than it has ends a program that uses it. A program that does not know
    /// the file sets that limit, or looks at [`length`](Self::length) first.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"hello", "hello.txt")?;
    /// let bytes = bucket.download_file_by_name("hello.txt")?.read_to_vec()?;
    /// assert_eq!(bytes, b"hello");
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ChecksumMismatch`], [`Error::Truncated`] or [`Error::Connection`] if the content is wrong
    /// or incomplete; [`Error::Stream`] if there is not enough memory; [`Error::FileNotFound`] if the
    /// version is deleted while a connection is replaced; [`Error::Cancelled`]. What has arrived is lost
    /// then.
    pub fn read_to_vec(mut self) -> Result<Vec<u8>> {
        let range_size = usize::try_from(self.range_size()).unwrap_or(usize::MAX);
        if self.length() > range_size as u64 {
            return in_memory::read(&mut self.reader, range_size, &self.workers);
        }
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes all bytes to `writer` in order, and returns their number.
    ///
    /// If one connection brings less than the writer takes, ranges of 4 MiB further ahead are
    /// downloaded at the same time, each with a worker's permit that is free and into memory that
    /// counts against the [memory limit](crate::B2ApiBuilder::memory_limit), at most 64 MiB. Each is
    /// a request of its own, billed in class B. A [`part_size`](DownloadOptions::part_size) of at
    /// most 32 MiB is the size of these ranges, and they are then used in any case; with a larger one, or
    /// through [`into_reader`](Self::into_reader), everything comes in one response.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"hello", "hello.txt")?;
    /// let mut copy = Vec::new();
    /// let written = bucket.download_file_by_name("hello.txt")?.write_to(&mut copy)?;
    /// assert_eq!((written, copy.as_slice()), (5, &b"hello"[..]));
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`Error::ChecksumMismatch`], [`Error::Truncated`] or [`Error::Connection`] if the content
    ///   is wrong or incomplete; the bytes that arrived before were written.
    /// - [`Error::Stream`] if `writer` fails.
    /// - [`Error::Cancelled`] if the token of the options is cancelled.
    pub fn write_to(mut self, writer: &mut impl Write) -> Result<u64> {
        let threads = (self.workers.as_ref(), self.part_size);
        in_order::copy(&mut self.reader, writer, threads, |source| Error::Stream {
            action: "write",
            source,
        })?;
        self.reader.counter().finish();
        Ok(self.length())
    }

    /// Saves the file under this path, with the modification time of its source.
    ///
    /// The bytes are written to a temporary file in the same directory, a large file in several
    /// ranges at a time. It replaces `path` once it is complete, verified and flushed to disk. The
    /// path never holds a part of the file, and keeps what it had if the download fails. A pipe, a
    /// device or another special file is written to directly.
    ///
    /// With [`resume`](DownloadOptions::resume), what has arrived before a failure is kept for the
    /// next download of the same version to the same path. Nothing is kept after a wrong checksum.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"hello", "hello.txt")?;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("hello.txt");
    /// use b2sdk::DownloadOptions;
    ///
    /// let options = DownloadOptions::new().resume(true);
    /// let saved = bucket.download_file_by_name_with("hello.txt", &options)?.save_to(&path)?;
    /// assert_eq!((saved.bytes(), saved.resumed_bytes()), (5, 0));
    /// assert_eq!(std::fs::read(&path)?, b"hello");
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::LocalFile`] if the file cannot be written, or (with `resume`) if another download to this
    /// path is running; [`Error::ChecksumMismatch`], [`Error::Truncated`] or [`Error::Connection`] if the
    /// content is wrong or incomplete; [`Error::Cancelled`] if the token of the options is cancelled. The
    /// path keeps what it had, unless it is a special file.
    pub fn save_to(self, path: impl AsRef<Path>) -> Result<Saved> {
        self.save(path.as_ref(), &|| Ok(()))
    }

    /// Saves the file in a directory under the name that it has in its bucket, as
    /// [`save_to`](Self::save_to) does. Missing folders are created, and no symbolic link below the
    /// directory is followed.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"hello", "photos/hello.txt")?;
    /// # bucket.upload_bytes(b"hello", "../hello.txt")?;
    /// # let backup = tempfile::tempdir()?;
    /// use b2sdk::Error;
    /// use b2sdk::local::LocalDirectory;
    ///
    /// let directory = LocalDirectory::new(backup.path());
    /// bucket.download_file_by_name("photos/hello.txt")?.save_under(&directory)?;
    /// assert!(backup.path().join("photos/hello.txt").is_file());
    /// let harmful = bucket.download_file_by_name("../hello.txt")?.save_under(&directory);
    /// assert!(matches!(harmful, Err(Error::UnsafeName(_))));
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnsafeName`] if the name could do harm, or would be confused with another one;
    /// [`Error::LocalFile`] if the file cannot be written, or (with `resume`) if another download to this
    /// path is running; [`Error::ChecksumMismatch`], [`Error::Truncated`] or [`Error::Connection`] if the
    /// content is wrong or incomplete; [`Error::Cancelled`] if the token of the options is cancelled. The
    /// path keeps what it had.
    pub fn save_under(self, directory: &LocalDirectory) -> Result<Saved> {
        let name = self.version().file_name.clone();
        let path = directory
            .path_for(&name)
            .map_err(|refused| Error::UnsafeName(Box::new(refused)))?;
        directory.make_folders(&name)?;
        directory.check(&name, &path)?;
        self.save(&path, &|| directory.check(&name, &path))
    }

    /// The size of the ranges of this download.
    fn range_size(&self) -> u64 {
        let size = || range_size(self.length(), self.workers.most());
        self.part_size.unwrap_or_else(size)
    }

    /// Saves the file under this path. `check` may refuse: it is called when the temporary file
    /// exists, and again just before that replaces the path.
    pub(crate) fn save(self, path: &Path, check: &dyn Fn() -> Result<()>) -> Result<Saved> {
        let size = self.range_size();
        let Self {
            reader,
            workers,
            part_size,
            resume,
            skip_flush,
        } = self;
        let options = SaveOptions {
            workers: &workers,
            part_size: size,
            adapts: part_size.is_none(),
            resume,
            skip_flush,
            check,
        };
        let control = reader.control().clone();
        control.in_span(|| file::save(reader, path, &options))
    }
}

/// Fails with `InvalidInput` if more bytes would arrive than the options accept.
fn check_length(length: u64, most: Option<u64>) -> Result<()> {
    match most {
        Some(most) if length > most => Err(Error::invalid_input(
            "max_length",
            format!(
                "{length} bytes would arrive, and at most {most} are accepted; accept more, or ask for a range"
            ),
        )),
        _ => Ok(()),
    }
}

/// The size of the ranges for a file of this length: as many ranges as there are workers, or a
/// multiple of that, so that no worker waits for a last range.
fn range_size(length: u64, workers: usize) -> u64 {
    let workers = u64::try_from(workers).unwrap_or(u64::MAX).max(1);
    let rounds = length.div_ceil(MAX_RANGE).div_ceil(workers).max(1);
    let count = rounds
        .saturating_mul(workers)
        .min(length / MIN_RANGE)
        .max(1);
    length.div_ceil(count).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{MAX_RANGE, MIN_RANGE, range_size};

    #[test]
    fn ranges_are_shared_out_evenly_among_the_workers() {
        let gib = 1 << 30;
        assert_eq!(range_size(gib, 10), 107_374_183);
        assert_eq!(range_size(gib, 4), 89_478_486);
        assert_eq!(range_size(25_000_000, 10), 12_500_000);
        assert_eq!(range_size(9_999_999, 10), 9_999_999);
        assert_eq!(range_size(0, 10), 1);
    }

    proptest! {
        #[test]
        fn ranges_are_neither_too_small_nor_too_large(length in MIN_RANGE..=10_000_000_000_000, workers in 0..100_usize) {
            let size = range_size(length, workers);
            assert!((MIN_RANGE..=MAX_RANGE).contains(&size), "{size}");
        }
    }
}
