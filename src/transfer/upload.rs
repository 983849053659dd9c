//! Uploading: what a caller may say about it, and what is checked before a byte is sent.

mod small;

use std::sync::Arc;

use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::progress::Progress;
use crate::error::{Error, Result};
use crate::model::file::FileVersion;
use crate::model::file_info::{FileInfo, SRC_LAST_MODIFIED_MILLIS};
use crate::model::id::BucketId;
use crate::model::name::check_file_name;
use crate::model::time::Timestamp;
use crate::raw::UploadRequest;
use crate::session::Session;
use crate::transfer::source::UploadSource;

/// The service derives the type from the name's extension.
const CONTENT_TYPE_AUTO: &str = "b2/x-auto";
/// The most that one request may carry, in bytes (reference section 7).
const SINGLE_UPLOAD_LIMIT: u64 = 5_000_000_000;
/// The most that name and info may take in headers, in bytes (reference section 4.3).
const HEADER_LIMIT: usize = 7000;

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

/// What came of an upload.
#[derive(Debug, Clone)]
pub struct Uploaded {
    version: FileVersion,
    retries: u32,
}

impl Uploaded {
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

    /// How many attempts failed before.
    #[must_use]
    pub const fn retries(&self) -> u32 {
        self.retries
    }
}

/// One upload: where to, as what, how.
pub(crate) struct Upload<'a> {
    pub(crate) session: &'a Session,
    pub(crate) bucket: &'a BucketId,
    pub(crate) file_name: &'a str,
    pub(crate) options: &'a UploadOptions,
    pub(crate) control: &'a Control,
}

impl Upload<'_> {
    /// Uploads the source, after everything was checked that can be checked before.
    pub(crate) fn send(&self, source: &mut dyn UploadSource) -> Result<Uploaded> {
        let UploadOptions {
            content_type,
            file_info,
            src_last_modified,
            progress: _,
            cancel: _,
        } = self.options;
        let name = self.file_name;
        check_file_name(name).map_err(|rule| Error::InvalidFileName {
            name: name.into(),
            rule,
        })?;
        if source.len() > SINGLE_UPLOAD_LIMIT {
            let reason = format!(
                "{} bytes are more than the {SINGLE_UPLOAD_LIMIT} of a single upload",
                source.len()
            );
            return Err(Error::invalid_input("length", reason));
        }
        let content_type = content_type.as_deref().unwrap_or(CONTENT_TYPE_AUTO);
        if content_type.is_empty()
            || !content_type
                .bytes()
                .all(|byte| (0x20..0x7f).contains(&byte))
        {
            return Err(Error::invalid_input(
                "content_type",
                "it is not a MIME type in ASCII",
            ));
        }
        let modified = src_last_modified.or_else(|| source.modified().map(not_before_1970));
        let file_info = with_modification_time(file_info, modified);
        file_info
            .check()
            .map_err(|reason| Error::invalid_input("file_info", reason))?;
        let request = UploadRequest {
            file_name: name,
            content_type,
            file_info: &file_info,
        };
        let taken = request.header_bytes();
        if taken > HEADER_LIMIT {
            let reason = format!(
                "with the file name it takes {taken} bytes encoded; {HEADER_LIMIT} are possible"
            );
            return Err(Error::invalid_input("file_info", reason));
        }
        self.send_small(&request, source)
    }
}

/// A file with an odd time is uploaded all the same.
fn not_before_1970(time: Timestamp) -> Timestamp {
    time.max(Timestamp::from_millis(0))
}

/// The info, with the source's time unless the caller wrote one there.
fn with_modification_time(info: &FileInfo, modified: Option<Timestamp>) -> FileInfo {
    let mut info = info.clone();
    if let (Some(modified), None) = (modified, info.get(SRC_LAST_MODIFIED_MILLIS)) {
        info.insert(SRC_LAST_MODIFIED_MILLIS, modified.to_string());
    }
    info
}
