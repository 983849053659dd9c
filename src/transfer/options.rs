//! The options for uploads, copies and compositions, and the [`NewFile`] that each of them
//! describes.
//!
//! What they have in common is documented in each of them, because each is read by itself.

use std::borrow::Cow;
use std::sync::Arc;

use crate::control::cancel::CancelToken;
use crate::control::progress::Progress;
use crate::model::encryption::Encryption;
use crate::model::file_info::FileInfo;
use crate::model::id::BucketId;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::range::ByteRange;
use crate::model::secret::SseCustomerKey;
use crate::model::sha1::Sha1Digest;
use crate::model::time::Timestamp;
use crate::setters::{sets, setters};
use crate::transfer::new_file::{LargeFileSha1, NewFile};
use crate::transfer::resume::Resume;

/// Options for an upload.
///
/// ```
/// use b2sdk::{FileInfo, UploadOptions};
///
/// let options = UploadOptions::new()
///     .content_type("text/plain")
///     .file_info(FileInfo::new().with("author", "Åsa").cache_control("max-age=3600"));
/// assert_eq!(options.content_type.as_deref(), Some("text/plain"));
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct UploadOptions {
    /// The MIME type. If it is not set, the service derives it from the name's extension.
    pub content_type: Option<String>,
    /// Whether the MIME type is derived from the name's extension here, if `content_type` is not set. The table
    /// is larger than that of the service, which knows no `.rs`, `.jsonl` or `.avif`. Other extensions are left
    /// to the service.
    #[cfg(feature = "mime-guess")]
    #[cfg_attr(docsrs, doc(cfg(feature = "mime-guess")))]
    pub guess_content_type: bool,
    /// The names and values to store with the file, at most ten of them.
    ///
    /// The crate adds entries of its own as far as there is room beside the caller's. If there is not,
    /// `src_last_modified_millis` is left out first, then `large_file_sha1`. The id of a customer's key
    /// (`sse_c_key_id`) is never left out: without room for it the upload is refused with
    /// [`Error::InvalidInput`](crate::Error::InvalidInput).
    pub file_info: FileInfo,
    /// When the source was last changed, recorded as `src_last_modified_millis` in the file info.
    /// If it is not set, the modification time of a local file is used.
    pub src_last_modified: Option<Timestamp>,
    /// How the service encrypts the file. If it is not set, the bucket's default applies.
    /// [`Encryption::None`] cannot be asked for. The id of a customer's key is recorded in the file
    /// info.
    pub encryption: Option<Encryption>,
    /// The retention of the file, which protects it from deletion. If it is not set, the bucket's
    /// default applies. Needs a bucket with object lock and the capability `writeFileRetentions`.
    pub retention: Option<FileRetention>,
    /// Whether the file is under legal hold, which protects it from deletion until the hold is
    /// released. Needs a bucket with object lock and the capability `writeFileLegalHolds`.
    pub legal_hold: Option<LegalHold>,
    /// The upload time that the file gets instead of the present time. It cannot be in the future.
    /// A version with an earlier time than another version of its name is not the latest one. The
    /// service allows this only for some accounts.
    pub upload_timestamp: Option<Timestamp>,
    /// The size of a part, in bytes. A file that is not larger is uploaded in one request.
    ///
    /// If it is not set, it is the size that the service recommends (100 MB), and for streams of
    /// unknown length 16 MB, growing with the number of parts. A reader of known length is uploaded in
    /// parts of 16 MB if it is larger than 100 MB, and so is what can be [resumed](Self::resume). The size must be at least 5 MB and at most
    /// 5 GB. Parts are larger than asked for if a file would otherwise have more than 10,000 of
    /// them. A stream or a reader needs memory for each part that is being sent.
    pub part_size: Option<u64>,
    /// Which SHA-1 is recorded for a file that is uploaded in parts.
    pub large_file_sha1: LargeFileSha1,
    /// Whether the upload completes what an earlier upload in parts left unfinished. Streams cannot
    /// be resumed, because they can be read only once.
    ///
    /// An upload that may resume leaves its parts when it fails. Whatever its failure is, such as
    /// [`Error::Cancelled`](crate::Error::Cancelled), it is then inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft): match on
    /// [`Error::failure`](crate::Error::failure), which returns the failure itself whether or not a file is left.
    pub resume: Resume,
    /// Whether a local file may grow while [`upload_local_file_with`](crate::Bucket::upload_local_file_with)
    /// uploads it, as a log does.
    ///
    /// The file is then uploaded as it is in the beginning, without what is appended later. It is read once
    /// before anything is sent, also if it fits into one request. The upload fails with
    /// [`Error::SourceChanged`](crate::Error::SourceChanged) only if bytes are changed that the file had in the
    /// beginning, or if another file takes its place. Other uploads ignore this option;
    /// [`upload_appended_file`](crate::Bucket::upload_appended_file) always lets a file grow.
    pub may_grow: bool,
    /// The receiver of progress reports: a closure, or a type that implements [`Progress`].
    ///
    /// Each [`TransferProgress`](crate::progress::TransferProgress) that it receives has the bytes
    /// sent so far, the total if it is known, and the stage. An upload in parts that computes a
    /// SHA-1 first begins in the stage `Hashing`, in which the bytes are those that were read. The
    /// last report of an upload that succeeds has the stage
    /// [`Done`](crate::progress::TransferStage::Done).
    ///
    /// The receiver is called from the threads that send the content, at most about ten times a
    /// second, and the content waits for it. It must not start transfers on the same
    /// [`B2Api`](crate::B2Api). Several uploads may share one receiver; the id in each report tells
    /// them apart.
    pub progress: Option<Arc<dyn Progress>>,
    /// The token that cancels the upload.
    pub cancel: Option<CancelToken>,
}

