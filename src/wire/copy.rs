//! Copies within the service (reference sections 2.13 and 2.17).

use serde::Serialize;

use crate::model::file_info::FileInfo;
use crate::model::id::{BucketId, FileId};
use crate::model::lock::{FileRetention, LegalHold};
use crate::wire::encryption::EncryptionSetting;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CopyFileRequest<'a> {
    pub(crate) source_file_id: &'a FileId,
    pub(crate) file_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) destination_bucket_id: Option<&'a BucketId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<String>,
    pub(crate) metadata_directive: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_info: Option<&'a FileInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_retention: Option<&'a FileRetention>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) legal_hold: Option<&'a LegalHold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source_server_side_encryption: Option<EncryptionSetting<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) destination_server_side_encryption: Option<EncryptionSetting<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CopyPartRequest<'a> {
    pub(crate) source_file_id: &'a FileId,
    pub(crate) large_file_id: &'a FileId,
    pub(crate) part_number: u64,
    pub(crate) range: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source_server_side_encryption: Option<EncryptionSetting<'a>>,
    /// Of a large file under a customer's key only; what else was said when it was started holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) destination_server_side_encryption: Option<EncryptionSetting<'a>>,
}
