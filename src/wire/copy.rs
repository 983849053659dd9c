//! Copies within the service (docs/protocol.md, sections 2.13 and 2.17).
//!
//! Nothing passes through this machine: the service reads the source and writes the copy, and
//! answers when it is done, which may take minutes for a large source. Both requests are billed in
//! class C. Neither takes an upload URL.
//!
//! | the request says | what the copy has |
//! | --- | --- |
//! | no destination bucket | the bucket of the source |
//! | no range | all bytes of the source |
//! | `COPY` | the content type and file info of the source |
//! | `REPLACE` | the content type and file info of the request |
//! | no encryption | the default encryption of its bucket |
//! | no retention, no legal hold | none of the source's; the service never copies them |

use serde::Serialize;

use crate::model::file_info::FileInfo;
use crate::model::id::{BucketId, FileId};
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::range::ByteRange;
use crate::setters::setters;
use crate::wire::encryption::EncryptionSetting;

/// The body of [`b2_copy_file`](crate::guide::protocol#213-b2_copy_file). The request has no upload
/// time: a copy always gets the present time.
///
/// ```
/// use b2sdk::raw::CopyFileRequest;
/// use b2sdk::{ByteRange, FileId};
///
/// let source = FileId::from("4_z27c88f1d182b150646ff0b16_f1004ba650fe24e6b");
/// let request = CopyFileRequest::new(&source, "beginning.log").range(ByteRange::from(0..1000));
/// assert_eq!(request.metadata_directive, "COPY");
/// ```
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CopyFileRequest<'a> {
    /// The id of the version to copy.
    pub source_file_id: &'a FileId,
    /// The name of the copy.
    pub file_name: &'a str,
    /// The id of the copy's bucket; by default the bucket of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_bucket_id: Option<&'a BucketId>,
    /// The range to copy, at most 5,000,000,000 bytes; by default the whole file.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::wire::as_text"
    )]
    pub range: Option<ByteRange>,
    /// `COPY` keeps the content type and file info of the source; `REPLACE` uses those of this
    /// request.
    pub metadata_directive: &'a str,
    /// The content type, required with `REPLACE` and not allowed with `COPY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<&'a str>,
    /// The file info, allowed with `REPLACE` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_info: Option<&'a FileInfo>,
    /// The retention of the copy. The retention of the source is never copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_retention: Option<&'a FileRetention>,
    /// The legal hold of the copy. The legal hold of the source is never copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legal_hold: Option<&'a LegalHold>,
    /// The customer's key that the source is encrypted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_server_side_encryption: Option<EncryptionSetting<'a>>,
    /// The encryption of the copy; by default that of its bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_server_side_encryption: Option<EncryptionSetting<'a>>,
}

impl<'a> CopyFileRequest<'a> {
    /// Creates a request to copy a whole file within its bucket, with its content type and file
    /// info.
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
///
/// A part that is copied again replaces the earlier one of its number.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CopyPartRequest<'a> {
    /// The id of the version to copy from.
    pub source_file_id: &'a FileId,
    /// The id of the large file that the part belongs to.
    pub large_file_id: &'a FileId,
    /// The number of the part, 1 to 10,000.
    pub part_number: u32,
    /// The range to copy, at most 5,000,000,000 bytes; by default the whole file.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::wire::as_text"
    )]
    pub range: Option<ByteRange>,
    /// The customer's key that the source is encrypted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_server_side_encryption: Option<EncryptionSetting<'a>>,
    /// The customer's key that the large file was started with. Any other encryption is not
    /// repeated for parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_server_side_encryption: Option<EncryptionSetting<'a>>,
}

impl<'a> CopyPartRequest<'a> {
    /// Creates a request to copy a whole file into a part.
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
