//! Download authorizations (docs/protocol.md, section 2.25).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::id::BucketId;
use crate::model::response_headers::ResponseHeaders;
use crate::model::secret::DownloadToken;

/// The body of [`b2_get_download_authorization`](crate::guide::protocol#225-b2_get_download_authorization).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DownloadAuthorizationRequest<'a> {
    /// The bucket.
    pub bucket_id: &'a BucketId,
    /// The names that may be downloaded start so; empty for all.
    pub file_name_prefix: &'a str,
    /// How long, 1 to 604,800 seconds (a week).
    pub valid_duration_in_seconds: u64,
    /// `b2ContentDisposition` and the like: the downloads must ask for the same.
    #[serde(flatten)]
    pub overrides: BTreeMap<&'a str, &'a str>,
}

impl<'a> DownloadAuthorizationRequest<'a> {
    /// Downloads of the names that start so, with the headers that the files have.
    #[must_use]
    pub const fn new(
        bucket_id: &'a BucketId,
        file_name_prefix: &'a str,
        valid_duration_in_seconds: u64,
    ) -> Self {
        Self {
            bucket_id,
            file_name_prefix,
            valid_duration_in_seconds,
            overrides: BTreeMap::new(),
        }
    }

    /// Downloads that answer with these headers.
    #[must_use]
    pub fn overrides(mut self, headers: &'a ResponseHeaders) -> Self {
        self.overrides = headers.parameters().collect();
        self
    }
}

/// What `b2_get_download_authorization` answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DownloadAuthorizationResponse {
    /// What lets others download.
    pub authorization_token: DownloadToken,
    /// The bucket.
    #[serde(default)]
    pub bucket_id: Option<BucketId>,
    /// The names that may be downloaded start so.
    #[serde(default)]
    pub file_name_prefix: Option<String>,
    /// The fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
