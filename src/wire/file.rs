//! Files and their listings (reference sections 2.8 to 2.12).

use serde::{Deserialize, Serialize};

use crate::model::file::FileVersion;
use crate::model::id::{BucketId, FileId};

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListFilesRequest {
    pub(crate) bucket_id: BucketId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_file_name: Option<String>,
    /// Only for versions, and only together with a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_file_id: Option<FileId>,
    pub(crate) max_file_count: u32,
    pub(crate) prefix: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delimiter: Option<&'static str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListFilesResponse {
    pub(crate) files: Vec<FileVersion>,
    #[serde(default)]
    pub(crate) next_file_name: Option<String>,
    #[serde(default)]
    pub(crate) next_file_id: Option<FileId>,
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteFileVersionResponse {
    #[serde(rename = "fileId")]
    pub(crate) _file_id: FileId,
}
