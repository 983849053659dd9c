//! Application keys (docs/protocol.md, sections 2.22 to 2.24).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::auth::Capability;
use crate::model::id::{AccountId, ApplicationKeyId, BucketId};
use crate::model::key::KeyDetails;
use crate::model::lenient;
use crate::model::secret::ApplicationKey;
use crate::setters::setters;

/// The body of [`b2_create_key`](crate::guide::protocol#222-b2_create_key).
///
/// ```
/// use b2sdk::AccountId;
/// use b2sdk::keys::Capability;
/// use b2sdk::raw::CreateKeyRequest;
///
/// let account = AccountId::from("5b2e9f07c1d4");
/// let request = CreateKeyRequest::new(&account, "reader", &[Capability::ReadFiles])
///     .valid_duration_in_seconds(24 * 3600);
/// assert!(request.bucket_ids.is_none()); // all buckets
/// ```
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CreateKeyRequest<'a> {
    /// The id of the authorized account.
    pub account_id: &'a AccountId,
    /// The key's capabilities: at least one, and none that the calling key lacks.
    pub capabilities: &'a [Capability],
    /// The name of the key: 1 to 100 letters, digits and hyphens. It need not be unique.
    pub key_name: &'a str,
    /// The seconds until the key expires, less than 86,400,000 (1,000 days). By default it never
    /// expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_duration_in_seconds: Option<u64>,
    /// The ids of the buckets that the key is restricted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_ids: Option<&'a [BucketId]>,
    /// The prefix that the names of all files must have; needs `bucket_ids`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_prefix: Option<&'a str>,
}

impl<'a> CreateKeyRequest<'a> {
    /// Creates a request for a key that never expires and works for every bucket.
    #[must_use]
    pub const fn new(
        account_id: &'a AccountId,
        key_name: &'a str,
        capabilities: &'a [Capability],
    ) -> Self {
        Self {
            account_id,
            capabilities,
            key_name,
            valid_duration_in_seconds: None,
            bucket_ids: None,
            name_prefix: None,
        }
    }
}

setters! {
    CreateKeyRequest<'a> {
        valid_duration_in_seconds: u64,
        bucket_ids: &'a [BucketId],
        name_prefix: &'a str,
    }
}

/// The answer to [`b2_create_key`](crate::guide::protocol#222-b2_create_key), which is the only
/// place where the secret appears.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CreateKeyResponse {
    /// The secret of the key. The service never shows it again.
    pub application_key: ApplicationKey,
    /// The key's id, name, capabilities and restrictions.
    #[serde(flatten)]
    pub details: KeyDetails,
}

/// The body of `b2_list_keys`. The page starts at the key with this id, that one included.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListKeysRequest<'a> {
    pub(crate) account_id: &'a AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_application_key_id: Option<&'a ApplicationKeyId>,
    /// The largest number of keys in the answer.
    pub(crate) max_key_count: u32,
}

/// The answer to [`b2_list_keys`](crate::guide::protocol#223-b2_list_keys).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListKeysResponse {
    /// The keys of this page, in the order of their ids, without their secrets.
    #[serde(deserialize_with = "lenient::rows")]
    pub keys: Vec<KeyDetails>,
    /// The start of the next page; `None` on the last page.
    #[serde(default)]
    pub next_application_key_id: Option<ApplicationKeyId>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The body of `b2_delete_key`.
///
/// The service has no request that brings a deleted key back.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteKeyRequest<'a> {
    pub(crate) application_key_id: &'a ApplicationKeyId,
}
