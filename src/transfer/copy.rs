//! Copies within the service, of any size (reference sections 2.13 and 2.17).
//!
//! 1. `b2_copy_file`, up to 5 GB. If its answer is lost: `b2_get_file_info` of the source tells what the
//!    copy must look like, `b2_list_file_versions` whether it is there. Found: that is the answer. Not
//!    found: once more. Something that cannot be told from it: the failure is reported.
//! 2. The service finds the source too large, or the caller wants smaller parts: `b2_get_file_info` for
//!    length, type and info; then a large file (`upload::large`) whose parts are `b2_copy_part`.

use std::sync::Arc;
use std::time::Duration;

use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::progress::{Progress, Tally};
use crate::control::workers::Workers;
use crate::error::{Error, ErrorCode, Result};
use crate::model::file::{FileAction, FileVersion};
use crate::model::file_info::{FileInfo, LARGE_FILE_SHA1, MAX_INFOS};
use crate::model::id::{BucketId, FileId};
use crate::model::name::check_file_name;
use crate::model::operation::Operation;
use crate::model::range::ByteRange;
use crate::model::sha1::Sha1Digest;
use crate::raw::UploadRequest;
use crate::session::Session;
use crate::transfer::parallel;
use crate::transfer::parts::PartLimits;
use crate::transfer::upload::{CONTENT_TYPE_AUTO, Upload, UploadOptions};
use crate::wire::copy::CopyFileRequest;

/// The part size where one request is not enough: parts are made side by side, and each costs a
/// request, but no data.
pub(in crate::transfer) const COPY_PART: u64 = 1_000_000_000;
/// How often a copy is asked for whose answers are lost.
const ROUNDS: u32 = 3;

/// Whether a copy has the type and file info of its source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CopyMetadata {
    /// The source's.
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
    /// Copy in parts of this many bytes what is larger. If not given, up to 5 GB are one request, and
    /// more is copied in parts of 1 GB. At least 5 MB, at most 5 GB; larger than asked for where a file
    /// would have more than 10,000 parts.
    pub part_size: Option<u64>,
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

    /// Copy in parts of this many bytes.
    #[must_use]
    pub const fn part_size(mut self, bytes: u64) -> Self {
        self.part_size = Some(bytes);
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
}

/// One copy: of what, where to, how.
pub(crate) struct Copy<'a> {
    pub(crate) session: &'a Session,
    pub(crate) workers: &'a Workers,
    pub(crate) bucket: &'a BucketId,
    pub(crate) source: &'a FileId,
    pub(crate) new_name: &'a str,
    pub(crate) options: &'a CopyOptions,
    pub(crate) control: &'a Control,
}

/// What became of asking for a copy in one request.
enum Small {
    Done(Box<FileVersion>),
    TooLarge(Error),
}

