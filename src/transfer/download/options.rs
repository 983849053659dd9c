//! The options of downloads. They are the arguments of many calls, so they are documented here once.

use std::sync::Arc;

use crate::control::cancel::CancelToken;
use crate::control::progress::Progress;
use crate::model::range::ByteRange;
use crate::model::secret::SseCustomerKey;
use crate::setters::{sets, setters};

/// Options for a download.
///
/// ```
/// use b2sdk::DownloadOptions;
///
/// let options = DownloadOptions::new().range(100..=199);
/// assert_eq!(options.range.unwrap().to_string(), "bytes=100-199");
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DownloadOptions {
    /// The bytes to download: `0..=99`, `100..`, or [`ByteRange::last`]. They are not verified,
    /// because the service knows only the checksum of the whole file.
    pub range: Option<ByteRange>,
    /// The most bytes that a download may have: the length of the version, or of the
    /// [`range`](Self::range). There is no limit if it is not set.
    ///
    /// A longer download fails with [`Error::InvalidInput`](crate::Error::InvalidInput) when the headers have
    /// arrived, before any content is read. The request is billed in class B all the same. A program that
    /// reads files of others into memory sets it, because a name may lead to any number of bytes.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"hello", "settings.json")?;
    /// use b2sdk::{DownloadOptions, Error};
    ///
    /// let options = DownloadOptions::new().max_length(1_000_000);
    /// let settings = bucket.download_file_by_name_with("settings.json", &options)?.read_to_vec()?;
    /// assert_eq!(settings, b"hello");
    ///
    /// let refused = bucket.download_file_by_name_with("settings.json", &options.max_length(4));
    /// assert!(matches!(refused, Err(Error::InvalidInput { what: "max_length", .. })));
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    pub max_length: Option<u64>,
    /// The size of the ranges, in bytes, in which a larger download is requested, several at a time.
    ///
    /// If it is not set, a download to a path has one range for each worker, or a multiple of that, so
    /// that a range has 10,000,000 to 128,000,000 bytes. A download that can be verified begins with
    /// one response then, and other ranges are requested if hashing has to wait for it; if it does
    /// not, everything comes in one response. [`write_to`](crate::Download::write_to) says what it does.
    /// Each range is a request of its own, billed in class B.
    pub part_size: Option<u64>,
    /// Whether [`save_to`](crate::Download::save_to) completes what an earlier download of the same
    /// version to the same path has left, and leaves what has arrived if it fails or is killed.
    ///
    /// Two files remain beside the path, `.b2-download-<name>.part` and
    /// `.b2-download-<name>.record`, until the download succeeds or a download of another version
    /// begins. Deleting both discards it. A file of at most 16 MiB, or of a single range, is
    /// downloaded from its beginning.
    pub resume: bool,
    /// Whether [`save_to`](crate::Download::save_to) leaves out flushing the file and its directory to disk.
    ///
    /// Without it, a file that was saved is there after a power failure, or a crash of the system. With
    /// it, the file can then be empty, incomplete or missing, and what it replaced can be lost as well.
    /// A crash of the program alone does no harm. Flushing takes two waits for the disk, which for small
    /// files are most of their time. A program that can download everything again can do without it, or
    /// flush once after many files (`sync` on Unix). It is always done for a file that `resume` completes.
    pub skip_flush: bool,
    /// Whether a large file is downloaded although its bytes do not have the SHA-1 that its uploader recorded
    /// as `large_file_sha1`.
    ///
    /// A program may have recorded a wrong value, and the file could not be downloaded at all otherwise. The
    /// result then tells [`Verification::Mismatch`](crate::Verification::Mismatch), and nothing shows any more whether the bytes are right. A
    /// SHA-1 that the service itself computed is always insisted on.
    pub accept_mismatch: bool,
    /// The customer's key that the file is encrypted with (SSE-C).
    ///
    /// The service does not keep such a key, so the program has to provide the one that the file
    /// was uploaded with. If the key was given an id, the id is in the file info of the version, as
    /// `sse_c_key_id`. The key is sent with each request of the download, also with those of other
    /// ranges and after a broken connection. A file that is encrypted by the service with its own
    /// keys (SSE-B2), or not at all, needs none.
    ///
    /// Without the right key the download fails with [`Error::EncryptionKey`](crate::Error::EncryptionKey), before any content
    /// arrives.
    pub encryption_key: Option<SseCustomerKey>,
    /// The receiver of progress reports.
    ///
    /// It is called from the threads that receive the content, at most about ten times a second.
    /// The last report of a download that succeeds has the stage
    /// [`Done`](crate::progress::TransferStage::Done).
    pub progress: Option<Arc<dyn Progress>>,
    /// The token that cancels the download.
    pub cancel: Option<CancelToken>,
}

setters! {
    new DownloadOptions {
        max_length: u64,
        part_size: u64,
        resume: bool,
        skip_flush: bool,
        accept_mismatch: bool,
    }
    into {
        range: ByteRange,
    }
    shared {
        encryption_key: SseCustomerKey,
        cancel: CancelToken,
    }
}

impl DownloadOptions {
    #[doc = sets!(progress)]
    #[must_use]
    pub fn progress(mut self, receiver: impl Progress + 'static) -> Self {
        self.progress = Some(Arc::new(receiver));
        self
    }
}
