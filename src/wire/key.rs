//! Application keys (reference sections 2.22 to 2.24).

use serde::{Deserialize, Serialize};

use crate::model::auth::Capability;
use crate::model::id::{AccountId, ApplicationKeyId, BucketId};
use crate::model::key::KeyDetails;
use crate::model::secret::ApplicationKey;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateKeyRequest<'a> {
    pub(crate) account_id: &'a AccountId,
    pub(crate) capabilities: &'a [Capability],
    pub(crate) key_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) valid_duration_in_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bucket_ids: Option<&'a [BucketId]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name_prefix: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateKeyResponse {
    pub(crate) application_key: ApplicationKey,
    #[serde(flatten)]
    pub(crate) details: KeyDetails,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListKeysRequest<'a> {
    pub(crate) account_id: &'a AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_application_key_id: Option<&'a ApplicationKeyId>,
    pub(crate) max_key_count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListKeysResponse {
    pub(crate) keys: Vec<KeyDetails>,
    #[serde(default)]
    pub(crate) next_application_key_id: Option<ApplicationKeyId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteKeyRequest<'a> {
    pub(crate) application_key_id: &'a ApplicationKeyId,
}
