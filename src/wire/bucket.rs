//! Buckets (reference sections 2.2 to 2.5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::bucket::{BucketDetails, BucketType};
use crate::model::cors::CorsRule;
use crate::model::id::{AccountId, BucketId};
use crate::model::lifecycle::LifecycleRule;
use crate::model::replication::ReplicationConfiguration;
use crate::wire::encryption::EncryptionSetting;
use crate::wire::lock::DefaultRetentionSetting;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateBucketRequest<'a> {
    pub(crate) account_id: &'a AccountId,
    pub(crate) bucket_name: &'a str,
    pub(crate) bucket_type: &'a BucketType,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) bucket_info: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) cors_rules: &'a [CorsRule],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) lifecycle_rules: &'a [LifecycleRule],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) default_server_side_encryption: Option<EncryptionSetting<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) file_lock_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replication_configuration: Option<&'a ReplicationConfiguration>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateBucketRequest<'a> {
    pub(crate) account_id: &'a AccountId,
    pub(crate) bucket_id: &'a BucketId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bucket_type: Option<&'a BucketType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bucket_info: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cors_rules: Option<&'a [CorsRule]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lifecycle_rules: Option<&'a [LifecycleRule]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) default_server_side_encryption: Option<EncryptionSetting<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) file_lock_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) default_retention: Option<DefaultRetentionSetting<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replication_configuration: Option<&'a ReplicationConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) if_revision_is: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteBucketRequest<'a> {
    pub(crate) account_id: &'a AccountId,
    pub(crate) bucket_id: &'a BucketId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListBucketsRequest<'a> {
    pub(crate) account_id: &'a AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bucket_id: Option<&'a BucketId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bucket_name: Option<&'a str>,
    pub(crate) bucket_types: [&'static str; 1],
}

#[derive(Deserialize)]
pub(crate) struct ListBucketsResponse {
    pub(crate) buckets: Vec<BucketDetails>,
}
