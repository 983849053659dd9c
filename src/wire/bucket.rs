//! Buckets (docs/protocol.md, sections 2.2 to 2.5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::bucket::{BucketDetails, BucketType};
use crate::model::cors::CorsRule;
use crate::model::id::{AccountId, BucketId};
use crate::model::lenient;
use crate::model::lifecycle::LifecycleRule;
use crate::model::replication::ReplicationConfiguration;
use crate::setters::setters;
use crate::wire::encryption::EncryptionSetting;
use crate::wire::lock::DefaultRetentionSetting;

/// The body of [`b2_create_bucket`](crate::guide::protocol#22-b2_create_bucket).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CreateBucketRequest<'a> {
    /// The account: the one that is authorized.
    pub account_id: &'a AccountId,
    /// 6 to 63 letters, digits and hyphens, not beginning with `b2-`; unique among all accounts.
    pub bucket_name: &'a str,
    /// Who may download.
    pub bucket_type: &'a BucketType,
    /// Names and values to store with the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_info: Option<&'a BTreeMap<String, String>>,
    /// Which web pages may access the bucket from a browser; at most 100.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub cors_rules: &'a [CorsRule],
    /// When the service hides, deletes and cancels by itself; at most 100.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub lifecycle_rules: &'a [LifecycleRule],
    /// How files are encrypted that do not say; SSE-B2 or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_server_side_encryption: Option<EncryptionSetting<'a>>,
    /// Whether files can be locked; that stays so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub file_lock_enabled: bool,
    /// How the bucket takes part in replication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication_configuration: Option<&'a ReplicationConfiguration>,
}

impl<'a> CreateBucketRequest<'a> {
    /// A bucket with nothing but a name and a type.
    #[must_use]
    pub const fn new(
        account_id: &'a AccountId,
        bucket_name: &'a str,
        bucket_type: &'a BucketType,
    ) -> Self {
        Self {
            account_id,
            bucket_name,
            bucket_type,
            bucket_info: None,
            cors_rules: &[],
            lifecycle_rules: &[],
            default_server_side_encryption: None,
            file_lock_enabled: false,
            replication_configuration: None,
        }
    }
}

setters! {
    CreateBucketRequest<'a> {
        bucket_info: &'a BTreeMap<String, String>,
        cors_rules: &'a [CorsRule],
        lifecycle_rules: &'a [LifecycleRule],
        file_lock_enabled: bool,
        replication_configuration: &'a ReplicationConfiguration,
    }
    into {
        default_server_side_encryption: EncryptionSetting<'a>,
    }
}

/// The body of [`b2_update_bucket`](crate::guide::protocol#25-b2_update_bucket): what is `None` stays as
/// it is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpdateBucketRequest<'a> {
    /// The account: the one that is authorized.
    pub account_id: &'a AccountId,
    /// The bucket.
    pub bucket_id: &'a BucketId,
    /// Who may download.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_type: Option<&'a BucketType>,
    /// Names and values to store with the bucket, instead of those that it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_info: Option<&'a BTreeMap<String, String>>,
    /// Instead of those that it has; at most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors_rules: Option<&'a [CorsRule]>,
    /// Instead of those that it has; at most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_rules: Option<&'a [LifecycleRule]>,
    /// How files are encrypted that do not say; SSE-B2 or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_server_side_encryption: Option<EncryptionSetting<'a>>,
    /// Lets files be locked from now on; `false` says nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub file_lock_enabled: bool,
    /// How new files are retained that do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_retention: Option<DefaultRetentionSetting<'a>>,
    /// How the bucket takes part in replication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication_configuration: Option<&'a ReplicationConfiguration>,
    /// Only if the bucket has this revision; otherwise the answer is 409.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_revision_is: Option<u64>,
}

impl<'a> UpdateBucketRequest<'a> {
    /// An update of nothing.
    #[must_use]
    pub const fn new(account_id: &'a AccountId, bucket_id: &'a BucketId) -> Self {
        Self {
            account_id,
            bucket_id,
            bucket_type: None,
            bucket_info: None,
            cors_rules: None,
            lifecycle_rules: None,
            default_server_side_encryption: None,
            file_lock_enabled: false,
            default_retention: None,
            replication_configuration: None,
            if_revision_is: None,
        }
    }
}

setters! {
    UpdateBucketRequest<'a> {
        bucket_type: &'a BucketType,
        bucket_info: &'a BTreeMap<String, String>,
        cors_rules: &'a [CorsRule],
        lifecycle_rules: &'a [LifecycleRule],
        file_lock_enabled: bool,
        replication_configuration: &'a ReplicationConfiguration,
        if_revision_is: u64,
    }
    into {
        default_server_side_encryption: EncryptionSetting<'a>,
        default_retention: DefaultRetentionSetting<'a>,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteBucketRequest<'a> {
    pub(crate) account_id: &'a AccountId,
    pub(crate) bucket_id: &'a BucketId,
}

/// The body of [`b2_list_buckets`](crate::guide::protocol#24-b2_list_buckets).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListBucketsRequest<'a> {
    /// The account: the one that is authorized.
    pub account_id: &'a AccountId,
    /// Only this bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_id: Option<&'a BucketId>,
    /// Only the bucket of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_name: Option<&'a str>,
    /// Only buckets of these types; `all` stands for every type.
    pub bucket_types: &'a [&'a str],
}

impl<'a> ListBucketsRequest<'a> {
    /// All buckets of all types.
    #[must_use]
    pub const fn new(account_id: &'a AccountId) -> Self {
        Self {
            account_id,
            bucket_id: None,
            bucket_name: None,
            bucket_types: &["all"],
        }
    }
}

setters! {
    ListBucketsRequest<'a> {
        bucket_id: &'a BucketId,
        bucket_name: &'a str,
        bucket_types: &'a [&'a str],
    }
}

/// What `b2_list_buckets` answers.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct ListBucketsResponse {
    /// The buckets that the key may see, of what was asked for.
    #[serde(deserialize_with = "lenient::rows")]
    pub buckets: Vec<BucketDetails>,
    /// The fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
