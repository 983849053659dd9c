//! Download authorizations (reference section 2.25).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::id::BucketId;
use crate::model::secret::DownloadToken;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DownloadAuthorizationRequest<'a> {
    pub(crate) bucket_id: &'a BucketId,
    pub(crate) file_name_prefix: &'a str,
    pub(crate) valid_duration_in_seconds: u64,
    /// `b2ContentDisposition` and the like.
    #[serde(flatten)]
    pub(crate) overrides: BTreeMap<&'static str, &'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DownloadAuthorizationResponse {
    pub(crate) authorization_token: DownloadToken,
}
