//! Application keys as the service describes them (docs/protocol.md, section 3.10).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::auth::Capability;
use crate::model::id::{AccountId, ApplicationKeyId, BucketId};
use crate::model::lenient::{self, Row, null_is_default};
use crate::model::secret::ApplicationKey;
use crate::model::time::Timestamp;

/// An application key without its secret half.
///
/// What this version of the crate does not name stays readable in [`extra`](Self::extra).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KeyDetails {
    /// The account.
    #[serde(
        default = "lenient::empty",
        deserialize_with = "lenient::null_is_empty"
    )]
    pub account_id: AccountId,
    /// The key's public half.
    pub application_key_id: ApplicationKeyId,
    /// The name it was given; several keys may have the same.
    #[serde(default, deserialize_with = "null_is_default")]
    pub key_name: String,
    /// What it may do.
    #[serde(default, deserialize_with = "null_is_default")]
    pub capabilities: Vec<Capability>,
    /// The only buckets that it may use; `None` for all.
    #[serde(default)]
    pub bucket_ids: Option<Vec<BucketId>>,
    /// The only file names it may use start so; `None` for all.
    #[serde(default)]
    pub name_prefix: Option<String>,
    /// When it ends; `None` for never.
    #[serde(default)]
    pub expiration_timestamp: Option<Timestamp>,
    /// The fields that have no name here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Row for KeyDetails {
    const REQUIRED: &'static [&'static str] = &["applicationKeyId"];

    fn extra(&mut self) -> &mut Map<String, Value> {
        &mut self.extra
    }

    /// A restriction that cannot be read is not shown as none.
    fn hide(&mut self, member: &str) {
        if member == "bucketIds" {
            self.bucket_ids = Some(Vec::new());
        }
    }
}

/// A key that was just made. Its secret half is told this once and never again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedKey {
    /// The secret half.
    pub application_key: ApplicationKey,
    /// Everything else.
    pub details: KeyDetails,
}
