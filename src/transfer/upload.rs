//! Uploading: what a caller may say about it, what is checked before a byte is sent, and the choice
//! between one request (`small`) and a large file in parts (`large`; `buffered` for what can be read
//! only once).

mod buffered;
pub(in crate::transfer) mod large;
pub(in crate::transfer) mod parted;
pub(in crate::transfer) mod resume;
pub(in crate::transfer) mod settings;
mod small;

use std::io::Read;
use std::sync::Arc;

use crate::account_info::AuthSnapshot;
use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::progress::Progress;
use crate::control::workers::Workers;
use crate::error::{Error, Result};
use crate::model::auth::AccountAuth;
use crate::model::encryption::Encryption;
use crate::model::file::FileVersion;
use crate::model::file_info::{FileInfo, MAX_INFOS, SRC_LAST_MODIFIED_MILLIS};
use crate::model::id::{BucketId, FileId};
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::name::check_file_name;
use crate::model::operation::Operation;
use crate::model::sha1::Sha1Digest;
use crate::model::time::Timestamp;
use crate::raw::UploadRequest;
use crate::session::Session;
use crate::transfer::parts::PartLimits;
use crate::transfer::source::{BytesSource, ReaderSource, UploadSource};
use crate::transfer::upload::buffered::Pieces;

/// The service derives the type from the name's extension.
pub(in crate::transfer) const CONTENT_TYPE_AUTO: &str = "b2/x-auto";
/// The part size for streams of unknown length, in bytes: each worker holds one part in memory.
const STREAM_PART: u64 = 16_000_000;
/// The most that name and info may take in headers, in bytes (docs/protocol.md, section 4.3).
const HEADER_LIMIT: usize = 7000;
/// The same for a file that is encrypted, or in a bucket with object lock, as far as this upload says so.
const SMALLER_HEADER_LIMIT: usize = 2048;

/// What may be said about an upload.
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
    /// The MIME type; the service derives it from the name's extension if there is none.
    pub content_type: Option<String>,
    /// Names and values to store with the file.
    pub file_info: FileInfo,
    /// When the source was last changed. A local file's own time is used where this is not given.
    pub src_last_modified: Option<Timestamp>,
    /// How the service is to encrypt it; the bucket's default if not given. [`Encryption::None`] cannot
    /// be asked for. The id of a customer's key is recorded in the file info.
    pub encryption: Option<Encryption>,
    /// Until when it cannot be deleted; the bucket's default if not given. Needs a bucket with object
    /// lock, and `writeFileRetentions`.
    pub retention: Option<FileRetention>,
    /// Whether it is put on legal hold. Needs a bucket with object lock, and `writeFileLegalHolds`.
    pub legal_hold: Option<LegalHold>,
    /// The upload time that it gets instead of the present, not in the future: a version that is older
    /// than another one of its name lies below it. The service allows that to some accounts only.
    pub upload_timestamp: Option<Timestamp>,
    /// Cut into parts of this many bytes, and upload in one request what is not larger. The service's
    /// recommendation (100 MB) if not given; for streams of unknown length 16 MB, growing with the
    /// number of parts. At least 5 MB, at most 5 GB; larger than asked for where a file would have
    /// more than 10,000 parts.
    pub part_size: Option<u64>,
    /// The SHA-1 to record for a file that goes up in parts.
    pub large_file_sha1: LargeFileSha1,
    /// Whether to go on with what an earlier upload in parts left behind.
    pub resume: Resume,
    /// Who is told how far the upload is.
    pub progress: Option<Arc<dyn Progress>>,
    /// Cancels the upload.
    pub cancel: Option<CancelToken>,
}

impl UploadOptions {
    /// Nothing said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The MIME type.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Names and values to store with the file.
    #[must_use]
    pub fn file_info(mut self, info: FileInfo) -> Self {
        self.file_info = info;
        self
    }

    /// When the source was last changed.
    #[must_use]
    pub fn src_last_modified(mut self, time: impl Into<Timestamp>) -> Self {
        self.src_last_modified = Some(time.into());
        self
    }

