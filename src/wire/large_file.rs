//! Large files and their parts (docs/protocol.md, sections 2.14 to 2.21).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::file::FileVersion;
use crate::model::file_info::FileInfo;
use crate::model::id::{AccountId, BucketId, FileId};
use crate::model::lenient;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::part::Part;
use crate::model::time::Timestamp;
use crate::setters::setters;
use crate::wire::encryption::EncryptionSetting;

/// The body of [`b2_start_large_file`](crate::guide::protocol#214-b2_start_large_file).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StartLargeFileRequest<'a> {
    /// The bucket.
    pub bucket_id: &'a BucketId,
    /// The name of the file.
    pub file_name: &'a str,
    /// The MIME type; `b2/x-auto` lets the service choose by the name.
    pub content_type: &'a str,
    /// Names and values to store with the file.
    pub file_info: &'a FileInfo,
    /// How it is encrypted; as the bucket says if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_side_encryption: Option<EncryptionSetting<'a>>,
    /// Until when it cannot be deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_retention: Option<&'a FileRetention>,
    /// Whether it is on legal hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legal_hold: Option<&'a LegalHold>,
    /// The upload time that the file shall have; for accounts that may choose one.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::wire::as_decimal"
    )]
    pub custom_upload_timestamp: Option<Timestamp>,
}

impl<'a> StartLargeFileRequest<'a> {
    /// A large file that is kept as its bucket says.
    #[must_use]
    pub const fn new(
        bucket_id: &'a BucketId,
        file_name: &'a str,
        content_type: &'a str,
        file_info: &'a FileInfo,
    ) -> Self {
        Self {
            bucket_id,
            file_name,
            content_type,
            file_info,
            server_side_encryption: None,
            file_retention: None,
            legal_hold: None,
            custom_upload_timestamp: None,
        }
    }
}

setters! {
    StartLargeFileRequest<'a> {
        file_retention: &'a FileRetention,
        legal_hold: &'a LegalHold,
        custom_upload_timestamp: Timestamp,
    }
    into {
        server_side_encryption: EncryptionSetting<'a>,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FinishLargeFileRequest<'a> {
    pub(crate) file_id: &'a FileId,
    pub(crate) part_sha1_array: Vec<String>,
}

/// What `b2_cancel_large_file` answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CancelLargeFileResponse {
    /// The large file that is gone.
    pub file_id: FileId,
    /// Its account.
    #[serde(default)]
    pub account_id: Option<AccountId>,
    /// Its bucket.
    #[serde(default)]
    pub bucket_id: Option<BucketId>,
    /// Its name.
    #[serde(default)]
    pub file_name: Option<String>,
    /// The fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The body of [`b2_list_parts`](crate::guide::protocol#221-b2_list_parts).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListPartsRequest<'a> {
    /// The large file.
    pub file_id: &'a FileId,
    /// The first part to list, from 1 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_part_number: Option<u32>,
    /// The most parts of the answer, 1 to 1000.
    pub max_part_count: u32,
}

impl<'a> ListPartsRequest<'a> {
    /// The first 1000 parts.
    #[must_use]
    pub const fn new(file_id: &'a FileId) -> Self {
        Self {
            file_id,
            start_part_number: None,
            max_part_count: 1000,
        }
    }
}

setters! {
    ListPartsRequest<'a> {
        start_part_number: u32,
        max_part_count: u32,
    }
}

/// What `b2_list_parts` answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListPartsResponse {
    /// The parts that are there.
    #[serde(deserialize_with = "lenient::rows")]
    pub parts: Vec<Part>,
    /// Where the next page starts; `None` at the end.
    #[serde(default)]
    pub next_part_number: Option<u32>,
    /// The fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The body of
/// [`b2_list_unfinished_large_files`](crate::guide::protocol#220-b2_list_unfinished_large_files).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListUnfinishedRequest {
    /// The bucket.
    pub bucket_id: BucketId,
    /// Only names that start so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_prefix: Option<String>,
    /// The first file to list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_file_id: Option<FileId>,
    /// The most files of the answer, 1 to 100.
    pub max_file_count: u32,
}

impl ListUnfinishedRequest {
    /// The first 100 of a bucket.
    #[must_use]
    pub const fn new(bucket_id: BucketId) -> Self {
        Self {
            bucket_id,
            name_prefix: None,
            start_file_id: None,
            max_file_count: 100,
        }
    }
}

setters! {
    ListUnfinishedRequest {
        max_file_count: u32,
    }
    into {
        name_prefix: String,
        start_file_id: FileId,
    }
}

/// What `b2_list_unfinished_large_files` answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListUnfinishedResponse {
    /// The large files that were started and neither finished nor cancelled.
    #[serde(deserialize_with = "lenient::rows")]
    pub files: Vec<FileVersion>,
    /// Where the next page starts; `None` at the end.
    #[serde(default)]
    pub next_file_id: Option<FileId>,
    /// The fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
