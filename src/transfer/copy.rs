//! Copies within the service, of any size (docs/protocol.md, sections 2.13 and 2.17).
//!
//! 1. `b2_get_file_info` of the source, where the copy depends on what it says: its length, or what of
//!    its file info is not true of the copy (`metadata`).
//! 2. `b2_copy_file`, up to 5 GB (`one_request`).
//! 3. The service finds the source too large, or the caller wants smaller parts: a large file
//!    (`upload::large`) whose parts are `b2_copy_part`.

mod metadata;
mod one_request;

use std::ops::Range;
use std::sync::Arc;

use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::progress::{Progress, Tally};
use crate::error::{Error, KeyProblem, Result};
use crate::model::encryption::{Encryption, EncryptionMode};
use crate::model::file::FileVersion;
use crate::model::file_info::FileInfo;
use crate::model::filtered::Filtered;
use crate::model::id::FileId;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::operation::Operation;
use crate::model::range::ByteRange;
use crate::model::secret::SseCustomerKey;
use crate::model::sha1::Sha1Digest;
use crate::transfer::copy::one_request::Small;
use crate::transfer::parts::{MAX_PART, PartLimits, Parts};
use crate::transfer::upload::large::Started;
use crate::transfer::upload::parted::Parted;
use crate::transfer::upload::resume::PlannedPart;
use crate::transfer::upload::{Resume, Upload, UploadOptions, Uploaded};

/// The part size where one request is not enough: parts are made side by side, and each costs a
/// request, but no data.
pub(in crate::transfer) const COPY_PART: u64 = 1_000_000_000;

/// Whether a copy has the type and file info of its source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CopyMetadata {
    /// The source's, except for what is not true of the copy: `sse_c_key_id` becomes the id of the
    /// copy's own key, or is left out, and the `large_file_sha1` of the whole is left out of a range.
    /// Where either can be, the source's file info is asked for first, which takes `readFiles`.
    #[default]
    Keep,
    /// These instead.
    Replace {
        /// The MIME type.
        content_type: String,
        /// Names and values to store with the copy.
        file_info: FileInfo,
    },
}

/// What may be said about a copy.
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
    /// Only these bytes.
    pub range: Option<ByteRange>,
    /// Type and file info.
    pub metadata: CopyMetadata,
    /// The customer's key that the source is encrypted with (SSE-C).
    pub source_encryption_key: Option<SseCustomerKey>,
    /// How the service is to encrypt the copy; the default of the bucket that it goes to if not given,
    /// whatever the source is encrypted with. The id of a customer's key is recorded in the file info.
    pub encryption: Option<Encryption>,
    /// Until when the copy cannot be deleted; the bucket's default if not given. The source's own is not
    /// taken over. Needs a bucket with object lock, and `writeFileRetentions`.
    pub retention: Option<FileRetention>,
    /// Whether the copy is put on legal hold. The source's own is not taken over. Needs a bucket with
    /// object lock, and `writeFileLegalHolds`.
    pub legal_hold: Option<LegalHold>,
    /// Copy in parts of this many bytes what is larger. If not given, up to 5 GB are one request, and
    /// more is copied in parts of 1 GB. At least 5 MB, at most 5 GB; larger than asked for where a file
    /// would have more than 10,000 parts.
    pub part_size: Option<u64>,
    /// Whether a copy in parts goes on with an unfinished one of the same source, and leaves one if it
    /// fails. What it is a copy of is recorded for that, as `plan_id` in its file info. If this is said,
    /// the source is asked for its length first.
    pub resume: Resume,
    /// Who is told how far the copy is: at the end of each part.
    pub progress: Option<Arc<dyn Progress>>,
    /// Cancels the copy, as far as the service has not made it yet.
    pub cancel: Option<CancelToken>,
}

impl CopyOptions {
    /// Nothing said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these bytes: `0..=99`. The service takes ranges with a beginning and an end.
    #[must_use]
    pub fn range(mut self, range: impl Into<ByteRange>) -> Self {
        self.range = Some(range.into());
        self
    }