    /// How the service is to encrypt it.
    #[must_use]
    pub fn encryption(mut self, encryption: impl Into<Encryption>) -> Self {
        self.encryption = Some(encryption.into());
        self
    }

    /// Until when it cannot be deleted.
    #[must_use]
    pub fn retention(mut self, retention: FileRetention) -> Self {
        self.retention = Some(retention);
        self
    }

    /// Whether it is put on legal hold.
    #[must_use]
    pub fn legal_hold(mut self, hold: LegalHold) -> Self {
        self.legal_hold = Some(hold);
        self
    }

    /// The upload time that it gets instead of the present.
    #[must_use]
    pub fn upload_timestamp(mut self, time: impl Into<Timestamp>) -> Self {
        self.upload_timestamp = Some(time.into());
        self
    }

    /// Cut into parts of this many bytes.
    #[must_use]
    pub const fn part_size(mut self, bytes: u64) -> Self {
        self.part_size = Some(bytes);
        self
    }

    /// The SHA-1 to record for a file that goes up in parts.
    #[must_use]
    pub const fn large_file_sha1(mut self, sha1: LargeFileSha1) -> Self {
        self.large_file_sha1 = sha1;
        self
    }

    /// Whether to go on with what an earlier upload in parts left behind.
    #[must_use]
    pub fn resume(mut self, resume: Resume) -> Self {
        self.resume = resume;
        self
    }

    /// Who is told how far the upload is.
    #[must_use]
    pub fn progress(mut self, receiver: impl Progress + 'static) -> Self {
        self.progress = Some(Arc::new(receiver));
        self
    }

    /// Cancels the upload.
    #[must_use]
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }
}

/// The SHA-1 of the whole that is recorded for a large file, as `large_file_sha1` in its file info:
/// the service itself knows only those of the parts. Downloads are verified by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LargeFileSha1 {
    /// Read a local file, or bytes, once before the upload, because the value is fixed when the large
    /// file is started. Nothing is recorded for readers, which can be read only once.
    #[default]
    Compute,
    /// This one.
    Given(Sha1Digest),
    /// None.
    Omit,
}

/// Whether an upload in parts goes on with an unfinished one, and leaves one if it fails.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Resume {
    /// Begin anew; an upload that fails is cancelled, so that no parts are left to be paid for.
    #[default]
    Never,
    /// Go on with an unfinished file of the same name, type (any, if none is given), file info,
    /// encryption (by the same key), retention and legal hold whose parts are cut the same way and have
    /// the content of the source, which is read for that; if there is one. Parts that the service copied
    /// count if the file was to be made of the same bytes of the same versions. An upload that fails
    /// leaves its parts for the next one, and says so: [`Error::LargeFileLeft`].
    Matching,
    /// The same with this unfinished file, or not at all.
    From(FileId),
}

/// What came of an upload.
#[derive(Debug, Clone)]
pub struct Uploaded {
    version: FileVersion,
    parts: u32,
    resumed_parts: u32,
    retries: u32,
    bytes_sent: u64,
}

impl Uploaded {
    pub(in crate::transfer) const fn in_one_request(version: FileVersion) -> Self {
        Self {
            version,
            parts: 1,
            resumed_parts: 0,
            retries: 0,
            // The service copied it.
            bytes_sent: 0,
        }
    }

    /// The version that was made.
    #[must_use]
    pub const fn version(&self) -> &FileVersion {
        &self.version
    }

    /// The version that was made.
    #[must_use]
    pub fn into_version(self) -> FileVersion {
        self.version
    }

    /// In how many parts it went up; 1 if it was one request.
    #[must_use]
    pub const fn parts(&self) -> u32 {
        self.parts
    }

    /// How many of the parts were there already.
    #[must_use]
    pub const fn resumed_parts(&self) -> u32 {
        self.resumed_parts
    }

    /// How many attempts failed, of all parts together.
    #[must_use]
    pub const fn retries(&self) -> u32 {
        self.retries
    }

