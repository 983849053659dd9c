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
///
/// ```
/// use b2sdk::raw::CreateBucketRequest;
/// use b2sdk::{AccountId, BucketType};
///
/// let account = AccountId::from("5b2e9f07c1d4");
/// let request = CreateBucketRequest::new(&account, "photos", &BucketType::AllPrivate).file_lock_enabled(true);
/// assert!(request.cors_rules.is_empty());
/// ```
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CreateBucketRequest<'a> {
    /// The id of the authorized account.
    pub account_id: &'a AccountId,
    /// The name: 6 to 63 letters, digits and hyphens. It must not start with `b2-`, and must be
    /// unique among the buckets of all accounts.
    pub bucket_name: &'a str,
    /// Who may download from the bucket.
    pub bucket_type: &'a BucketType,
    /// Names and values to store with the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_info: Option<&'a BTreeMap<String, String>>,
    /// The rules that let web pages access the bucket from a browser, at most 100. An empty list is
    /// not sent.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub cors_rules: &'a [CorsRule],
    /// The rules by which the service hides and deletes files and cancels unfinished ones, at most
    /// 100. An empty list is not sent.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub lifecycle_rules: &'a [LifecycleRule],
    /// How new files are encrypted if their upload asks for no encryption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_server_side_encryption: Option<EncryptionSetting<'a>>,
    /// Whether files can be locked. This cannot be undone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub file_lock_enabled: bool,
    /// The bucket's part in replication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication_configuration: Option<&'a ReplicationConfiguration>,
}

impl<'a> CreateBucketRequest<'a> {
    /// Creates a request for a bucket with a name and a type.
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

/// The body of [`b2_update_bucket`](crate::guide::protocol#25-b2_update_bucket). Settings that are
/// `None` stay as they are.
///
/// ```
/// use b2sdk::raw::UpdateBucketRequest;
/// use b2sdk::{AccountId, BucketId, BucketType};
///
/// let (account, bucket) = (AccountId::from("5b2e9f07c1d4"), BucketId::from("27c88f1d182b150646ff0b16"));
/// // Only if nobody has changed the bucket since revision 4 was read.
/// let request = UpdateBucketRequest::new(&account, &bucket)
///     .bucket_type(&BucketType::AllPublic)
///     .if_revision_is(4);
/// assert!(request.lifecycle_rules.is_none());
/// ```
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpdateBucketRequest<'a> {
    /// The id of the authorized account.
    pub account_id: &'a AccountId,
    /// The id of the bucket.
    pub bucket_id: &'a BucketId,
    /// Who may download from the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_type: Option<&'a BucketType>,
    /// Names and values to store with the bucket. They replace all existing ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_info: Option<&'a BTreeMap<String, String>>,
    /// The CORS rules, at most 100. They replace all existing ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors_rules: Option<&'a [CorsRule]>,
    /// The lifecycle rules, at most 100. They replace all existing ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_rules: Option<&'a [LifecycleRule]>,
    /// How new files are encrypted if their upload asks for no encryption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_server_side_encryption: Option<EncryptionSetting<'a>>,
    /// `true` enables object lock, which cannot be undone; `false` changes nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub file_lock_enabled: bool,
    /// The retention of new files whose upload sets none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_retention: Option<DefaultRetentionSetting<'a>>,
    /// The bucket's part in replication, as a source, as a destination or both. It replaces the
    /// existing one as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication_configuration: Option<&'a ReplicationConfiguration>,
    /// The revision that the bucket must have. If it has another one, nothing changes and the
    /// answer is 409.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_revision_is: Option<u64>,
}

impl<'a> UpdateBucketRequest<'a> {
    /// Creates a request that changes nothing.
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

/// The body of `b2_delete_bucket`, which fails unless the bucket is empty.
///
/// The service refuses a bucket that has any version left, hide markers and unfinished large files
/// included.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteBucketRequest<'a> {
    /// The id of the authorized account.
    pub(crate) account_id: &'a AccountId,
    /// The bucket to delete.
    pub(crate) bucket_id: &'a BucketId,
}

/// The body of [`b2_list_buckets`](crate::guide::protocol#24-b2_list_buckets). A key that is
/// restricted to buckets must name one of them, by id or by name.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListBucketsRequest<'a> {
    /// The id of the authorized account.
    pub account_id: &'a AccountId,
    /// Lists only the bucket with this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_id: Option<&'a BucketId>,
    /// Lists only the bucket with this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_name: Option<&'a str>,
    /// Lists only buckets of these types; `all` means every type.
    pub bucket_types: &'a [&'a str],
}

impl<'a> ListBucketsRequest<'a> {
    /// Creates a request for all buckets of all types.
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

/// The answer to [`b2_list_buckets`](crate::guide::protocol#24-b2_list_buckets), which has no
/// pages: all buckets come at once.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct ListBucketsResponse {
    /// The requested buckets that the key may see.
    #[serde(deserialize_with = "lenient::rows")]
    pub buckets: Vec<BucketDetails>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
