//! How records look on the wire (docs/protocol.md, section 3), including what a key may not see and
//! what version 1 of the API shows differently (docs/protocol.md, section 9.5).

use serde_json::{Map, Value, json};

use crate::simulator::account::encryption::Encryption;
use crate::simulator::account::records::{Action, Bucket, Key, Part, Version};
use crate::simulator::api::auth::Caller;
use crate::simulator::api::lock_fields;

const SHA1_OF_NOTHING: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
const MD5_OF_NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// For whom something is shown, and in which version of the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) account_id: &'a str,
    pub(crate) caller: &'a Caller,
    pub(crate) version: u8,
}

impl View<'_> {
    /// The authorization wrapper of docs/protocol.md, section 3.2.
    fn readable_with(self, capability: &str, value: &Value) -> Value {
        let is_readable = self.caller.may(capability);
        let value = if is_readable { value } else { &Value::Null };
        json!({ "isClientAuthorizedToRead": is_readable, "value": value })
    }
}

/// A file version as calls about single files answer it. Lock fields came with version 2.
pub(crate) fn file(view: View<'_>, version: &Version) -> Value {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    put("accountId", json!(view.account_id));
    put("action", json!(action(version.action)));
    put("bucketId", json!(version.bucket_id));
    put("contentLength", json!(version.length));
    put("contentMd5", json!(version.md5));
    put("contentSha1", json!(version.sha1));
    put("contentType", json!(version.content_type));
    put("fileId", json!(version.file_id));
    put("fileInfo", json!(version.info));
    put("fileName", json!(version.name));
    put("uploadTimestamp", json!(version.uploaded));
    if version.action == Action::Hide {
        put("contentMd5", json!(MD5_OF_NOTHING));
        put("contentSha1", json!(SHA1_OF_NOTHING));
        return Value::Object(shown);
    }
    put("serverSideEncryption", encryption(&version.encryption));
    if view.version > 1 {
        let retention = lock_fields::shown_retention(version.lock.retention);
        put(
            "fileRetention",
            view.readable_with("readFileRetentions", &retention),
        );
        put(
            "legalHold",
            view.readable_with(
                "readFileLegalHolds",
                &json!(lock_fields::shown_hold(version.lock)),
            ),
        );
        if let Some(status) = version.replication.status {
            put("replicationStatus", json!(status.name()));
        }
    }
    Value::Object(shown)
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
pub(crate) fn row(view: View<'_>, version: &Version) -> Value {
    if view.version > 1 {
        return file(view, version);
    }
    let sha1 = if version.action == Action::Hide {
        SHA1_OF_NOTHING
    } else {
        &version.sha1
    };
    json!({
        "action": action(version.action),
        "contentLength": version.length,
        "contentSha1": sha1,
        "contentType": version.content_type,
        "fileId": version.file_id,
        "fileInfo": version.info,
        "fileName": version.name,
        "size": version.length,
        "uploadTimestamp": version.uploaded,
    })
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
        "bucketId": bucket.id,
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
    match encryption {
        Encryption::Service(false) => json!({ "algorithm": null, "mode": null }),
        Encryption::Service(true) => json!({ "algorithm": "AES256", "mode": "SSE-B2" }),
        Encryption::Customer(key) => json!({
            "algorithm": "AES256",
            "customerKeyMd5": key.md5,
            "mode": "SSE-C",
        }),
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Upload => "upload",
        Action::Start => "start",
        Action::Hide => "hide",
    }
}
