//! What an authorization says: who we are, what the key may do, where to send requests
//! (docs/protocol.md, sections 1.2, 2.1 and 10).
//!
//! The versions of the API write the restrictions of a key in different shapes, with one bucket or
//! a list of buckets, in an object of their own or beside the URLs. All are read into [`Allowed`],
//! and only the list is written. "No restriction" is `None`, and never an empty list: an empty list
//! would be a key that may use no bucket.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::id::{AccountId, ApplicationKeyId, BucketId};
use crate::model::lenient::null_is_default;
use crate::model::open_enum::open_enum;
use crate::model::secret::{ApplicationKey, AuthToken};

open_enum! {
    /// A capability of an application key: one kind of call that the key allows. A capability that this
    /// version of the crate does not know is [`Other`](Self::Other), and can be granted as well.
    ///
    /// | task | capabilities |
    /// | --- | --- |
    /// | upload | `writeFiles`; with `listFiles` a lost answer does not lead to a second version |
    /// | download from a private bucket | `readFiles` |
    /// | synchronize to a bucket | `listFiles`, `writeFiles`, and `deleteFiles` to delete |
    /// | find a bucket by its name | `listBuckets`, or a key that is restricted to the bucket |
    /// | share files | `shareFiles` |
    Capability {
        /// Allows listing application keys. A key that is restricted to buckets cannot have it.
        ListKeys = "listKeys",
        /// Allows creating application keys, with capabilities that the creating key has. A key that is
        /// restricted to buckets cannot have it.
        WriteKeys = "writeKeys",
        /// Allows deleting application keys. A key that is restricted to buckets cannot have it.
        DeleteKeys = "deleteKeys",
        /// Allows listing buckets and reading their settings.
        ListBuckets = "listBuckets",
        /// Allows seeing the names of all buckets through the S3 API.
        ListAllBucketNames = "listAllBucketNames",
        /// Allows reading buckets' settings through the S3 API.
        ReadBuckets = "readBuckets",
        /// Allows creating and updating buckets. A key that is restricted to buckets cannot have it.
        WriteBuckets = "writeBuckets",
        /// Allows deleting buckets. A key that is restricted to buckets cannot have it.
        DeleteBuckets = "deleteBuckets",
        /// Allows reading a bucket's default encryption.
        ReadBucketEncryption = "readBucketEncryption",
        /// Allows changing a bucket's default encryption.
        WriteBucketEncryption = "writeBucketEncryption",
        /// Allows reading whether a bucket has object lock, and its default retention.
        ReadBucketRetentions = "readBucketRetentions",
        /// Allows enabling object lock for a bucket, and changing its default retention.
        WriteBucketRetentions = "writeBucketRetentions",
        /// Allows reading a bucket's replication configuration.
        ReadBucketReplications = "readBucketReplications",
        /// Allows changing a bucket's replication configuration.
        WriteBucketReplications = "writeBucketReplications",
        /// Allows reading a bucket's event notification rules, with their signing secrets.
        ReadBucketNotifications = "readBucketNotifications",
        /// Allows changing a bucket's event notification rules.
        WriteBucketNotifications = "writeBucketNotifications",
        /// Allows reading a bucket's access log configuration.
        ReadBucketLogging = "readBucketLogging",
        /// Allows changing a bucket's access log configuration.
        WriteBucketLogging = "writeBucketLogging",
        /// Allows reading a bucket's lifecycle rules through the S3 API.
        ReadBucketLifecycleRules = "readBucketLifecycleRules",
        /// Allows changing a bucket's lifecycle rules through the S3 API.
        WriteBucketLifecycleRules = "writeBucketLifecycleRules",
        /// Allows listing files, versions and unfinished large files.
        ListFiles = "listFiles",
        /// Allows downloading files and reading their descriptions.
        ReadFiles = "readFiles",
        /// Allows making download tokens and signed URLs.
        ShareFiles = "shareFiles",
        /// Allows uploading, hiding and copying files, and cancelling unfinished large files.
        WriteFiles = "writeFiles",
        /// Allows deleting file versions for good.
        DeleteFiles = "deleteFiles",
        /// Allows reading files' retention.
        ReadFileRetentions = "readFileRetentions",
        /// Allows setting and extending files' retention.
        WriteFileRetentions = "writeFileRetentions",
        /// Allows reading files' legal hold.
        ReadFileLegalHolds = "readFileLegalHolds",
        /// Allows putting files on legal hold, and releasing them.
        WriteFileLegalHolds = "writeFileLegalHolds",
        /// Allows shortening and removing retention in governance mode, and deleting files that are under it.
        BypassGovernance = "bypassGovernance",
    }
}