setters! {
    new UploadOptions {
        file_info: FileInfo,
        retention: FileRetention,
        legal_hold: LegalHold,
        part_size: u64,
        large_file_sha1: LargeFileSha1,
        resume: Resume,
        may_grow: bool,
    }
    into {
        content_type: String,
        src_last_modified: Timestamp,
        encryption: Encryption,
        upload_timestamp: Timestamp,
    }
    shared {
        cancel: CancelToken,
    }
}

impl UploadOptions {
    #[doc = sets!(guess_content_type)]
    #[cfg(feature = "mime-guess")]
    #[cfg_attr(docsrs, doc(cfg(feature = "mime-guess")))]
    #[must_use]
    pub const fn guess_content_type(mut self, guess: bool) -> Self {
        self.guess_content_type = guess;
        self
    }

    #[doc = sets!(progress)]
    #[must_use]
    pub fn progress(mut self, receiver: impl Progress + 'static) -> Self {
        self.progress = Some(Arc::new(receiver));
        self
    }

    /// The content type for the name's extension, if the options ask for it.
    #[cfg(feature = "mime-guess")]
    fn guess(&self, name: &str) -> Option<&'static str> {
        let guess = || match name.rsplit_once('.') {
            // Not in the table.
            Some((_, "jsonl" | "ndjson")) => Some("application/x-ndjson"),
            _ => mime_guess::from_path(name).first_raw(),
        };
        self.guess_content_type.then(guess).flatten()
    }

    #[cfg(not(feature = "mime-guess"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    const fn guess(&self, _name: &str) -> Option<&'static str> {
        None
    }

    /// The file that an upload with these options creates.
    pub(crate) fn new_file<'a>(&'a self, bucket: &'a BucketId, name: &'a str) -> NewFile<'a> {
        NewFile {
            bucket,
            name,
            content_type: self
                .content_type
                .as_deref()
                .or_else(|| self.guess(name))
                .map(Into::into),
            info: self.file_info.clone(),
            has_own_time: false,
            has_file_time: false,
            encryption: self.encryption.as_ref(),
            retention: self.retention.as_ref(),
            legal_hold: self.legal_hold.as_ref(),
            upload_timestamp: self.upload_timestamp,
        }
    }
}

