//! Download authorizations (docs/protocol.md, section 2.25).
//!
//! The request is billed in class C and needs `shareFiles`. The token that it returns works for
//! downloads by name only, in one bucket, until it expires; whoever has it may download.

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
    /// The id of the bucket.
    pub bucket_id: &'a BucketId,
    /// The prefix of the names that may be downloaded; empty for all.
    pub file_name_prefix: &'a str,
    /// How long the token is valid, 1 to 604,800 seconds (a week).
    pub valid_duration_in_seconds: u64,
    /// Response headers that downloads with the token must ask for, such as `b2ContentDisposition`.
    /// The values must be identical.
    #[serde(flatten)]
    pub overrides: BTreeMap<&'a str, &'a str>,
}

impl<'a> DownloadAuthorizationRequest<'a> {
    /// Creates a request for downloads of names with this prefix, with the files' own headers.
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

    /// Restricts the token to downloads that ask for these response headers.
    ///
    /// They replace those that were given before.
    #[must_use]
    pub fn overrides(mut self, headers: &'a ResponseHeaders) -> Self {
        self.overrides = headers.parameters().collect();
        self
    }
}

/// The answer to
/// [`b2_get_download_authorization`](crate::guide::protocol#225-b2_get_download_authorization).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DownloadAuthorizationResponse {
    /// The token that lets others download.
    pub authorization_token: DownloadToken,
    /// The id of the bucket.
    #[serde(default)]
    pub bucket_id: Option<BucketId>,
    /// The prefix of the names that may be downloaded.
    #[serde(default)]
    pub file_name_prefix: Option<String>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
