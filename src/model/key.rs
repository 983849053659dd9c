//! Application keys as the service describes them (docs/protocol.md, section 3.10).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::auth::Capability;
use crate::model::id::{AccountId, ApplicationKeyId, BucketId};
use crate::model::lenient::{self, Row, null_is_default};
use crate::model::secret::ApplicationKey;
use crate::model::time::Timestamp;

/// An application key without its secret, from [`B2Api::list_keys`](crate::B2Api::list_keys),
/// [`B2Api::get_key`](crate::B2Api::get_key) and the calls that create and delete keys.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start().unwrap();
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// use b2sdk::keys::Capability;
///
/// b2_api.create_key("reader", [Capability::ReadFiles])?;
/// let mut keys = b2_api.list_keys()?.filter(|key| key.as_ref().is_ok_and(|key| key.key_name == "reader"));
/// let reader = keys.next().expect("it was just created")?;
/// assert_eq!((reader.capabilities, reader.bucket_ids), (vec![Capability::ReadFiles], None));
/// # }
/// # Ok::<_, b2sdk::Error>(())
/// ```
///
/// Members that this version of the crate does not know are in [`extra`](Self::extra).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KeyDetails {
    /// The id of the account that the key belongs to.
    #[serde(
        default = "lenient::empty",
        deserialize_with = "lenient::null_is_empty"
    )]
    pub account_id: AccountId,
    /// The key's id, with which it is authorized and deleted. It is not secret.
    pub application_key_id: ApplicationKeyId,
    /// The name that the key was given for people. Several keys may have the same name.
    #[serde(default, deserialize_with = "null_is_default")]
    pub key_name: String,
    /// The capabilities of the key: what it allows.
    #[serde(default, deserialize_with = "null_is_default")]
    pub capabilities: Vec<Capability>,
    /// The buckets that the key is restricted to; `None` if it may use all buckets.
    #[serde(default)]
    pub bucket_ids: Option<Vec<BucketId>>,
    /// The prefix that the names of all files must have; `None` if the key may use all names.
    #[serde(default)]
    pub name_prefix: Option<String>,
    /// When the key expires; `None` if it never does. Listings may still contain keys that have
    /// expired.
    #[serde(default)]
    pub expiration_timestamp: Option<Timestamp>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Row for KeyDetails {
    const REQUIRED: &'static [&'static str] = &["applicationKeyId"];

    fn extra_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.extra
    }

    /// A restriction that cannot be read is not shown as none.
    fn hide(&mut self, member: &str) {
        if member == "bucketIds" {
            self.bucket_ids = Some(Vec::new());
        }
    }
}

/// An application key that was just created. This is the only place where its secret can be read:
/// the service never reports it again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedKey {
    /// The key's secret. Store it before the value is dropped, which wipes it from memory.
    pub application_key: ApplicationKey,
    /// The key's id, name, capabilities and restrictions.
    pub details: KeyDetails,
}
