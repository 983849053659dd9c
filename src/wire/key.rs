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
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CreateKeyRequest<'a> {
    /// The account: the one that is authorized.
    pub account_id: &'a AccountId,
    /// What the key may do; at least one, and none that the calling key has not.
    pub capabilities: &'a [Capability],
    /// 1 to 100 letters, digits and hyphens; need not be unique.
    pub key_name: &'a str,
    /// When the key ends, at most 86,400,000 seconds (1000 days); never if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_duration_in_seconds: Option<u64>,
    /// The only buckets that it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_ids: Option<&'a [BucketId]>,
    /// The only file names it may use start so; needs `bucket_ids`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_prefix: Option<&'a str>,
}

impl<'a> CreateKeyRequest<'a> {
    /// A key for all buckets and for ever.
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

/// What `b2_create_key` answers. The secret half is told this once and never again.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CreateKeyResponse {
    /// The secret half.
    pub application_key: ApplicationKey,
    /// Everything else.
    #[serde(flatten)]
    pub details: KeyDetails,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListKeysRequest<'a> {
    pub(crate) account_id: &'a AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_application_key_id: Option<&'a ApplicationKeyId>,
    pub(crate) max_key_count: u32,
}

/// What `b2_list_keys` answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListKeysResponse {
    /// The keys.
    #[serde(deserialize_with = "lenient::rows")]
    pub keys: Vec<KeyDetails>,
    /// Where the next page starts; `None` at the end.
    #[serde(default)]
    pub next_application_key_id: Option<ApplicationKeyId>,
    /// The fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteKeyRequest<'a> {
    pub(crate) application_key_id: &'a ApplicationKeyId,
}