/// A bucket that an application key is restricted to, in [`Allowed::buckets`]. The service also
/// keeps buckets there that were deleted in the meantime; they have no name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AllowedBucket {
    /// The id of the bucket, which remains here even if the bucket was deleted.
    pub id: BucketId,
    /// The bucket's name. `None` if the bucket was deleted, or if the key may not see its name.
    #[serde(default)]
    pub name: Option<String>,
}

/// What an application key may do: its capabilities and its restrictions.
///
/// Reading accepts the forms of all API versions, because an account-info file may hold what an
/// older program stored: a single `bucketId` becomes a list of one, never "all buckets".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "AllowedForms")]
#[non_exhaustive]
pub struct Allowed {
    /// The buckets that the key is restricted to; `None` if it may use all buckets.
    pub buckets: Option<Vec<AllowedBucket>>,
    /// The key's capabilities, in no particular order. [`has`](Self::has) looks for one.
    pub capabilities: Vec<Capability>,
    /// The prefix that the names of all files must have; `None` if the key may use all names.
    pub name_prefix: Option<String>,
}

impl Allowed {
    /// Returns whether the key has this capability. Restrictions to buckets and names are not
    /// considered.
    ///
    /// An authorization from an old account-info file may list no capabilities at all. This then
    /// returns `false` for each, although the key has some; calls are sent all the same, and the
    /// service decides.
    ///
    /// ```
    /// use b2sdk::account_info::AuthSnapshot;
    /// use b2sdk::keys::Capability;
    ///
    /// # let json = r#"{"realm": "production", "accountId": "a", "applicationKeyId": "k", "applicationKey": "s",
    /// #     "authorizationToken": "t", "apiUrl": "", "downloadUrl": "", "absoluteMinimumPartSize": 5000000,
    /// #     "recommendedPartSize": 100000000, "allowed": {"buckets": null, "capabilities": ["listFiles"], "namePrefix": null}}"#;
    /// # let snapshot = AuthSnapshot::from_json(json)?;
    /// let allowed = &snapshot.auth().allowed;
    /// assert!(allowed.has(&Capability::ListFiles) && !allowed.has(&Capability::WriteFiles));
    /// # Ok::<_, b2sdk::error::StoreError>(())
    /// ```
    #[must_use]
    pub fn has(&self, capability: &Capability) -> bool {
        self.capabilities.contains(capability)
    }
}

impl fmt::Display for Allowed {
    /// One sentence fragment: capabilities, buckets, prefix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key has ")?;
        if self.capabilities.is_empty() {
            f.write_str("no capabilities")?;
        }
        for (n, capability) in self.capabilities.iter().enumerate() {
            write!(f, "{}{capability}", if n == 0 { "" } else { "," })?;
        }
        if let Some(buckets) = &self.buckets {
            f.write_str(" for the buckets")?;
            for (n, bucket) in buckets.iter().enumerate() {
                let name = bucket.name.as_deref().unwrap_or_else(|| bucket.id.as_str());
                write!(f, "{} {name}", if n == 0 { "" } else { "," })?;
            }
        }
        if let Some(prefix) = &self.name_prefix {
            write!(f, " and only names starting with {prefix:?}")?;
        }
        Ok(())
    }
}

/// Every shape in which versions 1 to 4 of the API write the restrictions.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AllowedForms {
    #[serde(default)]
    buckets: Option<Vec<AllowedBucket>>,
    #[serde(default)]
    bucket_id: Option<BucketId>,
    #[serde(default)]
    bucket_name: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    capabilities: Vec<Capability>,
    #[serde(default)]
    name_prefix: Option<String>,
}

impl From<AllowedForms> for Allowed {
    fn from(forms: AllowedForms) -> Self {
        let AllowedForms {
            buckets,
            bucket_id,
            bucket_name,
            capabilities,
            name_prefix,
        } = forms;
        let single = || {
            bucket_id.map(|id| {
                vec![AllowedBucket {
                    id,
                    name: bucket_name,
                }]
            })
        };
        Self {
            buckets: buckets.or_else(single),
            capabilities,
            name_prefix,
        }
    }
}

/// An account, a key and a realm: the owner of what an account-info store holds. Data of one
/// identity is never used for another.
///
/// ```
/// use b2sdk::account_info::Identity;
///
/// let identity = Identity::new("5b2e9f07c1d4", "key-id", "production");
/// assert_eq!(Identity::from_text(&identity.to_string()), Some(identity));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Identity {
    /// The id of the account.
    pub account_id: AccountId,
    /// The id of the application key that was authorized.
    pub application_key_id: ApplicationKeyId,
    /// The realm as given to `authorize_account`: a name or a URL.
    pub realm: String,
}

