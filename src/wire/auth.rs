//! The answer to `b2_authorize_account` (docs/protocol.md, section 2.1).

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::auth::Allowed;
use crate::model::id::AccountId;
use crate::model::lenient::null_is_default;
use crate::model::secret::AuthToken;
use crate::model::time::Timestamp;

/// The answer to [`b2_authorize_account`](crate::guide::protocol#21-b2_authorize_account): a token,
/// and what can be done with it. It contains a secret, which `Debug` does not show.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AuthorizeAccountResponse {
    /// The id of the account that the key belongs to.
    pub account_id: AccountId,
    /// The token for all further calls, valid for at most 24 hours.
    pub authorization_token: AuthToken,
    /// When the key expires; `None` if it never does.
    #[serde(default)]
    pub application_key_expiration_timestamp: Option<Timestamp>,
    /// The APIs that the key can use, with their URLs and what the key may do there.
    pub api_info: ApiInfo,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The APIs that a key can use, in [`AuthorizeAccountResponse::api_info`]. This crate uses the
/// storage API.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ApiInfo {
    /// The API that this crate speaks: the native one, version 4.
    pub storage_api: StorageApi,
    /// Other APIs, and the members that this version of the crate does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The URLs of the storage API, and what the key may do there.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StorageApi {
    /// The size of the smallest part that the service accepts in a large file, in bytes. Only the
    /// last part may be smaller.
    pub absolute_minimum_part_size: u64,
    /// The part size that the service recommends, in bytes.
    pub recommended_part_size: u64,
    /// The base URL of API calls.
    pub api_url: String,
    /// The base URL of downloads.
    pub download_url: String,
    /// The base URL of the S3-compatible API; empty if it is not known.
    #[serde(default, deserialize_with = "null_is_default")]
    pub s3_api_url: String,
    /// Where version 4 of the API puts what the key may do (docs/protocol.md, section 1.2).
    #[serde(default)]
    allowed: Option<Allowed>,
    /// Where version 3 puts it.
    #[serde(flatten)]
    flattened: Allowed,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl StorageApi {
    /// Returns the key's capabilities and restrictions, wherever this version of the API puts them.
    #[must_use]
    pub fn allowed(&self) -> &Allowed {
        self.allowed.as_ref().unwrap_or(&self.flattened)
    }
}
