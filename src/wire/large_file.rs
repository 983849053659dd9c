//! Large files and their parts (reference sections 2.14 to 2.21).

use serde::{Deserialize, Serialize};

use crate::model::file::FileVersion;
use crate::model::file_info::FileInfo;
use crate::model::id::{BucketId, FileId};
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::part::Part;
use crate::wire::encryption::EncryptionSetting;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartLargeFileRequest<'a> {
    pub(crate) bucket_id: &'a BucketId,
    pub(crate) file_name: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) file_info: &'a FileInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_side_encryption: Option<EncryptionSetting<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_retention: Option<&'a FileRetention>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) legal_hold: Option<&'a LegalHold>,
    /// Decimal milliseconds, as text (reference section 2.14).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) custom_upload_timestamp: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FinishLargeFileRequest<'a> {
    pub(crate) file_id: &'a FileId,
    pub(crate) part_sha1_array: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelLargeFileResponse {
    #[serde(rename = "fileId")]
    pub(crate) _file_id: FileId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListPartsRequest<'a> {
    pub(crate) file_id: &'a FileId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_part_number: Option<u32>,
    pub(crate) max_part_count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListPartsResponse {
    pub(crate) parts: Vec<Part>,
    #[serde(default)]
    pub(crate) next_part_number: Option<u32>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListUnfinishedRequest {
    pub(crate) bucket_id: BucketId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_file_id: Option<FileId>,
    pub(crate) max_file_count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListUnfinishedResponse {
    pub(crate) files: Vec<FileVersion>,
    #[serde(default)]
    pub(crate) next_file_id: Option<FileId>,
}
