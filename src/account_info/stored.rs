//! The JSON form of an authorization, for stores that keep text.
//!
//! Reading and writing have a type each. The types of secrets cannot be serialized, so that no
//! secret is written by accident; `Written` exposes them in one place.
//!
//! The form is compatible in both directions. Fields that an older version does not know are
//! ignored when it reads; fields that were added later have a default, so that text of an older
//! version can be read. The names are those of the service's own answer, except that `realm`, the
//! key and its id are added.

use serde::{Deserialize, Serialize};

use crate::model::auth::{AccountAuth, Allowed};
use crate::model::id::{AccountId, ApplicationKeyId};
use crate::model::secret::{ApplicationKey, AuthToken};

/// The form that is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written<'a> {
    realm: &'a str,
    account_id: &'a AccountId,
    application_key_id: &'a ApplicationKeyId,
    #[serde(skip_serializing_if = "str::is_empty")]
    application_key: &'a str,
    authorization_token: &'a str,
    api_url: &'a str,
    download_url: &'a str,
    s3_api_url: &'a str,
    absolute_minimum_part_size: u64,
    recommended_part_size: u64,
    allowed: &'a Allowed,
}

impl Written<'_> {
    /// Leaves the application key out.
    pub(super) const fn without_key(mut self) -> Self {
        self.application_key = "";
        self
    }
}

impl<'a> From<&'a AccountAuth> for Written<'a> {
    fn from(auth: &'a AccountAuth) -> Self {
        let AccountAuth {
            realm,
            account_id,
            application_key_id,
            application_key,
            token,
            api_url,
            download_url,
            s3_api_url,
            absolute_minimum_part_size,
            recommended_part_size,
            allowed,
        } = auth;
        Self {
            realm,
            account_id,
            application_key_id,
            application_key: application_key.expose(),
            authorization_token: token.expose(),
            api_url,
            download_url,
            s3_api_url,
            absolute_minimum_part_size: *absolute_minimum_part_size,
            recommended_part_size: *recommended_part_size,
            allowed,
        }
    }
}

/// The application key of an authorization that was stored without one.
fn no_key() -> ApplicationKey {
    "".into()
}

/// The form that is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Read {
    realm: String,
    account_id: AccountId,
    application_key_id: ApplicationKeyId,
    /// The application key; empty if the store keeps none.
    #[serde(default = "no_key")]
    application_key: ApplicationKey,
    authorization_token: AuthToken,
    api_url: String,
    download_url: String,
    #[serde(default)]
    s3_api_url: String,
    absolute_minimum_part_size: u64,
    recommended_part_size: u64,
    allowed: Allowed,
}

impl From<Read> for AccountAuth {
    fn from(read: Read) -> Self {
        Self {
            realm: read.realm,
            account_id: read.account_id,
            application_key_id: read.application_key_id,
            application_key: read.application_key,
            token: read.authorization_token,
            api_url: read.api_url,
            download_url: read.download_url,
            s3_api_url: read.s3_api_url,
            absolute_minimum_part_size: read.absolute_minimum_part_size,
            recommended_part_size: read.recommended_part_size,
            allowed: read.allowed,
        }
    }
}
