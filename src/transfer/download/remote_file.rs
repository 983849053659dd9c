//! A stored file that is read like a local one: from any position, and by several threads.
//!
//! 1. Opening describes the version with a HEAD request, or takes the description from a listing,
//!    which needs no request. Every later request names the version's id, so that a newer version
//!    is never mixed in.
//! 2. Reads are served from blocks in memory (`blocks`). They are fetched when they are read
//!    (`shared`), or earlier if reads follow one another (`pattern`, `reading`).
//! 3. A handle that has returned all bytes in order compares their SHA-1 before it returns the last
//!    ones.

mod blocks;
mod pattern;
mod reading;
mod shared;

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use self::reading::{Reader, Reading, Settings};
use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::model::file::{FileAction, FileVersion};
use crate::model::secret::SseCustomerKey;
use crate::model::sha1::Sha1Hasher;
use crate::raw::DownloadRequest;
use crate::setters::setters;
use crate::transfer::Transfer;
use crate::transfer::download::Verification;
use crate::transfer::download::reader::verify;
use crate::transfer::download::stream::PinnedVersion;

/// The size of the cache if the caller does not choose one, in bytes.
const CACHE_SIZE: u64 = 32 * 1024 * 1024;

/// Options for opening a stored file as a [`RemoteFile`].
///
/// They are given to [`Bucket::open_file_with`](crate::Bucket::open_file_with),
/// [`open_file_by_id_with`](crate::Bucket::open_file_by_id_with) and
/// [`open_version`](crate::Bucket::open_version), and apply to the returned handle and all its
/// clones for as long as these exist. They decide how much memory and how many requests reading
/// takes; the bytes that are read do not depend on them. The defaults suit a file that is read
/// from the beginning to the end, and one of which a few places are read again and again.
///
/// | how the file is read | what to set |
/// | --- | --- |
/// | in order, or at few places | nothing |
/// | at random places, each once | a small `cache_size`, and `read_ahead(false)` |
/// | in order, with little memory | a small `cache_size` |
/// | encrypted with a customer's key | `encryption_key` |
/// | from a thread that must be able to stop | `cancel` |
///
/// ```
/// use b2sdk::streams::OpenFileOptions;
///
/// let options = OpenFileOptions::new().cache_size(4_000_000).read_ahead(false);
/// assert_eq!(options.cache_size, 4_000_000);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenFileOptions {
    /// The largest amount of memory that the cache of the file takes, in bytes. The default is 32
    /// MiB. All handles of the file share it. It counts against
    /// [`B2ApiBuilder::memory_limit`](crate::B2ApiBuilder::memory_limit), and is given up when a
    /// transfer waits for memory.
    ///
    /// If it is 0, nothing is cached: each [`read_at`](RemoteFile::read_at) is a request, and a handle
    /// that is read in order receives its bytes from a response that stays open until a read
    /// elsewhere.
    pub cache_size: u64,
    /// Whether ranges ahead of sequential reads are fetched before they are read, on threads of
    /// their own. The default is `true`. At most half of the cache is used for it. Random reads do
    /// not cause it.
    pub read_ahead: bool,
    /// The customer's key that the file is encrypted with (SSE-C).
    ///
    /// It is sent with every request of this file. A file that is encrypted otherwise, or not at
    /// all, needs none. Without the right key, opening fails with [`Error::EncryptionKey`]; a file
    /// that was opened from a listing, without a request, fails when it is first read.
    pub encryption_key: Option<SseCustomerKey>,
    /// The token that cancels opening and all reads, of every clone of the handle.
    ///
    /// Reads that are waiting wake up and fail with [`Error::Cancelled`].
    pub cancel: Option<CancelToken>,
}

impl Default for OpenFileOptions {
    fn default() -> Self {
        Self {
            cache_size: CACHE_SIZE,
            read_ahead: true,
            encryption_key: None,
            cancel: None,
        }
    }
}

setters! {
    new OpenFileOptions {
        cache_size: u64,
        read_ahead: bool,
    }
    shared {
        encryption_key: SseCustomerKey,
        cancel: CancelToken,
    }
}

