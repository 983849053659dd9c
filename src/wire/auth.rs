//! The answer to `b2_authorize_account` (docs/protocol.md, section 2.1).

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::auth::Allowed;
use crate::model::id::AccountId;
use crate::model::lenient::null_is_default;
use crate::model::secret::AuthToken;
use crate::model::time::Timestamp;

/// What `b2_authorize_account` answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AuthorizeAccountResponse {
    /// The account that the key belongs to.
    pub account_id: AccountId,
    /// The token for the following calls; good for at most 24 hours.
    pub authorization_token: AuthToken,
    /// When the key ends; `None` for never.
    #[serde(default)]
    pub application_key_expiration_timestamp: Option<Timestamp>,
    /// Where the APIs are, and what the key may do there.
    pub api_info: ApiInfo,
    /// The fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The APIs that a key opens.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ApiInfo {
    /// The API of this crate.
    pub storage_api: StorageApi,
    /// Other APIs, and the fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Where the API is, and what the key may do.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StorageApi {
    /// The smallest part of a large file, in bytes (the last part may be smaller).
    pub absolute_minimum_part_size: u64,
    /// The part size that the service recommends, in bytes.
    pub recommended_part_size: u64,
    /// Where API calls go.
    pub api_url: String,
    /// Where downloads come from.
    pub download_url: String,
    /// Where the S3 API lives; empty if not known.
    #[serde(default, deserialize_with = "null_is_default")]
    pub s3_api_url: String,
    /// Where version 4 writes what the key may do (docs/protocol.md, section 1.2).
    #[serde(default)]
    allowed: Option<Allowed>,
    /// Where version 3 did.
    #[serde(flatten)]
    flattened: Allowed,
    /// The fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl StorageApi {
    /// What the key may do, wherever it stands: overlooking it would make a restricted key look like
    /// one for everything.
    #[must_use]
    pub fn allowed(&self) -> &Allowed {
        self.allowed.as_ref().unwrap_or(&self.flattened)
    }
}