/// The source of a copy's content type and file info.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start()?;
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
/// # let source = bucket.upload_bytes(b"{}", "data")?.into_version();
/// use b2sdk::{CopyMetadata, CopyOptions, FileInfo};
///
/// let metadata = CopyMetadata::Replace {
///     content_type: "application/json".into(),
///     file_info: FileInfo::new().with("checked", "yes"),
/// };
/// let options = CopyOptions::new().metadata(metadata);
/// let copy = bucket.copy_with(&source.file_id, "data.json", &options)?;
/// assert_eq!(copy.content_type.as_deref(), Some("application/json"));
/// # }
/// # Ok::<_, anyhow::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CopyMetadata {
    /// Keeps those of the source, except for entries that are not true of the copy: `sse_c_key_id`
    /// becomes the id of the copy's own key or is left out, and `large_file_sha1` is left out if
    /// only a range is copied. If either can be the case, the source's file info is requested
    /// first, which needs the capability `readFiles`.
    #[default]
    Keep,
    /// Uses these instead of the source's.
    Replace {
        /// The MIME type.
        content_type: String,
        /// The names and values to store with the copy.
        file_info: FileInfo,
    },
}

/// Options for a copy.
///
/// ```
/// use b2sdk::{CopyMetadata, CopyOptions, FileInfo};
///
/// let options = CopyOptions::new()
///     .range(0..=99)
///     .metadata(CopyMetadata::Replace { content_type: "text/plain".into(), file_info: FileInfo::new() });
/// assert!(options.range.is_some());
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CopyOptions {
    /// Copies only these bytes: `0..100`, `100..`, or [`ByteRange::last`].
    pub range: Option<ByteRange>,
    /// The type and file info of the copy.
    pub metadata: CopyMetadata,
    /// The customer's key that the source is encrypted with (SSE-C).
    pub source_encryption_key: Option<SseCustomerKey>,
    /// How the service encrypts the copy, however the source is encrypted. If it is not set, the
    /// default of the destination bucket applies. The id of a customer's key is recorded in the
    /// file info.
    pub encryption: Option<Encryption>,
    /// The retention of the copy, which protects it from deletion. If it is not set, the default of
    /// the destination bucket applies; the source's own retention is not copied. Needs a bucket
    /// with object lock and the capability `writeFileRetentions`.
    pub retention: Option<FileRetention>,
    /// Whether the copy is under legal hold. The source's own hold is not copied. Needs a bucket
    /// with object lock and the capability `writeFileLegalHolds`.
    pub legal_hold: Option<LegalHold>,
    /// The size of a part, in bytes. A source that is not larger is copied in one request.
    ///
    /// If it is not set, up to 5 GB are copied in one request, and more in parts of 1 GB. It must
    /// be at least 5 MB and at most 5 GB. Parts are larger than asked for if a file would otherwise
    /// have more than 10,000 of them.
    pub part_size: Option<u64>,
    /// Whether a copy in parts completes an unfinished one of the same source, and is left
    /// unfinished if it fails. To make that possible, the source and its ranges are recorded as
    /// `plan_id` in the copy's file info. Unless this is [`Resume::Never`], the length of the
    /// source is requested first.
    pub resume: Resume,
    /// The receiver of progress reports, which come when a part is complete.
    pub progress: Option<Arc<dyn Progress>>,
    /// The token that cancels the copy. A request that the service is already working on may still
    /// create the copy.
    pub cancel: Option<CancelToken>,
}

setters! {
    new CopyOptions {
        metadata: CopyMetadata,
        retention: FileRetention,
        legal_hold: LegalHold,
        part_size: u64,
        resume: Resume,
    }
    into {
        range: ByteRange,
        encryption: Encryption,
    }
    shared {
        source_encryption_key: SseCustomerKey,
        cancel: CancelToken,
    }
}

impl CopyOptions {
    #[doc = sets!(progress)]
    #[must_use]
    pub fn progress(mut self, receiver: impl Progress + 'static) -> Self {
        self.progress = Some(Arc::new(receiver));
        self
    }

