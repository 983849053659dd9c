//! Uploading: the options for it, what is checked before a byte is sent, and the choice between one
//! request (`small`) and a large file in parts (`parted`; `buffered` for what can be read only once).

mod buffered;
pub(in crate::transfer) mod small;
pub(crate) mod writer;

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use crate::account_info::AuthSnapshot;
use crate::control::cancel::CancelToken;
use crate::control::progress::Progress;
use crate::error::Result;
use crate::model::auth::AccountAuth;
use crate::model::encryption::Encryption;
use crate::model::file_info::FileInfo;
use crate::model::id::BucketId;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::operation::Operation;
use crate::model::time::Timestamp;
use crate::setters::{sets, setters};
use crate::transfer::Transfer;
use crate::transfer::new_file::{LargeFileSha1, NewFile};
use crate::transfer::parted;
use crate::transfer::parts::PartLimits;
use crate::transfer::resume::Resume;
use crate::transfer::source::{BytesSource, ReaderSource, UploadSource};
use crate::transfer::upload::buffered::{CallersReader, Input, PartReader};
use crate::transfer::uploaded::Uploaded;

/// The part size for streams of unknown length, in bytes: each worker holds one part in memory.
const STREAM_PART: u64 = 16_000_000;

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
    /// The MIME type. The service derives it from the name's extension if there is none.
    pub content_type: Option<String>,
    /// Whether the MIME type is derived from the name's extension here, by a larger table than that of the
    /// service, which knows no `.rs`, `.jsonl` or `.avif`. Names with other extensions are left to the service.
    /// It has no effect if `content_type` is set.
    #[cfg(feature = "mime-guess")]
    #[cfg_attr(docsrs, doc(cfg(feature = "mime-guess")))]
    pub guess_content_type: bool,
    /// The names and values to store with the file.
    pub file_info: FileInfo,
    /// When the source was last changed. A local file's own time is used if this is not set.
    pub src_last_modified: Option<Timestamp>,
    /// How the service encrypts the file; the bucket's default if not set. [`Encryption::None`] cannot
    /// be asked for. The id of a customer's key is recorded in the file info.
    pub encryption: Option<Encryption>,
    /// Until when the file cannot be deleted; the bucket's default if not set. Needs a bucket with object
    /// lock, and the capability `writeFileRetentions`.
    pub retention: Option<FileRetention>,
    /// Whether the file is on legal hold. Needs a bucket with object lock, and the capability
    /// `writeFileLegalHolds`.
    pub legal_hold: Option<LegalHold>,
    /// The upload time that the file gets instead of the present; it cannot lie in the future. A version
    /// that is older than another one of its name ranks below it. The service allows this to some accounts
    /// only.
    pub upload_timestamp: Option<Timestamp>,
    /// The size of a part, in bytes. A file that is not larger is uploaded in one request.
    ///
    /// If not set, this is the size that the service recommends (100 MB), and for streams of unknown length
    /// 16 MB, growing with the number of parts. At least 5 MB, at most 5 GB. Parts are larger than asked for
    /// where a file would have more than 10,000 of them.
    pub part_size: Option<u64>,
    /// The SHA-1 to record for a file that is uploaded in parts.
    pub large_file_sha1: LargeFileSha1,
    /// Whether the upload completes what an earlier upload in parts left unfinished.
    pub resume: Resume,
    /// Receives reports of how far the upload is.
    pub progress: Option<Arc<dyn Progress>>,
    /// Cancels the upload.
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

    /// The MIME type that was asked for, or that the name tells.
    fn content_type_of(&self, name: &str) -> Option<Cow<'_, str>> {
        let given = self.content_type.as_deref().map(Into::into);
        #[cfg(feature = "mime-guess")]
        let given = given.or_else(|| {
            let guessed = self
                .guess_content_type
                .then(|| mime_guess::from_path(name).first_raw());
            guessed.flatten().map(Into::into)
        });
        #[cfg(not(feature = "mime-guess"))]
        let _ = name;
        given
    }

    #[doc = sets!(progress)]
    #[must_use]
    pub fn progress(mut self, receiver: impl Progress + 'static) -> Self {
        self.progress = Some(Arc::new(receiver));
        self
    }

    fn new_file<'a>(&'a self, bucket: &'a BucketId, name: &'a str) -> NewFile<'a> {
        NewFile {
            bucket,
            name,
            content_type: self.content_type_of(name),
            info: self.file_info.clone(),
            encryption: self.encryption.as_ref(),
            retention: self.retention.as_ref(),
            legal_hold: self.legal_hold.as_ref(),
            upload_timestamp: self.upload_timestamp,
        }
    }
}

/// One upload: where to, as what, how.
#[derive(Clone, Copy)]
pub(crate) struct Upload<'a> {
    pub(crate) transfer: Transfer<'a>,
    pub(crate) bucket: &'a BucketId,
    pub(crate) file_name: &'a str,
    pub(crate) options: &'a UploadOptions,
}

