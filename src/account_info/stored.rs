//! The JSON form of an authorization, for stores that keep text.
//!
//! Reading and writing have a type each. The types of secrets cannot be serialized, so that no
//! secret is written by accident; `Written` exposes them in one place.
//!
//! The form is compatible in both directions. Fields that an older version does not know are
//! ignored when it reads; fields that were added later have a default, so that text of an older
//! version can be read. The names are those of the service's own answer, except that `realm`, the
//! key and its id are added.
//!
//! | member | in older text | in text without a key |
//! | --- | --- | --- |
//! | `realm`, `accountId`, `applicationKeyId`, `authorizationToken` | always there | there |
//! | `applicationKey` | there | missing; read as empty |
//! | `apiUrl`, `downloadUrl`, the two part sizes, `allowed` | always there | there |
//! | `s3ApiUrl` | may be missing; read as empty | there |
//!
//! A text that lacks a member that is always there cannot be read, and the store reports it as an
//! error of its own. The text contains secrets: whoever writes it somewhere has to protect it, or
//! seal it first (`sealing`).

use serde::{Deserialize, Serialize};

use crate::model::auth::{AccountAuth, Allowed};
use crate::model::id::{AccountId, ApplicationKeyId};
use crate::model::secret::{ApplicationKey, AuthToken};

/// The form that is written.
///
/// It borrows everything, so no secret is copied before it is written. It has no `Debug`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written<'a> {
    realm: &'a str,
    account_id: &'a AccountId,
    application_key_id: &'a ApplicationKeyId,
    /// The key itself; left out if it is empty.
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

/// The choice of what is written is made on the form, after it was made from an authorization.
impl Written<'_> {
    /// Leaves the application key out.
    ///
    /// An empty key is not written at all.
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
///
/// The caller of such a store has credentials of its own.
fn no_key() -> ApplicationKey {
    "".into()
}

/// The form that is read.
///
/// It has no `Debug`, and is turned into an authorization at once.
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
    /// The URL of the S3 API; empty if the text is from before it was stored.
    #[serde(default)]
    s3_api_url: String,
    absolute_minimum_part_size: u64,
    recommended_part_size: u64,
    /// What the key may do, as it was when the token was made.
    allowed: Allowed,
}

/// Nothing is checked here: the service does that when the token is used.
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
