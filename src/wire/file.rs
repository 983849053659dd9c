//! Files and their listings (docs/protocol.md, sections 2.8 to 2.12).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::file::FileVersion;
use crate::model::id::{BucketId, FileId};
use crate::model::lenient;
use crate::setters::setters;

/// The body of [`b2_list_file_names`](crate::guide::protocol#28-b2_list_file_names) and
/// [`b2_list_file_versions`](crate::guide::protocol#29-b2_list_file_versions).
///
/// ```
/// use b2sdk::BucketId;
/// use b2sdk::raw::ListFilesRequest;
///
/// let request = ListFilesRequest::new(BucketId::from("27c88f1d182b150646ff0b16"))
///     .prefix("photos/")
///     .delimiter("/")
///     .max_file_count(100);
/// assert!(request.start_file_name.is_none()); // from the first name on
/// ```
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListFilesRequest {
    /// The id of the bucket.
    pub bucket_id: BucketId,
    /// The name to start at. It need not exist: the listing starts at the first name that is not
    /// less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_file_name: Option<String>,
    /// The id of the version to start at. It is allowed only in listings of versions, and only
    /// together with a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_file_id: Option<FileId>,
    /// The largest number of rows in the answer, 1 to 10,000. Each started 1,000 rows that are
    /// returned are billed as one call.
    pub max_file_count: u32,
    /// Lists only names that start with this prefix.
    pub prefix: String,
    /// Groups names that contain this text after the prefix into one folder each; usually `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
}

impl ListFilesRequest {
    /// Creates a request for the first 1,000 rows of a bucket.
    #[must_use]
    pub const fn new(bucket_id: BucketId) -> Self {
        Self {
            bucket_id,
            start_file_name: None,
            start_file_id: None,
            max_file_count: 1000,
            prefix: String::new(),
            delimiter: None,
        }
    }
}

setters! {
    ListFilesRequest {
        max_file_count: u32,
    }
    into {
        start_file_name: String,
        start_file_id: FileId,
        prefix: String,
        delimiter: String,
    }
}

/// The answer to [`b2_list_file_names`](crate::guide::protocol#28-b2_list_file_names) and
/// [`b2_list_file_versions`](crate::guide::protocol#29-b2_list_file_versions).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListFilesResponse {
    /// The rows. A page may be empty although more pages follow.
    #[serde(deserialize_with = "lenient::rows")]
    pub files: Vec<FileVersion>,
    /// The start of the next page; `None` on the last page.
    #[serde(default)]
    pub next_file_name: Option<String>,
    /// The id of the version at which the next page starts; only in listings of versions.
    #[serde(default)]
    pub next_file_id: Option<FileId>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The body of the requests that name only a file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileIdRequest<'a> {
    pub(crate) file_id: &'a FileId,
}

/// The body of `b2_hide_file`. Its answer is the hide marker.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HideFileRequest<'a> {
    pub(crate) bucket_id: &'a BucketId,
    pub(crate) file_name: &'a str,
}

/// The body of `b2_delete_file_version`. Name and id must belong together.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteFileVersionRequest<'a> {
    pub(crate) file_name: &'a str,
    pub(crate) file_id: &'a FileId,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) bypass_governance: bool,
}

/// The answer to [`b2_delete_file_version`](crate::guide::protocol#212-b2_delete_file_version).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeleteFileVersionResponse {
    /// The id of the deleted version.
    pub file_id: FileId,
    /// The name of the file.
    #[serde(default)]
    pub file_name: Option<String>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
