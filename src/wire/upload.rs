//! Upload URLs (reference sections 2.6 and 2.15).

use serde::{Deserialize, Serialize};

use crate::model::id::BucketId;
use crate::model::secret::UploadToken;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetUploadUrlRequest<'a> {
    pub(crate) bucket_id: &'a BucketId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadUrlResponse {
    pub(crate) upload_url: String,
    pub(crate) authorization_token: UploadToken,
}