impl<'a> Upload<'a> {
    /// Uploads a source that can be opened anywhere: in one request, or as a large file.
    pub(crate) fn send(&self, source: &(dyn UploadSource + Sync)) -> Result<Uploaded> {
        let snapshot = self.transfer.authorization()?;
        let limits = PartLimits::new(snapshot.auth(), self.options.part_size)?;
        let parts = limits.cut(source.len())?;
        let file = self.new_file(&snapshot, source.modified())?;
        if limits.fits_one_request(source.len()) {
            self.options.resume.check_for_one_request()?;
            return small::upload(self.transfer, snapshot, &file, source);
        }
        let of_large = (self.options.large_file_sha1, &self.options.resume);
        parted::upload(self.transfer, &file, of_large, source, &parts)
    }

    /// Uploads exactly `length` bytes of a reader.
    pub(crate) fn send_reader(&self, reader: impl Read, length: u64) -> Result<Uploaded> {
        let Transfer {
            workers, control, ..
        } = self.transfer;
        self.options.resume.check_for_stream()?;
        let memory = workers.memory();
        let snapshot = self.transfer.authorization()?;
        let limits =
            self.limits_in_memory(snapshot.auth(), snapshot.auth().recommended_part_size)?;
        let parts = limits.cut(length)?;
        let first = parts.range(0);
        memory.check(first.end - first.start)?;
        let file = self.new_file(&snapshot, None)?;
        if limits.fits_one_request(length) {
            let _loan = memory.borrow(length, control)?;
            let source = ReaderSource::new(reader, length);
            small::upload(self.transfer, snapshot, &file, &source)
        } else {
            let mut input = CallersReader(reader);
            let parts = PartReader::of_length(&mut input, parts, memory);
            self.send_buffered(&file, parts)
        }
    }

    /// Uploads a reader to its end.
    pub(crate) fn send_stream(&self, reader: impl Read) -> Result<Uploaded> {
        self.send_input(&mut CallersReader(reader))
    }

    /// Uploads an input to its end.
    fn send_input(&self, input: &mut dyn Input) -> Result<Uploaded> {
        let Transfer {
            workers, control, ..
        } = self.transfer;
        self.options.resume.check_for_stream()?;
        let snapshot = self.transfer.authorization()?;
        let limits = self.limits_in_memory(snapshot.auth(), STREAM_PART)?;
        // Without room for a byte every stream would seem to be at its end.
        let memory = workers.memory();
        memory.check(1)?;
        let file = self.new_file(&snapshot, None)?;
        let mut parts = PartReader::of_stream(input, limits, memory);
        let Some(first) = parts.next_part(control)? else {
            return small::upload(self.transfer, snapshot, &file, &BytesSource(&[]));
        };
        if parts.goes_on(control)? {
            // Smaller parts than the service takes would be refused when all of them are there.
            memory.check(limits.wanted())?;
            parts.put_back(first);
            self.send_buffered(&file, parts)
        } else {
            small::upload(self.transfer, snapshot, &file, &BytesSource(&first.bytes))
        }
    }

    fn send_buffered(&self, file: &NewFile<'_>, parts: PartReader<'_>) -> Result<Uploaded> {
        let file = file.with_sha1(self.options.large_file_sha1.given())?;
        buffered::upload(self.transfer, &file, parts)
    }

    /// The limits for parts that are held in memory: smaller ones where little of that may be used,
    /// if the caller does not say how large.
    fn limits_in_memory(&self, auth: &AccountAuth, usual: u64) -> Result<PartLimits> {
        let memory = self.transfer.workers.memory();
        let usual = memory.limit().map_or(usual, |limit| usual.min(limit));
        let least = auth.absolute_minimum_part_size;
        let part_size = self.options.part_size.unwrap_or(usual.max(least));
        if self.options.part_size.is_some() {
            memory.check(part_size)?;
        }
        Ok(PartLimits::new(auth, Some(part_size))?.in_memory(memory.limit()))
    }

    /// The file to create of a source that was last changed at that time, if all that can be checked of it
    /// before a byte is sent is right.
    pub(in crate::transfer) fn new_file(
        &self,
        snapshot: &AuthSnapshot,
        source_modified: Option<Timestamp>,
    ) -> Result<NewFile<'a>> {
        // A file with an odd time is uploaded all the same.
        let not_before_1970 = |time: Timestamp| time.max(Timestamp::from_millis(0));
        let modified = self.options.src_last_modified;
        self.options
            .new_file(self.bucket, self.file_name)
            .modified(modified.or_else(|| source_modified.map(not_before_1970)))
            .checked(Operation::UploadFile, &snapshot.auth().allowed)
    }
}
