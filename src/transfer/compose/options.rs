//! The options for a composed file.

use std::sync::Arc;

use crate::control::cancel::CancelToken;
use crate::control::progress::Progress;
use crate::model::encryption::Encryption;
use crate::model::file_info::FileInfo;
use crate::model::id::BucketId;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::sha1::Sha1Digest;
use crate::model::time::Timestamp;
use crate::setters::{sets, setters};
use crate::transfer::new_file::NewFile;
use crate::transfer::resume::Resume;

/// Which piece is used where a local and a remote one provide the same bytes of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Overlap {
    /// Uses the remote piece, so that as little as possible is uploaded. A remote piece that has not
    /// enough left for a part of its own (5 MB) yields to a local one.
    #[default]
    Remote,
    /// Uses the local piece; remote pieces fill what is missing.
    Local,
    /// Uses the remote piece if it has the SHA-1 of the local one. Otherwise the call fails, and no file is
    /// created. Parts end where local pieces do, so that they can be compared. Bytes that are too few for
    /// a part of their own are not compared.
    Verify,
}

/// Options for a file that is composed of pieces.
///
/// ```
/// use b2sdk::compose::{ComposeOptions, Overlap};
/// use b2sdk::FileInfo;
///
/// let options = ComposeOptions::new()
///     .content_type("application/x-tar")
///     .file_info(FileInfo::new().with("author", "Åsa"))
///     .overlap(Overlap::Local);
/// assert_eq!(options.overlap, Overlap::Local);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ComposeOptions {
    /// The MIME type. The service derives it from the name's extension if there is none. The types of
    /// remote pieces are not used.
    pub content_type: Option<String>,
    /// The names and values to store with the file. Those of remote pieces are not used.
    pub file_info: FileInfo,
    /// Which piece is used where local and remote ones overlap.
    pub overlap: Overlap,
    /// How the service encrypts the file, whatever its pieces are encrypted with; the bucket's default
    /// if not set. The id of a customer's key is recorded in the file info.
    pub encryption: Option<Encryption>,
    /// Until when the file cannot be deleted; the bucket's default if not set. Needs a bucket with object
    /// lock, and the capability `writeFileRetentions`.
    pub retention: Option<FileRetention>,
    /// Whether the file is on legal hold. Needs a bucket with object lock, and the capability
    /// `writeFileLegalHolds`.
    pub legal_hold: Option<LegalHold>,
    /// The upload time that the file gets instead of the present, as for
    /// [`UploadOptions`](crate::UploadOptions::upload_timestamp).
    pub upload_timestamp: Option<Timestamp>,
    /// The size of uploaded parts, and the largest size of copied ones, in bytes.
    ///
    /// If not set, this is the size that the service recommends (100 MB), and 1 GB for copies. At least
    /// 5 MB, at most 5 GB. Parts are larger than asked for where a file would have more than 10,000 of
    /// them.
    pub part_size: Option<u64>,
    /// The SHA-1 of the whole, to be recorded if the file is made in parts. It cannot be computed here
    /// without downloading the remote pieces, and is not checked.
    pub large_file_sha1: Option<Sha1Digest>,
    /// Whether a file in parts completes an unfinished one of the same plan, whose uploaded parts have
    /// the content of the local pieces, and leaves one if it fails. If stored pieces are copied, the plan
    /// is recorded for that, as `plan_id` in the file info. Streams of pieces cannot be resumed.
    pub resume: Resume,
    /// Receives reports of how far the file is. Copied parts count when they are made.
    pub progress: Option<Arc<dyn Progress>>,
    /// Cancels the composition.
    pub cancel: Option<CancelToken>,
}

setters! {
    new ComposeOptions {
        file_info: FileInfo,
        overlap: Overlap,
        retention: FileRetention,
        legal_hold: LegalHold,
        part_size: u64,
        large_file_sha1: Sha1Digest,
        resume: Resume,
    }
    into {
        content_type: String,
        encryption: Encryption,
        upload_timestamp: Timestamp,
    }
    shared {
        cancel: CancelToken,
    }
}

impl ComposeOptions {
    #[doc = sets!(progress)]
    #[must_use]
    pub fn progress(mut self, receiver: impl Progress + 'static) -> Self {
        self.progress = Some(Arc::new(receiver));
        self
    }

    pub(crate) fn new_file<'a>(&'a self, bucket: &'a BucketId, name: &'a str) -> NewFile<'a> {
        NewFile {
            bucket,
            name,
            content_type: self.content_type.as_deref().map(Into::into),
            info: self.file_info.clone(),
            encryption: self.encryption.as_ref(),
            retention: self.retention.as_ref(),
            legal_hold: self.legal_hold.as_ref(),
            upload_timestamp: self.upload_timestamp,
        }
    }
}