/// A version of a stored file that is read like a local file: [`Read`] and [`Seek`], or
/// [`read_at`](Self::read_at) from several threads.
///
/// It is for programs that need parts of a file, in any order: archives, databases, media, range
/// servers. To get all of a file, a [`Download`](crate::Download) is simpler, and saves it in
/// parallel.
///
/// Only what is read is downloaded, in blocks of 256 KiB, which stay in a cache of limited size.
/// When reads follow one another, ranges ahead of them are fetched at the same time, and more of
/// them the longer that continues. A handle that jumps to another place gives up what is still on
/// its way, and begins again with single blocks. A connection that breaks is replaced. The version is pinned by
/// its id: an upload under the same name changes nothing. If the version is deleted, reads of what
/// is not cached fail with [`Error::FileNotFound`].
///
/// Clones share the cache and have a position of their own. A program that reads at several places
/// in turn uses a clone for each of them, so that each reads ahead. Dropping a clone ends what was
/// read ahead for it alone.
///
/// Each request to the service is billed as a download (class B). A random read takes one for each
/// block that is not cached. Sequential reads take larger requests the longer they continue, up to
/// 2 MiB each with the default cache, and an eighth of the cache if that is smaller: a file of 10
/// MB that is read in order takes 8 requests. With `read_ahead(false)` it takes one for each block.
/// A reader that stops, or jumps, has requested at most as many bytes ahead as it had read in order,
/// or up to 2 MiB if it has never jumped before.
///
/// # Verification
///
/// The service knows one SHA-1, that of the whole file. A handle that has returned all bytes in
/// order, from the first to the last, has verified them, however small its reads were and whatever
/// it read in between: the read that would return the last byte fails with
/// [`Error::ChecksumMismatch`] if they are wrong. What was read in pieces is not verified;
/// [`verification`](Self::verification) tells which it is. Each handle is verified by itself, and a
/// clone begins with nothing read.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start()?;
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
/// use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
///
/// bucket.upload_bytes(b"first line\nsecond line\n", "notes.txt")?;
/// let mut file = bucket.open_file("notes.txt")?;
/// file.seek(SeekFrom::End(-5))?;
/// let mut end = String::new();
/// file.read_to_string(&mut end)?;
/// assert_eq!(end, "line\n");
///
/// let mut first = [0; 5];
/// file.read_exact_at(&mut first, 0)?;
/// assert_eq!(&first, b"first");
///
/// file.rewind()?;
/// assert_eq!(BufReader::new(&mut file).lines().count(), 2);
/// assert_eq!(file.verification(), b2sdk::Verification::Verified);
/// # }
/// # Ok::<_, anyhow::Error>(())
/// ```
pub struct RemoteFile {
    /// The version, its cache and its threads, shared with the clones.
    reading: Arc<Reading>,
    /// Where the next `read` begins.
    position: u64,
    /// How much of the file this handle has returned in order.
    in_order: InOrder,
    /// Where it has read, and what it keeps for the next read.
    reader: Reader,
}

/// The bytes that a handle has returned in order. A clone begins with none.
#[derive(Default)]
struct InOrder {
    /// The number of bytes from the beginning of the file.
    until: u64,
    /// Their hash.
    hasher: Sha1Hasher,
    /// Whether they are all of the file, and were verified.
    is_complete: bool,
}

impl RemoteFile {
    /// Opens a version that `request` has described. Sends no request.
    pub(crate) fn new(
        transfer: Transfer<'_>,
        request: &DownloadRequest,
        version: FileVersion,
        options: &OpenFileOptions,
    ) -> Result<Self> {
        let OpenFileOptions {
            cache_size,
            read_ahead,
            encryption_key,
            cancel: _,
        } = options;
        if version.action != FileAction::Upload {
            return Err(Error::invalid_input(
                "version",
                "it is no file with content",
            ));
        }
        let pinned = PinnedVersion {
            request: request
                .pinned_to(&version.file_id)
                .with_key(encryption_key.as_ref()),
            file_id: version.file_id.clone(),
            length: version.content_length,
        };
        let settings = Settings {
            cache_size: *cache_size,
            read_ahead: *read_ahead,
        };
        let reading = Reading::new(transfer, version, pinned, &settings);
        Ok(Self {
            reading: Arc::new(reading),
            position: 0,
            in_order: InOrder::default(),
            reader: Reader::default(),
        })
    }

