//! Copies within the service (docs/protocol.md, sections 2.13 and 2.17).

use serde::Serialize;

use crate::model::file_info::FileInfo;
use crate::model::id::{BucketId, FileId};
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::range::ByteRange;
use crate::setters::setters;
use crate::wire::encryption::EncryptionSetting;

/// The body of [`b2_copy_file`](crate::guide::protocol#213-b2_copy_file).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CopyFileRequest<'a> {
    /// The version to copy.
    pub source_file_id: &'a FileId,
    /// The name of the copy.
    pub file_name: &'a str,
    /// The bucket of the copy; the source's if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_bucket_id: Option<&'a BucketId>,
    /// The bytes to copy, at most 5,000,000,000; all if not given.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::wire::as_text"
    )]
    pub range: Option<ByteRange>,
    /// `COPY` keeps content type and file info; `REPLACE` takes those given here.
    pub metadata_directive: &'a str,
    /// With `REPLACE` only, and needed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<&'a str>,
    /// With `REPLACE` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_info: Option<&'a FileInfo>,
    /// Until when the copy cannot be deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_retention: Option<&'a FileRetention>,
    /// Whether the copy is on legal hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legal_hold: Option<&'a LegalHold>,
    /// The customer's key of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_server_side_encryption: Option<EncryptionSetting<'a>>,
    /// How the copy is encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_server_side_encryption: Option<EncryptionSetting<'a>>,
}

impl<'a> CopyFileRequest<'a> {
    /// A copy of a whole file in its own bucket, with its content type and file info.
    #[must_use]
    pub const fn new(source_file_id: &'a FileId, file_name: &'a str) -> Self {
        Self {
            source_file_id,
            file_name,
            destination_bucket_id: None,
            range: None,
            metadata_directive: "COPY",
            content_type: None,
            file_info: None,
            file_retention: None,
            legal_hold: None,
            source_server_side_encryption: None,
            destination_server_side_encryption: None,
        }
    }
}

setters! {
    CopyFileRequest<'a> {
        destination_bucket_id: &'a BucketId,
        range: ByteRange,
        metadata_directive: &'a str,
        content_type: &'a str,
        file_info: &'a FileInfo,
        file_retention: &'a FileRetention,
        legal_hold: &'a LegalHold,
    }
    into {
        source_server_side_encryption: EncryptionSetting<'a>,
        destination_server_side_encryption: EncryptionSetting<'a>,
    }
}

/// The body of [`b2_copy_part`](crate::guide::protocol#217-b2_copy_part).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CopyPartRequest<'a> {
    /// The version to copy from.
    pub source_file_id: &'a FileId,
    /// The large file that the part is for.
    pub large_file_id: &'a FileId,
    /// Which part of it, from 1 to 10,000.
    pub part_number: u32,
    /// The bytes to copy, at most 5,000,000,000; all if not given.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::wire::as_text"
    )]
    pub range: Option<ByteRange>,
    /// The customer's key of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_server_side_encryption: Option<EncryptionSetting<'a>>,
    /// Of a large file under a customer's key only; what else was said when it was started holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_server_side_encryption: Option<EncryptionSetting<'a>>,
}

impl<'a> CopyPartRequest<'a> {
    /// A part that is a whole file.
    #[must_use]
    pub const fn new(
        source_file_id: &'a FileId,
        large_file_id: &'a FileId,
        part_number: u32,
    ) -> Self {
        Self {
            source_file_id,
            large_file_id,
            part_number,
            range: None,
            source_server_side_encryption: None,
            destination_server_side_encryption: None,
        }
    }
}

setters! {
    CopyPartRequest<'a> {
        range: ByteRange,
    }
    into {
        source_server_side_encryption: EncryptionSetting<'a>,
        destination_server_side_encryption: EncryptionSetting<'a>,
    }
}
