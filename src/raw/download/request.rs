//! What is downloaded: the file, by name or by id, the range, the customer's key and the headers that
//! the answer is to have. Nothing is sent here.

use crate::error::Result;
use crate::error::service::Subject;
use crate::http::header;
use crate::http::headers::Headers;
use crate::model::file::FileVersion;
use crate::model::id::FileId;
use crate::model::operation::Operation;
use crate::model::range::ByteRange;
use crate::model::response_headers::ResponseHeaders;
use crate::model::secret::SseCustomerKey;
use crate::raw::agreement;
use crate::raw::customer_key::add_customer_key;
use crate::raw::encoding::{encode, encode_query};
use crate::setters::setters;

/// The settings of a download besides the file ([section 8.1](crate::guide::protocol#81-requests)).
///
/// ```
/// use b2sdk::ByteRange;
/// use b2sdk::raw::DownloadParameters;
///
/// let first_kilobyte = DownloadParameters::new().range(ByteRange::from(0..=999));
/// assert!(first_kilobyte.customer_key.is_none());
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct DownloadParameters<'a> {
    /// The bytes to download; all if there is no range.
    pub range: Option<ByteRange>,
    /// The customer's key that the file is encrypted with.
    pub customer_key: Option<&'a SseCustomerKey>,
    /// Response headers that replace the file's own. The [`FileVersion`] of the answer then
    /// contains them instead of the file's own, too.
    pub response_headers: Option<&'a ResponseHeaders>,
}

impl DownloadParameters<'_> {
    /// Creates the parameters of a whole file that is not encrypted with a customer's key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The headers of the request.
    pub(super) fn headers(&self) -> Result<Headers> {
        let mut headers = Headers::new();
        if let Some(range) = self.range {
            headers.add(header::RANGE, range.to_string())?;
        }
        if let Some(key) = self.customer_key {
            add_customer_key(&mut headers, key)?;
        }
        Ok(headers)
    }

    /// The URL with the parameters for the response headers.
    pub(super) fn add_to(&self, mut url: String) -> String {
        let headers = self.response_headers.into_iter();
        for (name, value) in headers.flat_map(ResponseHeaders::parameters) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(name);
            url.push('=');
            url.push_str(&encode_query(value));
        }
        url
    }
}

setters! {
    DownloadParameters<'a> {
        range: ByteRange,
        customer_key: &'a SseCustomerKey,
        response_headers: &'a ResponseHeaders,
    }
}

/// The file to download, and the customer's key that it is encrypted with.
///
/// It owns its parts, because a download that is continued later needs them again.
#[derive(Debug, Clone)]
pub(crate) struct DownloadRequest {
    target: OwnedTarget,
    key: Option<SseCustomerKey>,
}

/// The file to download, by name or by id.
#[derive(Debug, Clone)]
enum OwnedTarget {
    ByName {
        bucket_name: String,
        file_name: String,
    },
    ById(FileId),
}

/// The file to download, borrowed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'a> {
    ByName {
        bucket_name: &'a str,
        file_name: &'a str,
    },
    ById(&'a FileId),
}

impl DownloadRequest {
    /// The latest version of this name.
    pub(crate) const fn by_name(bucket_name: String, file_name: String) -> Self {
        Self {
            target: OwnedTarget::ByName {
                bucket_name,
                file_name,
            },
            key: None,
        }
    }

    /// The version with this id.
    pub(crate) const fn by_id(file_id: FileId) -> Self {
        Self {
            target: OwnedTarget::ById(file_id),
            key: None,
        }
    }

    /// The request with this key.
    pub(crate) fn with_key(self, key: Option<&SseCustomerKey>) -> Self {
        Self {
            key: key.cloned(),
            ..self
        }
    }

    /// The request for this version, with the same key. A newer version of the name cannot be mixed
    /// in then.
    pub(crate) fn pinned_to(&self, file_id: &FileId) -> Self {
        Self::by_id(file_id.clone()).with_key(self.key.as_ref())
    }

    pub(crate) fn operation(&self) -> Operation {
        self.target().operation()
    }

    pub(super) fn target(&self) -> Target<'_> {
        match &self.target {
            OwnedTarget::ByName {
                bucket_name,
                file_name,
            } => Target::ByName {
                bucket_name,
                file_name,
            },
            OwnedTarget::ById(file_id) => Target::ById(file_id),
        }
    }

    /// The settings of the request.
    pub(super) fn parameters(&self, range: Option<ByteRange>) -> DownloadParameters<'_> {
        DownloadParameters {
            range,
            customer_key: self.key.as_ref(),
            response_headers: None,
        }
    }

    /// The name in the request, if it has one.
    pub(crate) fn file_name(&self) -> Option<&str> {
        match &self.target {
            OwnedTarget::ByName { file_name, .. } => Some(file_name),
            OwnedTarget::ById(_) => None,
        }
    }
}

impl Target<'_> {
    pub(super) const fn operation(self) -> Operation {
        match self {
            Self::ByName { .. } => Operation::DownloadFileByName,
            Self::ById(_) => Operation::DownloadFileById,
        }
    }

    /// The URL of the file.
    pub(super) fn url(self, base: &str) -> String {
        let base = base.trim_end_matches('/');
        match self {
            Self::ByName {
                bucket_name,
                file_name,
            } => format!("{base}/file/{}/{}", encode(bucket_name), encode(file_name)),
            Self::ById(id) => format!(
                "{base}/b2api/v4/b2_download_file_by_id?fileId={}",
                encode(id.as_str())
            ),
        }
    }

    /// Fails if the answer is about another file.
    pub(super) fn check(self, version: &FileVersion) -> Result<()> {
        let operation = self.operation();
        match self {
            Self::ByName { file_name, .. } => {
                agreement::same(operation, &file_name, &version.file_name.as_str())
            }
            Self::ById(id) => agreement::same(operation, id, &version.file_id),
        }
    }

    /// What the request is about, for the error of a refusal.
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject::File(match self {
            Self::ByName { file_name, .. } => file_name,
            Self::ById(id) => id.as_str(),
        })
    }
}
