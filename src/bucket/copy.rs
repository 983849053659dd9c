//! Copying within the service: no data goes through this machine (reference section 2.13).

use crate::bucket::Bucket;
use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::model::file::FileVersion;
use crate::model::file_info::FileInfo;
use crate::model::id::FileId;
use crate::model::name::check_file_name;
use crate::model::operation::Operation;
use crate::model::range::ByteRange;
use crate::wire::copy::CopyFileRequest;

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

    /// Cancels the copy.
    #[must_use]
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }
}

impl Bucket {
    /// Copies a version, of this or another bucket of the account, into this bucket under that name.
    /// At most 5,000,000,000 bytes.
    ///
    /// # Errors
    /// [`Error::InvalidFileName`]; [`Error::FileNotFound`]; [`Error::NotAllowed`];
    /// [`Error::RangeNotSatisfiable`]; [`Error::Service`] with the code `source_too_large`; the errors of
    /// any call.
    ///
    /// # Consequences
    /// If the connection breaks before the answer ([`Error::Connection`], `sent` is `All`), the copy may
    /// have been made; it is not tried again, because that could leave two.
    pub fn copy(&self, source: &FileId, new_name: &str) -> Result<FileVersion> {
        self.copy_with(source, new_name, &CopyOptions::default())
    }

    /// Copies with settings.
    ///
    /// # Errors
    /// As [`copy`](Self::copy); [`Error::InvalidInput`].
    pub fn copy_with(
        &self,
        source: &FileId,
        new_name: &str,
        options: &CopyOptions,
    ) -> Result<FileVersion> {
        let CopyOptions {
            range,
            metadata,
            cancel,
        } = options;
        check_file_name(new_name).map_err(|rule| Error::InvalidFileName {
            name: new_name.into(),
            rule,
        })?;
        if range.is_some_and(|range| !range.is_bounded()) {
            return Err(Error::invalid_input(
                "range",
                "a copy takes a range with a beginning and an end",
            ));
        }
        let (metadata_directive, content_type, file_info) = match metadata {
            CopyMetadata::Keep => ("COPY", None, None),
            CopyMetadata::Replace {
                content_type,
                file_info,
            } => {
                file_info
                    .check()
                    .map_err(|reason| Error::invalid_input("file_info", reason))?;
                ("REPLACE", Some(content_type.as_str()), Some(file_info))
            }
        };
        let control = self.control(cancel.as_ref());
        self.with_id(&control, |id| {
            let request = CopyFileRequest {
                source_file_id: source,
                file_name: new_name,
                destination_bucket_id: Some(id),
                range: range.map(|range| range.to_string()),
                metadata_directive,
                content_type,
                file_info,
            };
            self.client
                .session
                .call(Operation::CopyFile, &control, |raw| raw.copy_file(&request))
        })
    }
}