    /// Returns the version that is read.
    #[must_use]
    pub fn version(&self) -> &FileVersion {
        self.reading.version()
    }

    /// Returns the length of the file, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.reading.length()
    }

    /// Returns whether the bytes that this handle has returned are known to be right.
    ///
    /// Once it has returned all of the file in order, that is [`Verified`](Verification::Verified),
    /// or [`NoChecksum`](Verification::NoChecksum) if nobody recorded a checksum. Before that, and
    /// for what [`read_at`](Self::read_at) returns, it is [`PartOfFile`](Verification::PartOfFile).
    #[must_use]
    pub fn verification(&self) -> Verification {
        match self.version().sha1() {
            _ if !self.in_order.is_complete => Verification::PartOfFile,
            Some(_) => Verification::Verified,
            None => Verification::NoChecksum,
        }
    }

    /// Returns the number of bytes of content that have arrived so far for all clones, including
    /// those that were read ahead.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.reading.counter().moved()
    }

    /// Returns the number of times that something was requested again for all clones, because an
    /// attempt failed or its connection broke.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.reading.counter().retries()
    }

    /// Reads bytes from `offset` on, and returns their number, which is 0 at the end of the file
    /// and may be less than the size of the buffer. The handle's position is neither used nor
    /// changed, so several threads can read through one handle at the same time.
    ///
    /// # Errors
    /// An [`Error`] inside the `io::Error`, which `io::Error::downcast` extracts: [`Error::FileNotFound`] if
    /// the version was deleted, [`Error::Truncated`] or [`Error::Connection`] if the bytes could not be had
    /// after all attempts, [`Error::NotAllowed`], [`Error::Cancelled`], or the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(self.reading.read_at(buffer, offset, None)?)
    }

    /// Fills the buffer with the bytes from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before that; otherwise an [`Error`] inside the `io::Error`, which
    /// `io::Error::downcast` extracts: [`Error::FileNotFound`] if the version was deleted, [`Error::Truncated`]
    /// or [`Error::Connection`] if the bytes could not be had after all attempts, or the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            let read = self.read_at(buffer, offset)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = buffer.get_mut(read..).unwrap_or_default();
            offset += read as u64;
        }
        Ok(())
    }

    /// Hashes bytes that are about to be returned, if they continue those that were returned in
    /// order. Fails with `ChecksumMismatch` if they complete the file and it is wrong.
    fn note(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.position + bytes.len() as u64;
        let skipped = self.in_order.until.checked_sub(self.position);
        let new = skipped
            .and_then(|skipped| bytes.get(usize::try_from(skipped).ok()?..))
            .filter(|_| !self.in_order.is_complete);
        let Some(new) = new else {
            return Ok(());
        };
        let expected = self.version().sha1();
        let is_complete = end == self.length();
        let mut hasher = self.in_order.hasher.clone();
        if expected.is_some() {
            hasher.update(new);
        }
        if is_complete && let Err(wrong) = verify(expected, hasher.clone()) {
            // It is not known which block is wrong.
            self.reading.forget();
            self.reader.forget();
            return Err(wrong);
        }
        self.in_order = InOrder {
            until: end.max(self.in_order.until),
            hasher,
            is_complete,
        };
        Ok(())
    }
}

/// A clone begins at the position of the handle. It shares the cache, and is verified by itself: as
/// it has returned nothing yet, it reports [`Verification::PartOfFile`], whatever the handle has
/// read before.
impl Clone for RemoteFile {
    fn clone(&self) -> Self {
        Self {
            reading: Arc::clone(&self.reading),
            position: self.position,
            in_order: InOrder::default(),
            reader: Reader::default(),
        }
    }
}

/// What is on its way for a handle that is dropped is cut off, unless another one reads there, too.
impl Drop for RemoteFile {
    fn drop(&mut self) {
        self.reading.close(&mut self.reader);
    }
}

impl Read for RemoteFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let reader = Some(&mut self.reader);
        let read = self.reading.read_at(buffer, self.position, reader)?;
        self.note(buffer.get(..read).unwrap_or_default())?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for RemoteFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let wanted = match position {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.length().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = wanted.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "there is no position before the beginning of a file",
            )
        })?;
        Ok(self.position)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        Ok(self.position)
    }
}

impl fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteFile")
            .field("version", self.version())
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