    /// The bytes of content that were sent, those of attempts that failed included and those of
    /// resumed parts not. An attempt counts what was handed to the connection.
    #[must_use]
    pub const fn bytes_sent(&self) -> u64 {
        self.bytes_sent
    }
}

/// One upload: where to, as what, how.
#[derive(Clone, Copy)]
pub(crate) struct Upload<'a> {
    pub(crate) session: &'a Session,
    pub(crate) workers: &'a Workers,
    pub(crate) bucket: &'a BucketId,
    pub(crate) file_name: &'a str,
    pub(crate) options: &'a UploadOptions,
    pub(crate) control: &'a Control,
}

impl Upload<'_> {
    /// Uploads a source that can be opened anywhere: in one request, or as a large file.
    pub(crate) fn send(&self, source: &(dyn UploadSource + Sync)) -> Result<Uploaded> {
        let snapshot = self.session.current(self.control)?;
        let limits = PartLimits::new(snapshot.auth(), self.options.part_size)?;
        let parts = limits.cut(source.len())?;
        let info = self.check(&snapshot, source.modified())?;
        let request = self.request(&info)?;
        if limits.fits_one_request(source.len()) {
            self.refuse_resuming_one_request()?;
            self.send_small(snapshot, &request, source)
        } else {
            self.send_large(&request, source, &parts)
        }
    }

    /// Uploads exactly `length` bytes of a reader.
    pub(crate) fn send_reader(&self, mut reader: impl Read, length: u64) -> Result<Uploaded> {
        self.refuse_resuming()?;
        let memory = self.workers.memory();
        let snapshot = self.session.current(self.control)?;
        let limits =
            self.limits_in_memory(snapshot.auth(), snapshot.auth().recommended_part_size)?;
        let parts = limits.cut(length)?;
        let first = parts.range(0);
        memory.check(first.end - first.start)?;
        let info = self.check(&snapshot, None)?;
        let request = self.request(&info)?;
        if limits.fits_one_request(length) {
            let _loan = memory.borrow(length, self.control)?;
            self.send_small(snapshot, &request, &ReaderSource::new(reader, length))
        } else {
            let pieces = Pieces::of_length(&mut reader, parts, memory);
            self.send_buffered(&request, pieces)
        }
    }

    /// Uploads a reader to its end.
    pub(crate) fn send_stream(&self, mut reader: impl Read) -> Result<Uploaded> {
        self.refuse_resuming()?;
        let snapshot = self.session.current(self.control)?;
        let limits = self.limits_in_memory(snapshot.auth(), STREAM_PART)?;
        // Without room for a byte every stream would seem to be at its end.
        let memory = self.workers.memory();
        memory.check(1)?;
        let info = self.check(&snapshot, None)?;
        let request = self.request(&info)?;
        let mut pieces = Pieces::of_stream(&mut reader, limits, memory);
        let Some(first) = pieces.next_piece(self.control)? else {
            return self.send_small(snapshot, &request, &BytesSource(&[]));
        };
        if pieces.goes_on()? {
            // Smaller parts than the service takes would be refused when all of them are there.
            memory.check(limits.wanted())?;
            pieces.put_back(first);
            self.send_buffered(&request, pieces)
        } else {
            self.send_small(snapshot, &request, &BytesSource(&first.bytes))
        }
    }

    /// The limits for parts that are held in memory: smaller ones where little of that may be used,
    /// if the caller does not say how large.
    fn limits_in_memory(&self, auth: &AccountAuth, usual: u64) -> Result<PartLimits> {
        let memory = self.workers.memory().limit();
        let usual = memory.map_or(usual, |memory| usual.min(memory));
        let least = auth.absolute_minimum_part_size;
        let part_size = self.options.part_size.unwrap_or(usual.max(least));
        if self.options.part_size.is_some() {
            self.workers.memory().check(part_size)?;
        }
        Ok(PartLimits::new(auth, Some(part_size))?.in_memory(memory))
    }

    pub(in crate::transfer) fn refuse_resuming_one_request(&self) -> Result<()> {
        if matches!(self.options.resume, Resume::From(_)) {
            let reason = "it fits into one request; there are no parts";
            return Err(Error::invalid_input("resume", reason));
        }
        Ok(())
    }

    pub(in crate::transfer) fn refuse_resuming(&self) -> Result<()> {
        if self.options.resume == Resume::Never {
            return Ok(());
        }
        let reason = "what can be read only once cannot be compared with what is there; upload a file or bytes";
        Err(Error::invalid_input("resume", reason))
    }

    /// Checks everything that can be checked before a byte is sent; the file info to send.
    pub(in crate::transfer) fn check(
        &self,
        snapshot: &AuthSnapshot,
        source_modified: Option<Timestamp>,
    ) -> Result<FileInfo> {
        self.check_as(Operation::UploadFile, snapshot, source_modified)
    }

    /// The same of what another request makes.
    pub(in crate::transfer) fn check_as(
        &self,
        operation: Operation,
        snapshot: &AuthSnapshot,
        source_modified: Option<Timestamp>,
    ) -> Result<FileInfo> {
        let UploadOptions {
            content_type,
            file_info,
            src_last_modified,
            encryption,
            retention: _,
            legal_hold: _,
            upload_timestamp,
            part_size: _,
            large_file_sha1: _,
            resume: _,
            progress: _,
            cancel: _,
        } = self.options;
        let name = self.file_name;
        check_file_name(name).map_err(|rule| Error::InvalidFileName {
            name: name.into(),
            rule,
        })?;
        if let Some(content_type) = content_type
            && (content_type.is_empty()
                || !content_type
                    .bytes()
                    .all(|byte| (0x20..0x7f).contains(&byte)))
        {
            return Err(Error::invalid_input(
                "content_type",
                "it is not a MIME type in ASCII",
            ));
        }
        self.check_settings(operation, &snapshot.auth().allowed)?;
        if upload_timestamp.is_some_and(|time| time < Timestamp::default()) {
            return Err(Error::invalid_input(
                "upload_timestamp",
                "it lies before 1970",
            ));
        }
        let modified = src_last_modified.or_else(|| source_modified.map(not_before_1970));
        let mut file_info = with_modification_time(file_info, modified);
        if let Some(encryption) = encryption {
            encryption
                .record_key_id(&mut file_info)
                .map_err(|reason| Error::invalid_input("encryption", reason))?;
        }
        file_info
            .check()
            .map_err(|reason| Error::invalid_input("file_info", reason))?;
        Ok(file_info)
    }

    pub(in crate::transfer) fn request<'r>(
        &'r self,
        file_info: &'r FileInfo,
    ) -> Result<UploadRequest<'r>> {
        let content_type = self
            .options
            .content_type
            .as_deref()
            .unwrap_or(CONTENT_TYPE_AUTO);
        self.request_as(content_type, file_info)
    }

    /// The same of another type.
    pub(in crate::transfer) fn request_as<'r>(
        &'r self,
        content_type: &'r str,
        file_info: &'r FileInfo,
    ) -> Result<UploadRequest<'r>> {
        let request = UploadRequest {
            file_name: self.file_name,
            content_type,
            file_info,
        };
        let taken = request.header_bytes();
        let limit = if self.settings().leave_less_room() {
            SMALLER_HEADER_LIMIT
        } else {
            HEADER_LIMIT
        };
        if taken > limit {
            let reason =
                format!("with the file name it takes {taken} bytes encoded; {limit} are possible");
            return Err(Error::invalid_input("file_info", reason));
        }
        Ok(request)
    }
}

/// A file with an odd time is uploaded all the same.
fn not_before_1970(time: Timestamp) -> Timestamp {
    time.max(Timestamp::from_millis(0))
}

/// The info, with the source's time unless the caller wrote one there, or left no room for it.
fn with_modification_time(info: &FileInfo, modified: Option<Timestamp>) -> FileInfo {
    let mut info = info.clone();
    if let (Some(modified), None) = (modified, info.get(SRC_LAST_MODIFIED_MILLIS))
        && info.len() < MAX_INFOS
    {
        info.insert(SRC_LAST_MODIFIED_MILLIS, modified.to_string());
    }
    info
}