    /// The file that a copy with these options creates.
    pub(crate) fn new_file<'a>(&'a self, bucket: &'a BucketId, name: &'a str) -> NewFile<'a> {
        let (content_type, info) = match &self.metadata {
            CopyMetadata::Keep => (None, FileInfo::new()),
            CopyMetadata::Replace {
                content_type,
                file_info,
            } => (Some(Cow::from(content_type)), file_info.clone()),
        };
        NewFile {
            bucket,
            name,
            content_type,
            info,
            has_own_time: false,
            has_file_time: false,
            encryption: self.encryption.as_ref(),
            retention: self.retention.as_ref(),
            legal_hold: self.legal_hold.as_ref(),
            upload_timestamp: None,
        }
    }
}

/// Which piece is used where a local and a remote piece provide the same bytes of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Overlap {
    /// Uses the remote piece, so that as little as possible is uploaded. If too little of it is
    /// left for a part of its own (5 MB), the local piece is used.
    #[default]
    Remote,
    /// Uses the local piece. Remote pieces provide only what no local piece has.
    Local,
    /// Uses the remote piece if it has the SHA-1 of the local one. Otherwise the call fails with
    /// [`Error::InvalidInput`](crate::Error::InvalidInput), and no file is created. Parts end where
    /// local pieces end, so that they can be compared. Bytes that are too few for a part of their
    /// own are not compared.
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
    /// The MIME type. If it is not set, the service derives it from the name's extension. The types
    /// of remote pieces are not used.
    pub content_type: Option<String>,
    /// The names and values to store with the file. Those of remote pieces are not used.
    pub file_info: FileInfo,
    /// Which piece is used where local and remote ones overlap.
    pub overlap: Overlap,
    /// How the service encrypts the file, however its pieces are encrypted. If it is not set, the
    /// bucket's default applies. The id of a customer's key is recorded in the file info.
    pub encryption: Option<Encryption>,
    /// The retention of the file, which protects it from deletion. If it is not set, the bucket's
    /// default applies. Needs a bucket with object lock and the capability `writeFileRetentions`.
    pub retention: Option<FileRetention>,
    /// Whether the file is under legal hold. Needs a bucket with object lock and the capability
    /// `writeFileLegalHolds`.
    pub legal_hold: Option<LegalHold>,
    /// The upload time that the file gets instead of the present time. It cannot be in the future.
    /// The service allows this only for some accounts. A file with its own upload time is made in
    /// parts, or uploaded, because `b2_copy_file` does not take one.
    pub upload_timestamp: Option<Timestamp>,
    /// The size of uploaded parts, and the largest size of copied ones, in bytes.
    ///
    /// If it is not set, it is the size that the service recommends (100 MB) for uploaded parts and
    /// 1 GB for copied ones. It must be at least 5 MB and at most 5 GB. Parts are larger than asked
    /// for if a file would otherwise have more than 10,000 of them.
    pub part_size: Option<u64>,
    /// The SHA-1 of the whole file, recorded if the file is made in parts. It cannot be computed
    /// here without downloading the remote pieces, and it is not checked.
    pub large_file_sha1: Option<Sha1Digest>,
    /// Whether a file in parts completes an unfinished one of the same plan, whose uploaded parts
    /// have the content of the local pieces, and is left unfinished if it fails. If stored pieces
    /// are copied, the plan is recorded for that purpose as `plan_id` in the file info. Streams of
    /// pieces cannot be resumed.
    pub resume: Resume,
    /// The receiver of progress reports. A copied part counts when it is complete.
    pub progress: Option<Arc<dyn Progress>>,
    /// The token that cancels the composition.
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

    /// The file that a composition with these options creates.
    pub(crate) fn new_file<'a>(&'a self, bucket: &'a BucketId, name: &'a str) -> NewFile<'a> {
        NewFile {
            bucket,
            name,
            content_type: self.content_type.as_deref().map(Into::into),
            info: self.file_info.clone(),
            has_own_time: false,
            has_file_time: false,
            encryption: self.encryption.as_ref(),
            retention: self.retention.as_ref(),
            legal_hold: self.legal_hold.as_ref(),
            upload_timestamp: self.upload_timestamp,
        }
    }
}
