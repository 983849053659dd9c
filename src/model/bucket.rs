//! Buckets as the service describes them (reference section 3.2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::cors::CorsRule;
use crate::model::id::{AccountId, BucketId};
use crate::model::lenient::null_is_default;
use crate::model::lifecycle::LifecycleRule;
use crate::model::open_enum::open_enum;

open_enum! {
    /// Who may download from a bucket.
    BucketType {
        /// Anybody, without authorization.
        AllPublic = "allPublic",
        /// Only keys of the account, and whom they authorize.
        AllPrivate = "allPrivate",
        /// A snapshot made by the service.
        Snapshot = "snapshot",
        /// A bucket whose use is restricted by the service.
        Restricted = "restricted",
        /// A bucket shared by another account.
        Shared = "shared",
    }
}

/// Everything the service says about a bucket, as of one moment.
///
/// What this version of the crate does not name stays readable in [`extra`](Self::extra).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BucketDetails {
    /// The account that owns the bucket.
    pub account_id: AccountId,
    /// The bucket's id; it never changes and is never used again.
    pub bucket_id: BucketId,
    /// The bucket's name, unique among all accounts.
    pub bucket_name: String,
    /// Who may download.
    pub bucket_type: BucketType,
    /// Names and values stored with the bucket.
    #[serde(default, deserialize_with = "null_is_default")]
    pub bucket_info: BTreeMap<String, String>,
    /// Which web pages may access the bucket from a browser.
    #[serde(default, deserialize_with = "null_is_default")]
    pub cors_rules: Vec<CorsRule>,
    /// When the service hides, deletes and cancels by itself.
    #[serde(default, deserialize_with = "null_is_default")]
    pub lifecycle_rules: Vec<LifecycleRule>,
    /// Grows with every change of the bucket.
    #[serde(default, deserialize_with = "null_is_default")]
    pub revision: u64,
    /// Features of the bucket, such as `s3`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub options: Vec<String>,
    /// The fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
