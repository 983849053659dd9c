//! Upload URLs (docs/protocol.md, sections 2.6 and 2.15).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::id::{BucketId, FileId};
use crate::model::secret::UploadToken;

/// The body of `b2_get_upload_url`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetUploadUrlRequest<'a> {
    pub(crate) bucket_id: &'a BucketId,
}

/// The answer to [`b2_get_upload_url`](crate::guide::protocol#26-b2_get_upload_url) and
/// [`b2_get_upload_part_url`](crate::guide::protocol#215-b2_get_upload_part_url): a URL for one
/// upload at a time, valid for 24 hours or until an upload to it fails.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UploadUrlResponse {
    /// The URL to upload to.
    pub upload_url: String,
    /// The token that belongs to the URL.
    pub authorization_token: UploadToken,
    /// The id of the bucket, if the URL is for whole files.
    #[serde(default)]
    pub bucket_id: Option<BucketId>,
    /// The id of the large file, if the URL is for parts.
    #[serde(default)]
    pub file_id: Option<FileId>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