impl Identity {
    /// Creates an identity from its three parts. Nothing is checked.
    #[must_use]
    pub fn new(
        account_id: impl Into<AccountId>,
        application_key_id: impl Into<ApplicationKeyId>,
        realm: impl Into<String>,
    ) -> Self {
        Self {
            account_id: account_id.into(),
            application_key_id: application_key_id.into(),
            realm: realm.into(),
        }
    }

    /// Reads the text that `Display` writes, for stores that keep text. Returns `None` for any
    /// other text.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (account_id, application_key_id, realm): (AccountId, ApplicationKeyId, String) =
            serde_json::from_str(text).ok()?;
        Some(Self::new(account_id, application_key_id, realm))
    }
}

impl fmt::Display for Identity {
    /// Writes the identity as one text that no other identity has, for stores that keep or compare text: a
    /// JSON array of the account, the key and the realm.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = (&self.account_id, &self.application_key_id, &self.realm);
        f.write_str(&serde_json::to_string(&parts).map_err(|_| fmt::Error)?)
    }
}

/// An authorization: the service's answer, and the key and realm that are needed to authorize
/// again.
///
/// It is what an account-info store keeps. A program rarely needs it: [`B2Api`](crate::B2Api) reads
/// it for each call, and [`B2Api::allowed`](crate::B2Api::allowed) returns the part that programs
/// ask for. `Debug` shows neither the key nor the token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountAuth {
    /// The realm that was authorized at: `production`, or the URL of another service such as a
    /// simulator. Another realm is another identity.
    pub realm: String,
    /// The id of the account.
    pub account_id: AccountId,
    /// The id of the application key that was authorized.
    pub application_key_id: ApplicationKeyId,
    /// The secret of the application key; empty in a store that keeps no keys.
    pub application_key: ApplicationKey,
    /// The token that all calls but uploads are sent with, valid for at most 24 hours.
    pub token: AuthToken,
    /// The base URL of API calls, such as `https://api003.backblazeb2.com`. It depends on the
    /// account's cluster, and a new authorization may name another one.
    pub api_url: String,
    /// The base URL of downloads, such as `https://f003.backblazeb2.com`. Links to public files
    /// begin with it.
    pub download_url: String,
    /// The base URL of the S3-compatible API; empty if it is not known.
    pub s3_api_url: String,
    /// The size of the smallest part that the service accepts in a large file, in bytes. Only the
    /// last part may be smaller.
    pub absolute_minimum_part_size: u64,
    /// The part size that the service recommends, in bytes: 100,000,000 as a rule. A larger file is uploaded
    /// in parts, of this size unless [`part_size`](crate::UploadOptions::part_size) is set or the content
    /// comes from a reader, whose parts are kept in memory and are smaller. A local file or a slice
    /// that is not to be resumed is divided so that all workers finish at the same time, and further if it
    /// had fewer parts than there are workers.
    pub recommended_part_size: u64,
    /// The key's capabilities, and the buckets and names that it is restricted to.
    pub allowed: Allowed,
}

impl AccountAuth {
    /// Returns the identity that this authorization belongs to.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            account_id: self.account_id.clone(),
            application_key_id: self.application_key_id.clone(),
            realm: self.realm.clone(),
        }
    }

    /// Returns whether this authorization belongs to `identity`: the same account, key and realm.
    #[must_use]
    pub fn belongs_to(&self, identity: &Identity) -> bool {
        self.account_id == identity.account_id
            && self.application_key_id == identity.application_key_id
            && self.realm == identity.realm
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowed, Capability};

    #[test]
    fn a_single_bucket_of_an_older_api_stays_a_restriction() {
        let old: Allowed = serde_json::from_str(
            r#"{"bucketId":"b1","bucketName":"photos","capabilities":["listFiles","flyFiles"],"namePrefix":null}"#,
        )
        .unwrap();
        let buckets = old.buckets.as_deref().unwrap();
        assert_eq!(
            (buckets[0].id.as_str(), buckets[0].name.as_deref()),
            ("b1", Some("photos"))
        );
        assert!(old.has(&Capability::ListFiles) && old.has(&Capability::Other("flyFiles".into())));
        assert_eq!(
            old.to_string(),
            "the key has listFiles,flyFiles for the buckets photos"
        );
    }

    #[test]
    fn what_is_written_has_the_three_members_that_other_tools_need() {
        let json = r#"{"buckets":null,"capabilities":["listFiles"],"namePrefix":"a/"}"#;
        let allowed: Allowed = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&allowed).unwrap(), json);
    }
}
