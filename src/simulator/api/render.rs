//! How records look on the wire (docs/protocol.md, section 3), including what a key may not see and
//! what version 1 of the API shows differently (docs/protocol.md, section 9.5).

use serde::Serialize;
use serde_json::{Value, json};

use crate::simulator::account::encryption::Encryption;
use crate::simulator::account::records::{Bucket, Key, Part, Version};
use crate::simulator::api::file_answer::{EncryptionAnswer, FileAnswer, FileAnswerV1};
use crate::simulator::api::lock_fields;
use crate::simulator::api::view::View;

impl View<'_> {
    /// The authorization wrapper of docs/protocol.md, section 3.2.
    fn readable_with(self, capability: &str, value: &Value) -> Value {
        let is_readable = self.caller.may(capability);
        let value = if is_readable { value } else { &Value::Null };
        json!({ "isClientAuthorizedToRead": is_readable, "value": value })
    }
}

/// A file version as calls about single files answer it.
pub(crate) fn file(view: View<'_>, version: &Version) -> Value {
    // It has string keys and finite numbers only, which always become a value.
    serde_json::to_value(FileAnswer::of(view, version)).unwrap_or_default()
}

/// The marker that b2_hide_file answers; version 1 adds its `size`.
pub(crate) fn hide_marker(view: View<'_>, version: &Version) -> Value {
    let mut shown = file(view, version);
    if view.version == 1 {
        shown["size"] = json!(0);
    }
    shown
}

/// An unfinished large file; version 1 leaves out what it knows nothing of yet.
pub(crate) fn started(view: View<'_>, version: &Version) -> Value {
    let mut shown = file(view, version);
    if let (1, Value::Object(fields)) = (view.version, &mut shown) {
        for name in ["action", "contentLength", "contentSha1"] {
            fields.remove(name);
        }
    }
    shown
}

/// A row of a listing.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum RowAnswer<'a> {
    File(FileAnswer<'a>),
    FileV1(FileAnswerV1<'a>),
    Folder(Value),
}

impl<'a> RowAnswer<'a> {
    pub(crate) fn of_file(view: View<'a>, version: &'a Version) -> Self {
        if view.version > 1 {
            Self::File(FileAnswer::of(view, version))
        } else {
            Self::FileV1(FileAnswerV1::of(version))
        }
    }
}

/// A folder's row: the time must be a number, or rclone and Java fail (docs/protocol.md, section 3.3).
pub(crate) fn folder(view: View<'_>, bucket_id: &str, name: &str) -> Value {
    let mut shown = json!({
        "accountId": view.account_id,
        "action": "folder",
        "bucketId": bucket_id,
        "contentLength": 0,
        "contentMd5": null,
        "contentSha1": null,
        "contentType": null,
        "fileId": null,
        "fileInfo": {},
        "fileName": name,
        "uploadTimestamp": 0,
    });
    if let (1, Value::Object(fields)) = (view.version, &mut shown) {
        for absent in ["accountId", "bucketId", "contentMd5"] {
            fields.remove(absent);
        }
        fields.insert("size".to_owned(), json!(0));
    }
    shown
}

pub(crate) fn part(part: &Part) -> Value {
    json!({
        "contentLength": part.length,
        "contentMd5": (!part.encryption.is_customer()).then_some(&part.md5),
        "contentSha1": part.sha1,
        "fileId": part.file_id,
        "partNumber": part.number,
        "serverSideEncryption": encryption(&part.encryption),
        "uploadTimestamp": part.uploaded,
    })
}

pub(crate) fn bucket(view: View<'_>, bucket: &Bucket) -> Value {
    let lock = json!({
        "defaultRetention": lock_fields::shown_default(bucket.default_retention),
        "isFileLockEnabled": bucket.is_lock_enabled,
    });
    json!({
        "accountId": view.account_id,
        "bucketId": &*bucket.id,
        "bucketInfo": bucket.info,
        "bucketName": bucket.name,
        "bucketType": bucket.kind,
        "corsRules": bucket.cors_rules,
        "defaultServerSideEncryption":
            view.readable_with("readBucketEncryption", &encryption(&Encryption::Service(bucket.encrypts))),
        "fileLockConfiguration": view.readable_with("readBucketRetentions", &lock),
        "lifecycleRules": bucket.lifecycle_rules,
        "options": ["s3"],
        "replicationConfiguration":
            view.readable_with("readBucketReplications", &bucket.replication),
        "revision": bucket.revision,
    })
}

/// Versions before 4 know keys for one bucket only.
pub(crate) fn key(view: View<'_>, key: &Key) -> Value {
    let mut shown = json!({
        "accountId": view.account_id,
        "applicationKeyId": key.id,
        "capabilities": key.capabilities,
        "expirationTimestamp": key.expires,
        "keyName": key.name,
        "namePrefix": key.name_prefix,
        "options": ["s3"],
    });
    if view.version >= 4 {
        shown["bucketIds"] = json!(key.bucket_ids);
    } else {
        shown["bucketId"] = json!(key.bucket_ids.as_ref().and_then(|ids| ids.first()));
    }
    shown
}

fn encryption(encryption: &Encryption) -> Value {
    serde_json::to_value(EncryptionAnswer::of(encryption)).unwrap_or_default()
}
