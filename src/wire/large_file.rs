//! Large files and their parts (docs/protocol.md, sections 2.14 to 2.21).
//!
//! The order of the requests of one large file:
//!
//! 1. `b2_start_large_file` fixes the name and all settings, and returns the id that the finished
//!    file keeps.
//! 2. Parts 1 to 10,000 are uploaded or copied, in any order and at the same time. A part that is
//!    sent again under its number replaces the earlier one.
//! 3. `b2_finish_large_file` names the SHA-1 of every part, from part 1 on without a gap. Only then
//!    does the file appear under its name.
//!
//! `b2_cancel_large_file` ends it instead and deletes the parts. A file that is neither finished
//! nor cancelled stays, and its parts are billed as storage, until a lifecycle rule or somebody
//! cancels it.
//!
//! | refusal | when |
//! | --- | --- |
//! | 400 `bad_request`, "at least 2 parts" | the request to finish names fewer than two checksums |
//! | 400 `missing_part` | a number is missing, or there are more checksums than parts |
//! | 400 `part_sha1_mismatch` | a checksum is not that of the stored part |
//! | 400 `bad_request`, "No active upload" | the file is unknown, cancelled, or finished already |

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

/// The body of [`b2_start_large_file`](crate::guide::protocol#214-b2_start_large_file). All
/// settings of the file are fixed by this request.
///
/// ```
/// use b2sdk::raw::StartLargeFileRequest;
/// use b2sdk::{BucketId, FileInfo};
///
/// let (bucket, info) = (BucketId::from("27c88f1d182b150646ff0b16"), FileInfo::new().with("author", "Ada"));
/// let request = StartLargeFileRequest::new(&bucket, "dump.sql", "application/sql", &info);
/// assert!(request.server_side_encryption.is_none()); // that of the bucket
/// ```
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StartLargeFileRequest<'a> {
    /// The id of the bucket.
    pub bucket_id: &'a BucketId,
    /// The name of the file.
    pub file_name: &'a str,
    /// The MIME type; `b2/x-auto` lets the service choose by the name.
    pub content_type: &'a str,
    /// Names and values to store with the file.
    pub file_info: &'a FileInfo,
    /// The encryption of the file; by default that of its bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_side_encryption: Option<EncryptionSetting<'a>>,
    /// The retention of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_retention: Option<&'a FileRetention>,
    /// The legal hold of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legal_hold: Option<&'a LegalHold>,
    /// The upload time to record; only for accounts that may choose it.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::wire::as_decimal"
    )]
    pub custom_upload_timestamp: Option<Timestamp>,
}

impl<'a> StartLargeFileRequest<'a> {
    /// Creates a request with the settings of the bucket.
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

/// The body of `b2_finish_large_file`: the SHA-1s of all parts in order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FinishLargeFileRequest<'a> {
    /// The id that the start returned.
    pub(crate) file_id: &'a FileId,
    /// The SHA-1 of each part in hexadecimal digits, part 1 first.
    pub(crate) part_sha1_array: Vec<String>,
}

/// The answer to [`b2_cancel_large_file`](crate::guide::protocol#219-b2_cancel_large_file).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CancelLargeFileResponse {
    /// The id of the cancelled file.
    pub file_id: FileId,
    /// The id of the account.
    #[serde(default)]
    pub account_id: Option<AccountId>,
    /// The id of the bucket.
    #[serde(default)]
    pub bucket_id: Option<BucketId>,
    /// The name of the file.
    #[serde(default)]
    pub file_name: Option<String>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The body of [`b2_list_parts`](crate::guide::protocol#221-b2_list_parts).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListPartsRequest<'a> {
    /// The id of the large file.
    pub file_id: &'a FileId,
    /// The number of the first part to list, from 1 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_part_number: Option<u32>,
    /// The largest number of parts in the answer, 1 to 1,000.
    pub max_part_count: u32,
}

impl<'a> ListPartsRequest<'a> {
    /// Creates a request for the first 1,000 parts.
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

/// The answer to [`b2_list_parts`](crate::guide::protocol#221-b2_list_parts).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListPartsResponse {
    /// The parts that have been uploaded or copied.
    #[serde(deserialize_with = "lenient::rows")]
    pub parts: Vec<Part>,
    /// The start of the next page; `None` on the last page.
    #[serde(default)]
    pub next_part_number: Option<u32>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The body of
/// [`b2_list_unfinished_large_files`](crate::guide::protocol#220-b2_list_unfinished_large_files).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListUnfinishedRequest {
    /// The id of the bucket.
    pub bucket_id: BucketId,
    /// Lists only files whose names start with this prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_prefix: Option<String>,
    /// The id of the first file to list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_file_id: Option<FileId>,
    /// The largest number of files in the answer, 1 to 100.
    pub max_file_count: u32,
}

impl ListUnfinishedRequest {
    /// Creates a request for the first 100 unfinished files of a bucket.
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

/// The answer to
/// [`b2_list_unfinished_large_files`](crate::guide::protocol#220-b2_list_unfinished_large_files).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListUnfinishedResponse {
    /// The large files that were started and neither finished nor cancelled.
    #[serde(deserialize_with = "lenient::rows")]
    pub files: Vec<FileVersion>,
    /// The start of the next page; `None` on the last page.
    #[serde(default)]
    pub next_file_id: Option<FileId>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
