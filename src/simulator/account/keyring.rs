//! The capabilities (docs/protocol.md, section 10.1) and the creation of application keys.

use std::sync::Arc;

use crate::model::operation::Operation;
use crate::simulator::account::records::{Account, Change, Key, Record};
use crate::simulator::account::state::State;
use crate::simulator::protocol::ids;

/// All capabilities; the master key has every one.
pub(crate) const CAPABILITIES: &[&str] = &[
    "listKeys",
    "writeKeys",
    "deleteKeys",
    "listBuckets",
    "listAllBucketNames",
    "readBuckets",
    "writeBuckets",
    "deleteBuckets",
    "readBucketEncryption",
    "writeBucketEncryption",
    "readBucketRetentions",
    "writeBucketRetentions",
    "readBucketReplications",
    "writeBucketReplications",
    "readBucketNotifications",
    "writeBucketNotifications",
    "readBucketLogging",
    "writeBucketLogging",
    "readBucketLifecycleRules",
    "writeBucketLifecycleRules",
    "listFiles",
    "readFiles",
    "shareFiles",
    "writeFiles",
    "deleteFiles",
    "readFileRetentions",
    "writeFileRetentions",
    "readFileLegalHolds",
    "writeFileLegalHolds",
    "bypassGovernance",
];

/// The capability that a JSON call needs, whatever its parameters (docs/protocol.md, the headings
/// of section 2). Uploads and downloads check theirs themselves.
pub(crate) const fn needed_for(operation: Operation) -> Option<&'static str> {
    Some(match operation {
        Operation::CreateBucket | Operation::UpdateBucket => "writeBuckets",
        Operation::DeleteBucket => "deleteBuckets",
        Operation::ListBuckets => "listBuckets",
        Operation::GetUploadUrl
        | Operation::HideFile
        | Operation::CopyFile
        | Operation::CopyPart
        | Operation::StartLargeFile
        | Operation::GetUploadPartUrl
        | Operation::FinishLargeFile
        | Operation::CancelLargeFile
        | Operation::ListParts => "writeFiles",
        Operation::ListFileNames
        | Operation::ListFileVersions
        | Operation::ListUnfinishedLargeFiles => "listFiles",
        Operation::GetFileInfo => "readFiles",
        Operation::DeleteFileVersion => "deleteFiles",
        Operation::CreateKey => "writeKeys",
        Operation::ListKeys => "listKeys",
        Operation::DeleteKey => "deleteKeys",
        Operation::GetDownloadAuthorization => "shareFiles",
        Operation::UpdateFileRetention => "writeFileRetentions",
        Operation::UpdateFileLegalHold => "writeFileLegalHolds",
        Operation::GetBucketNotificationRules => "readBucketNotifications",
        Operation::SetBucketNotificationRules => "writeBucketNotifications",
        Operation::AuthorizeAccount
        | Operation::UploadFile
        | Operation::UploadPart
        | Operation::DownloadFileById
        | Operation::DownloadFileByName => return None,
    })
}

/// Whether a key that is restricted to buckets may have this capability (docs/protocol.md, section
/// 2.22). The documented list may be older than the capabilities for replication, logging and
/// lifecycle rules, so these are allowed.
pub(crate) fn is_for_restricted_keys(capability: &str) -> bool {
    !matches!(
        capability,
        "listKeys" | "writeKeys" | "deleteKeys" | "writeBuckets" | "deleteBuckets"
    )
}

/// The settings of a new key.
#[derive(Debug)]
pub(crate) struct KeySettings {
    pub(crate) name: String,
    pub(crate) capabilities: Vec<String>,
    pub(crate) bucket_ids: Option<Vec<String>>,
    pub(crate) name_prefix: Option<String>,
    pub(crate) valid_seconds: Option<u64>,
}

/// The changes that make the key.
pub(crate) fn make(
    state: &State,
    account_id: &str,
    now: u64,
    settings: KeySettings,
) -> (Vec<Change>, Arc<Key>) {
    let account = state.account.clone().unwrap_or(Account {
        id: account_id.to_owned(),
        keys_made: 0,
        port: None,
    });
    let number = account.keys_made + 1;
    let expires = settings
        .valid_seconds
        .map(|seconds| now.saturating_add(seconds.saturating_mul(1000)));
    let key = Arc::new(Key {
        id: ids::key_id(&account.id, number),
        secret: ids::application_key(),
        name: settings.name,
        capabilities: settings.capabilities,
        bucket_ids: settings.bucket_ids,
        name_prefix: settings.name_prefix.filter(|prefix| !prefix.is_empty()),
        expires,
        is_master: false,
    });
    let changes = vec![
        Change::Put(Record::Account(Account {
            keys_made: number,
            ..account
        })),
        Change::Put(Record::Key(Arc::clone(&key))),
    ];
    (changes, key)
}