    /// Type and file info.
    #[must_use]
    pub fn metadata(mut self, metadata: CopyMetadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// The customer's key that the source is encrypted with.
    #[must_use]
    pub fn source_encryption_key(mut self, key: &SseCustomerKey) -> Self {
        self.source_encryption_key = Some(key.clone());
        self
    }

    /// How the service is to encrypt the copy.
    #[must_use]
    pub fn encryption(mut self, encryption: impl Into<Encryption>) -> Self {
        self.encryption = Some(encryption.into());
        self
    }

    /// Until when the copy cannot be deleted.
    #[must_use]
    pub fn retention(mut self, retention: FileRetention) -> Self {
        self.retention = Some(retention);
        self
    }

    /// Whether the copy is put on legal hold.
    #[must_use]
    pub fn legal_hold(mut self, hold: LegalHold) -> Self {
        self.legal_hold = Some(hold);
        self
    }

    /// Copy in parts of this many bytes.
    #[must_use]
    pub const fn part_size(mut self, bytes: u64) -> Self {
        self.part_size = Some(bytes);
        self
    }

    /// Whether a copy in parts goes on with an unfinished one.
    #[must_use]
    pub fn resume(mut self, resume: Resume) -> Self {
        self.resume = resume;
        self
    }

    /// Who is told how far the copy is.
    #[must_use]
    pub fn progress(mut self, receiver: impl Progress + 'static) -> Self {
        self.progress = Some(Arc::new(receiver));
        self
    }

    /// Cancels the copy.
    #[must_use]
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }

    /// The same for the upload that makes the file.
    pub(crate) fn as_upload(&self) -> UploadOptions {
        let Self {
            range: _,
            metadata,
            source_encryption_key: _,
            encryption,
            retention,
            legal_hold,
            part_size,
            resume,
            progress: _,
            cancel: _,
        } = self;
        let (content_type, file_info) = match metadata {
            CopyMetadata::Keep => (None, FileInfo::new()),
            CopyMetadata::Replace {
                content_type,
                file_info,
            } => (Some(content_type.clone()), file_info.clone()),
        };
        UploadOptions {
            content_type,
            file_info,
            encryption: encryption.clone(),
            retention: retention.clone(),
            legal_hold: legal_hold.clone(),
            part_size: *part_size,
            resume: resume.clone(),
            ..UploadOptions::default()
        }
    }
}

/// A stored file that is read within the service, and the customer's key that it is encrypted with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) file_id: &'a FileId,
    pub(crate) key: Option<&'a SseCustomerKey>,
}

impl Stored<'_> {
    /// Refuses what is certain to be refused. What the service does not tell is for it to judge.
    pub(in crate::transfer) fn check_key(&self, version: &FileVersion) -> Result<()> {
        let encryption = match &version.server_side_encryption {
            Filtered::Readable(info) if info.mode == EncryptionMode::SseC => info,
            _ => return Ok(()),
        };
        let problem = match (self.key, encryption.customer_key_md5.as_deref()) {
            (None, _) => KeyProblem::Missing,
            (Some(key), Some(md5)) if md5 != key.md5() => KeyProblem::Wrong,
            (Some(_), _) => return Ok(()),
        };
        Err(Error::EncryptionKey {
            problem,
            service: None,
        })
    }
}

/// One copy: of what, where to, how.
pub(crate) struct Copy<'a> {
    /// Where to, and how it is kept there.
    pub(crate) upload: Upload<'a>,
    pub(crate) source: Stored<'a>,
    pub(crate) range: Option<ByteRange>,
    /// The bytes of the copy, if it is known that there are so many.
    pub(crate) length: Option<u64>,
    /// Type and info are the source's, and not those of the upload.
    pub(crate) keeps_metadata: bool,
}

