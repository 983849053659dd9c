//! Files and their listings (docs/protocol.md, sections 2.8 to 2.12).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::file::FileVersion;
use crate::model::id::{BucketId, FileId};
use crate::model::lenient;
use crate::setters::setters;

/// The body of [`b2_list_file_names`](crate::guide::protocol#28-b2_list_file_names) and
/// [`b2_list_file_versions`](crate::guide::protocol#29-b2_list_file_versions).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListFilesRequest {
    /// The bucket.
    pub bucket_id: BucketId,
    /// The first name to list, or the one after which there is something to list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_file_name: Option<String>,
    /// Only for versions, and only together with a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_file_id: Option<FileId>,
    /// The most rows of the answer, 1 to 10,000; each 1000 are billed as one call.
    pub max_file_count: u32,
    /// Only names that start so.
    pub prefix: String,
    /// Lists names up to this, behind the prefix, as folders: most often `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
}

impl ListFilesRequest {
    /// The first 1000 rows of a bucket.
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

/// What `b2_list_file_names` and `b2_list_file_versions` answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListFilesResponse {
    /// The rows; a page may be empty although there are more.
    #[serde(deserialize_with = "lenient::rows")]
    pub files: Vec<FileVersion>,
    /// Where the next page starts; `None` at the end.
    #[serde(default)]
    pub next_file_name: Option<String>,
    /// The version where the next page starts; not for names.
    #[serde(default)]
    pub next_file_id: Option<FileId>,
    /// The fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileIdRequest<'a> {
    pub(crate) file_id: &'a FileId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HideFileRequest<'a> {
    pub(crate) bucket_id: &'a BucketId,
    pub(crate) file_name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteFileVersionRequest<'a> {
    pub(crate) file_name: &'a str,
    pub(crate) file_id: &'a FileId,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) bypass_governance: bool,
}

/// What `b2_delete_file_version` answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeleteFileVersionResponse {
    /// The version that is gone.
    pub file_id: FileId,
    /// Its name.
    #[serde(default)]
    pub file_name: Option<String>,
    /// The fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