impl Copy<'_> {
    pub(crate) fn run(&self) -> Result<FileVersion> {
        self.check()?;
        if let Some(part_size) = self.options.part_size {
            let limits = self.limits(part_size)?;
            let source = self.describe_source()?;
            let length = self.selected(&source).map(|range| range.end - range.start);
            // The service says what is wrong with a range that selects nothing.
            if length.is_some_and(|length| !limits.fits_one_request(length)) {
                return self.copy_large(&source, &limits);
            }
        }
        match self.copy_small()? {
            Small::Done(version) => Ok(*version),
            Small::TooLarge(refusal) => {
                let source = self.describe_source()?;
                let limits = self.limits(self.options.part_size.unwrap_or(COPY_PART))?;
                match self.selected(&source) {
                    Some(range) if !limits.fits_one_request(range.end - range.start) => {
                        self.copy_large(&source, &limits)
                    }
                    _ => Err(refusal),
                }
            }
        }
    }

    /// Checks everything that can be checked before anything is sent.
    fn check(&self) -> Result<()> {
        let CopyOptions {
            range,
            metadata,
            part_size: _,
            progress: _,
            cancel: _,
        } = self.options;
        check_file_name(self.new_name).map_err(|rule| Error::InvalidFileName {
            name: self.new_name.into(),
            rule,
        })?;
        if range.is_some_and(|range| !range.is_bounded()) {
            return Err(Error::invalid_input(
                "range",
                "a copy takes a range with a beginning and an end",
            ));
        }
        match metadata {
            CopyMetadata::Keep => Ok(()),
            CopyMetadata::Replace { file_info, .. } => file_info
                .check()
                .map_err(|reason| Error::invalid_input("file_info", reason)),
        }
    }

    fn limits(&self, part_size: u64) -> Result<PartLimits> {
        PartLimits::new(self.session.current(self.control)?.auth(), Some(part_size))
    }

    fn describe_source(&self) -> Result<FileVersion> {
        self.session
            .call(Operation::GetFileInfo, self.control, |raw| {
                raw.get_file_info(self.source)
            })
    }

    /// The bytes of the source that are to be copied; none if the range selects nothing.
    fn selected(&self, source: &FileVersion) -> Option<std::ops::Range<u64>> {
        match self.options.range {
            None => Some(0..source.content_length),
            Some(range) => range.within(source.content_length),
        }
    }

    /// Asks for the copy in one request, and looks before asking again.
    fn copy_small(&self) -> Result<Small> {
        let (metadata_directive, content_type, file_info) = match &self.options.metadata {
            CopyMetadata::Keep => ("COPY", None, None),
            CopyMetadata::Replace {
                content_type,
                file_info,
            } => ("REPLACE", Some(content_type.as_str()), Some(file_info)),
        };
        let request = CopyFileRequest {
            source_file_id: self.source,
            file_name: self.new_name,
            destination_bucket_id: Some(self.bucket),
            range: self.options.range.map(|range| range.to_string()),
            metadata_directive,
            content_type,
            file_info,
        };
        let clock = self.session.clock();
        let tally = Tally::new(self.control, self.new_name, clock, None);
        let started = clock.elapsed();
        let policy = self.session.retry_policy();
        let mut round = 0;
        loop {
            let outcome = self.session.call(Operation::CopyFile, self.control, |raw| {
                raw.copy_file(&request)
            });
            let version = match outcome {
                Ok(version) => version,
                Err(error) if error.code() == Some(&ErrorCode::from("source_too_large")) => {
                    return Ok(Small::TooLarge(error));
                }
                Err(error) if !error.is_answer_lost() => return Err(error),
                Err(error) => match self.look(started) {
                    Ok(Looked::Found(version)) => *version,
                    Ok(Looked::Nothing) => {
                        round += 1;
                        if round >= ROUNDS.min(policy.max_attempts) {
                            return Err(error);
                        }
                        self.control.sleep(clock, policy.delay(round - 1))?;
                        continue;
                    }
                    Err(Error::Cancelled) => return Err(Error::Cancelled),
                    Ok(Looked::Doubtful) | Err(_) => return Err(error),
                },
            };
            tally.add(version.content_length);
            tally.finish();
            return Ok(Small::Done(Box::new(version)));
        }
    }

    /// Looks whether the service has made the copy that was asked for from `started` on.
    fn look(&self, started: Duration) -> Result<Looked> {
        let source = self.describe_source()?;
        let range = self.selected(&source).unwrap_or_default();
        let whole = self.whole_sha1(&source);
        let like_it = |version: &FileVersion| {
            version.action == FileAction::Upload
                && version.content_length == range.end - range.start
                && self.session.is_made_since(started, version)
                && whole.is_none_or(|sha1| version.content_sha1.digest() == Some(sha1))
                && self.has_metadata(version, &source)
        };
        let found = self
            .session
            .find_version(self.control, self.bucket, self.new_name, like_it)?;
        Ok(match found {
            None => Looked::Nothing,
            Some(version) if whole.is_some() => Looked::Found(Box::new(version)),
            Some(_) => Looked::Doubtful,
        })
    }

    fn has_metadata(&self, version: &FileVersion, source: &FileVersion) -> bool {
        match &self.options.metadata {
            CopyMetadata::Keep => {
                version.file_info == source.file_info && version.content_type == source.content_type
            }
            CopyMetadata::Replace {
                content_type,
                file_info,
            } => {
                version.file_info == *file_info
                    && (content_type == CONTENT_TYPE_AUTO
                        || version.content_type.as_ref() == Some(content_type))
            }
        }
    }

    /// The SHA-1 that the copy as a whole has, if it is known.
    fn whole_sha1(&self, source: &FileVersion) -> Option<Sha1Digest> {
        let is_whole = self.selected(source) == Some(0..source.content_length);
        source.sha1().filter(|_| is_whole)
    }

    /// Makes a large file of parts that are copied side by side.
    fn copy_large(&self, source: &FileVersion, limits: &PartLimits) -> Result<FileVersion> {
        let range = self.selected(source).unwrap_or_default();
        let length = range.end - range.start;
        let parts = limits.cut(length)?;
        let (content_type, file_info) = self.metadata_of_large(source);
        let options = UploadOptions::default();
        let upload = Upload {
            session: self.session,
            workers: self.workers,
            bucket: self.bucket,
            file_name: self.new_name,
            options: &options,
            control: self.control,
        };
        let request = UploadRequest {
            file_name: self.new_name,
            content_type,
            file_info: &file_info,
        };
        let tally = Tally::new(
            self.control,
            self.new_name,
            self.session.clock(),
            Some(length),
        );
        let file_id = upload.start(&request)?;
        let copied = upload.as_large_file(file_id, &tally, |started| {
            parallel::run(self.workers, self.control, |_| {
                Box::new((1..).zip(parts.iter()).map(|(number, part)| {
                    let part = range.start + part.start..range.start + part.end;
                    Ok(move |control: &Control| {
                        started.copy_part(number, self.source, part, control)
                    })
                }))
            })
        })?;
        Ok(copied.into_version())
    }

    /// Type and info of a large copy: `b2_copy_part` carries none over.
    fn metadata_of_large<'s>(&'s self, source: &'s FileVersion) -> (&'s str, FileInfo) {
        let whole = self.whole_sha1(source);
        let (content_type, mut file_info) = match &self.options.metadata {
            CopyMetadata::Keep => {
                let is_whole = self.selected(source) == Some(0..source.content_length);
                // The SHA-1 of another whole would make every download of this one fail.
                let kept = |(name, _): &(&String, &String)| is_whole || *name != LARGE_FILE_SHA1;
                let content_type = source.content_type.as_deref().unwrap_or(CONTENT_TYPE_AUTO);
                (content_type, source.file_info.iter().filter(kept).collect())
            }
            CopyMetadata::Replace {
                content_type,
                file_info,
            } => (content_type.as_str(), file_info.clone()),
        };
        if let (Some(sha1), None) = (whole, file_info.get(LARGE_FILE_SHA1))
            && file_info.len() < MAX_INFOS
        {
            file_info.insert(LARGE_FILE_SHA1, sha1.to_string());
        }
        (content_type, file_info)
    }
}

/// What a look for a copy found whose answer was lost.
enum Looked {
    Found(Box<FileVersion>),
    Nothing,
    /// Something like it, and no checksum that tells whether it is.
    Doubtful,
}
