//! The answer to `b2_authorize_account` (reference section 2.1).

use serde::Deserialize;

use crate::model::auth::Allowed;
use crate::model::id::AccountId;
use crate::model::lenient::null_is_default;
use crate::model::secret::AuthToken;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthorizeResponse {
    pub(crate) account_id: AccountId,
    pub(crate) authorization_token: AuthToken,
    pub(crate) api_info: ApiInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiInfo {
    pub(crate) storage_api: StorageApi,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StorageApi {
    pub(crate) absolute_minimum_part_size: u64,
    pub(crate) recommended_part_size: u64,
    pub(crate) api_url: String,
    pub(crate) download_url: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) s3_api_url: String,
    #[serde(flatten)]
    pub(crate) restrictions: Restrictions,
}

/// What the key may do, where version 4 writes it or where version 3 did (reference section 1.2).
#[derive(Deserialize)]
pub(crate) struct Restrictions {
    #[serde(default)]
    allowed: Option<Allowed>,
    #[serde(flatten)]
    flattened: Allowed,
}

impl Restrictions {
    /// The restrictions, wherever they stand: overlooking them would make a restricted key look
    /// like one for everything.
    pub(crate) fn into_allowed(self) -> Allowed {
        self.allowed.unwrap_or(self.flattened)
    }
}
