//! Upload URLs (docs/protocol.md, sections 2.6 and 2.15).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::id::{BucketId, FileId};
use crate::model::secret::UploadToken;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetUploadUrlRequest<'a> {
    pub(crate) bucket_id: &'a BucketId,
}

/// What `b2_get_upload_url` and `b2_get_upload_part_url` answer: a URL that one upload at a time may
/// use, for 24 hours or until an upload to it fails.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UploadUrlResponse {
    /// Where to upload.
    pub upload_url: String,
    /// The token that goes with it.
    pub authorization_token: UploadToken,
    /// The bucket, if it is for whole files.
    #[serde(default)]
    pub bucket_id: Option<BucketId>,
    /// The large file, if it is for parts.
    #[serde(default)]
    pub file_id: Option<FileId>,
    /// The fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