impl Copy<'_> {
    pub(crate) fn run(&self) -> Result<Uploaded> {
        let given = self.check()?;
        let UploadOptions {
            part_size, resume, ..
        } = self.upload.options;
        let mut source = None;
        if part_size.is_some() || *resume != Resume::Never {
            let limits = self.limits(part_size.unwrap_or(COPY_PART))?;
            let found = source.insert(self.describe_source()?);
            let most = part_size.unwrap_or(MAX_PART);
            // The service says what is wrong with a range that selects nothing.
            if self
                .selected_length(found)
                .is_some_and(|length| length > most)
            {
                return self.copy_large(found, &given, &limits);
            }
            self.upload.refuse_resuming_one_request()?;
        } else if self.depends_on_source() {
            source = Some(self.describe_source()?);
        }
        match self.copy_small(source.as_ref(), &given)? {
            Small::Done(version) => Ok(Uploaded::in_one_request(*version)),
            Small::TooLarge(refusal) => {
                let source = source.map_or_else(|| self.describe_source(), Ok)?;
                self.copy_too_large(&source, &given, refusal)
            }
        }
    }

    /// Checks everything that can be checked before anything is sent; the file info that was given.
    fn check(&self) -> Result<FileInfo> {
        let reason = match self.range {
            Some(range) if !range.is_bounded() => {
                Some("a copy takes a range with a beginning and an end")
            }
            Some(range) if range.is_empty() => Some("it ends before it begins"),
            _ => None,
        };
        if let Some(reason) = reason {
            return Err(Error::invalid_input("range", reason));
        }
        let snapshot = self.upload.session.current(self.upload.control)?;
        self.upload.check_as(Operation::CopyFile, &snapshot, None)
    }

    fn limits(&self, part_size: u64) -> Result<PartLimits> {
        let snapshot = self.upload.session.current(self.upload.control)?;
        PartLimits::new(snapshot.auth(), Some(part_size))
    }

    fn describe_source(&self) -> Result<FileVersion> {
        let Upload {
            session, control, ..
        } = self.upload;
        let version = session.call(Operation::GetFileInfo, control, |raw| {
            raw.get_file_info(self.source.file_id)
        })?;
        self.source.check_key(&version)?;
        Ok(version)
    }

    /// The bytes of the source that are to be copied; none if the range selects nothing.
    fn selected(&self, source: &FileVersion) -> Option<Range<u64>> {
        match self.range {
            None => Some(0..source.content_length),
            Some(range) => range.within(source.content_length),
        }
    }

    fn selected_length(&self, source: &FileVersion) -> Option<u64> {
        self.selected(source).map(|range| range.end - range.start)
    }

    fn is_whole(&self, source: &FileVersion) -> bool {
        self.selected(source) == Some(0..source.content_length)
    }

    /// Copies in parts what the service found too large for one request, whatever its limit is.
    fn copy_too_large(
        &self,
        source: &FileVersion,
        given: &FileInfo,
        refusal: Error,
    ) -> Result<Uploaded> {
        let Some(length) = self.selected_length(source) else {
            return Err(refusal);
        };
        let snapshot = self.upload.session.current(self.upload.control)?;
        let minimum = snapshot.auth().absolute_minimum_part_size;
        let part_size = self.upload.options.part_size.unwrap_or(COPY_PART);
        let limits = self.limits(part_size.min(length.div_ceil(2).max(minimum)))?;
        if limits.fits_one_request(length) {
            return Err(refusal);
        }
        self.copy_large(source, given, &limits)
    }

    /// Makes a large file of parts that are copied side by side.
    fn copy_large(
        &self,
        source: &FileVersion,
        given: &FileInfo,
        limits: &PartLimits,
    ) -> Result<Uploaded> {
        let range = self.selected(source).unwrap_or_default();
        let length = range.end - range.start;
        let parts = CopiedParts {
            source: self.source,
            parts: limits.cut(length)?,
            offset: range.start,
        };
        let metadata = self.metadata_of_large(source, given)?;
        let file_info = self.upload.with_plan(metadata.info(), parts.plan())?;
        let request = metadata.request_with(&self.upload, &file_info)?;
        let Upload {
            session,
            control,
            file_name,
            ..
        } = self.upload;
        let tally = Tally::new(control, file_name, session.clock(), Some(length));
        self.upload.make_parts(&request, &parts, &tally)
    }
}

/// The parts of a copy.
struct CopiedParts<'s> {
    source: Stored<'s>,
    parts: Parts,
    /// Where in the source the first one begins.
    offset: u64,
}

impl CopiedParts<'_> {
    /// The bytes of the source that are the part of that number.
    fn range(&self, number: u64) -> Range<u64> {
        let range = self.parts.range(number.saturating_sub(1));
        self.offset + range.start..self.offset + range.end
    }

    fn plan(&self) -> impl Iterator<Item = PlannedPart<'_>> {
        (1..=self.parts.count()).map(|number| PlannedPart::Copied {
            source: self.source.file_id,
            range: self.range(number),
        })
    }
}

impl Parted for CopiedParts<'_> {
    fn count(&self) -> u64 {
        self.parts.count()
    }

    fn length(&self, number: u64) -> u64 {
        self.parts.length_of(number)
    }

    /// It was copied by the same plan, and the service computed its SHA-1.
    fn is_made(&self, _: u64, _: Sha1Digest) -> Result<bool> {
        Ok(true)
    }

    fn make(&self, started: &Started<'_>, number: u64, control: &Control) -> Result<Sha1Digest> {
        started.copy_part(number, self.source, self.range(number), control)
    }
}
