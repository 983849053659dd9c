//! Buckets as the service describes them (docs/protocol.md, section 3.2).
//!
//! What a key may not read arrives as `isClientAuthorizedToRead: false` with a `null`, and becomes
//! [`Filtered::NotAuthorized`]. A setting that the service returned in a form that this crate does
//! not know becomes `NotAuthorized` as well, because its value is not known, and its JSON stays in
//! `extra`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::cors::CorsRule;
use crate::model::encryption::EncryptionInfo;
use crate::model::file_info::{NAME_SIGNS, is_name_byte};
use crate::model::filtered::{self, Filtered};
use crate::model::id::{AccountId, BucketId};
use crate::model::lenient::{self, Row, null_is_default};
use crate::model::lifecycle::LifecycleRule;
use crate::model::lock::FileLockConfiguration;
use crate::model::open_enum::open_enum;
use crate::model::replication::ReplicationConfiguration;

open_enum! {
    /// The type of a bucket, which says who may download from it.
    ///
    /// Programs choose between [`AllPublic`](Self::AllPublic) and [`AllPrivate`](Self::AllPrivate), and can
    /// change it later; the service creates the others.
    BucketType {
        /// Anybody can download, without authorization. Uploading and listing still need a key.
        AllPublic = "allPublic",
        /// Only keys of the account can download, and people who have a download token from them.
        AllPrivate = "allPrivate",
        /// A snapshot that the service has created.
        Snapshot = "snapshot",
        /// A bucket whose use is restricted by the service.
        Restricted = "restricted",
        /// A bucket that another account shares.
        Shared = "shared",
    }
}

/// The service's description of a bucket at one moment.
///
/// [`Bucket::details`](crate::Bucket::details) returns it, and so do the calls that change a bucket. Settings
/// that the key may not read are [`Filtered::NotAuthorized`].
///
/// Members that this version of the crate does not know are in [`extra`](Self::extra).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BucketDetails {
    /// The id of the account that owns the bucket.
    #[serde(
        default = "lenient::empty",
        deserialize_with = "lenient::null_is_empty"
    )]
    pub account_id: AccountId,
    /// The bucket's id; it never changes and is never used again.
    pub bucket_id: BucketId,
    /// The bucket's name, unique among all accounts.
    pub bucket_name: String,
    /// Who may download from the bucket.
    #[serde(
        default = "lenient::empty",
        deserialize_with = "lenient::null_is_empty"
    )]
    pub bucket_type: BucketType,
    /// The names and values that are stored with the bucket. `Cache-Control` is the default of that
    /// header for all downloads.
    #[serde(default, deserialize_with = "null_is_default")]
    pub bucket_info: BTreeMap<String, String>,
    /// The rules that let web pages access the bucket from a browser. Programs other than browsers
    /// need none.
    #[serde(default, deserialize_with = "lenient::rules")]
    pub cors_rules: Vec<CorsRule>,
    /// The rules by which the service hides and deletes files and cancels unfinished ones.
    #[serde(default, deserialize_with = "lenient::rules")]
    pub lifecycle_rules: Vec<LifecycleRule>,
    /// The bucket's part in replication. Reading it needs `readBucketReplications`.
    #[serde(default, with = "filtered::wrapped")]
    pub replication_configuration: Filtered<ReplicationConfiguration>,
    /// How new files are encrypted if their upload asks for no encryption. Reading it needs
    /// `readBucketEncryption`.
    #[serde(default, with = "filtered::wrapped")]
    pub default_server_side_encryption: Filtered<EncryptionInfo>,
    /// Whether files can be locked, and their default retention. Reading it needs
    /// `readBucketRetentions`.
    #[serde(default, with = "filtered::wrapped")]
    pub file_lock_configuration: Filtered<FileLockConfiguration>,
    /// A number that grows with every change of the bucket.
    /// [`UpdateBucketOptions`](crate::UpdateBucketOptions) can require it, so that no change of
    /// somebody else is overwritten.
    #[serde(default, deserialize_with = "null_is_default")]
    pub revision: u64,
    /// Features of the bucket, such as `s3`: it can be used through the S3-compatible API.
    #[serde(default, deserialize_with = "null_is_default")]
    pub options: Vec<String>,
    /// The members that this version of the crate does not name. A member of this description that could
    /// not be read stands in `unreadable` here, and the field of its name is empty or hidden.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl BucketDetails {
    /// Whether the service returned a value for this member that could not be read.
    pub(crate) fn is_unreadable(&self, member: &str) -> bool {
        let set_aside = self.extra.get(lenient::UNREADABLE);
        set_aside.is_some_and(|members| members.get(member).is_some())
    }
}

impl Row for BucketDetails {
    const REQUIRED: &'static [&'static str] = &["bucketId", "bucketName"];

    fn extra_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.extra
    }

    fn hide(&mut self, member: &str) {
        match member {
            "replicationConfiguration" => {
                self.replication_configuration = Filtered::NotAuthorized;
            }
            "defaultServerSideEncryption" => {
                self.default_server_side_encryption = Filtered::NotAuthorized;
            }
            "fileLockConfiguration" => self.file_lock_configuration = Filtered::NotAuthorized,
            _ => {}
        }
    }
}

/// Checks what the service would refuse in the names and values stored with a bucket; the reason is
/// a sentence for the caller. How many there may be is not documented well enough to judge here.
pub(crate) fn check_bucket_info(info: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in info {
        if name.is_empty() || !name.bytes().all(is_name_byte) {
            return Err(format!(
                "the name {name:?} does not consist of letters, digits and {NAME_SIGNS}"
            ));
        }
        let becomes_header = name.eq_ignore_ascii_case("Cache-Control");
        if becomes_header && !value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(format!(
                "{name} is {value:?}, but it becomes a header of every download: printable ASCII only"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_bucket_info;

    #[test]
    fn bucket_info_is_judged_by_names_and_by_what_becomes_a_header() {
        let check = |name: &str, value: &str| {
            check_bucket_info(&[(name.to_owned(), value.to_owned())].into())
        };
        for (name, value) in [("", "x"), ("a b", "x"), ("ü", "x"), ("a:b", "x")] {
            assert!(
                check(name, value).unwrap_err().contains("letters"),
                "{name}"
            );
        }
        for value in ["max-age=1\r\nX-Evil: 1", "größer"] {
            let reason = check("cache-control", value).unwrap_err();
            assert!(reason.contains("header of every download"), "{reason}");
        }
        assert_eq!(check("Cache-Control", "max-age=3600, private"), Ok(()));
        assert_eq!(check("owner_1-a.b", "Zoë\n"), Ok(()));
    }
}
