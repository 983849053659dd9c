//! Buckets and files that the native API would refuse and the service may hold: rules that the S3
//! API accepted or that are older than today's limits, and files with unusual names. Clients have
//! to handle them, so tests create them without any check.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::simulator::account::checksums::{ContentMd5, ContentSha1};
use crate::simulator::account::encryption::Encryption;
use crate::simulator::account::lock::{DefaultRetention, Lock};
use crate::simulator::account::records::{Action, Bucket, Change, Rare, Record, Version};
use crate::simulator::account::world::World;
use crate::simulator::api::content;
use crate::simulator::protocol::ids::{self, FileKind};
use crate::simulator::protocol::json::Fields;
use crate::simulator::protocol::reply::Refusal;

/// Gives the bucket of this name, which is created if there is none, these members of a bucket as
/// answers show it: `bucketType`, `bucketInfo`, `corsRules`, `lifecycleRules`,
/// `eventNotificationRules`, `replicationConfiguration`.
pub(crate) fn bucket(
    world: &World,
    name: &str,
    members: &Map<String, Value>,
) -> Result<(), Refusal> {
    let encrypts = world.settings().encrypt_by_default;
    world.change(|state| {
        let mut bucket = match state.bucket_by_name(name) {
            Some(bucket) => Bucket {
                revision: bucket.revision + 1,
                ..bucket.as_ref().clone()
            },
            None => empty_bucket(world.account_id(), name, encrypts),
        };
        for (member, value) in members {
            set(&mut bucket, member, value)?;
        }
        Ok((vec![Change::Put(Record::Bucket(Arc::new(bucket)))], ()))
    })
}

fn empty_bucket(account_id: &str, name: &str, encrypts: bool) -> Bucket {
    Bucket {
        id: ids::bucket_id(account_id).into(),
        name: name.to_owned(),
        kind: "allPrivate".to_owned(),
        info: BTreeMap::new(),
        cors_rules: Vec::new(),
        lifecycle_rules: Vec::new(),
        encrypts,
        is_lock_enabled: false,
        default_retention: DefaultRetention::default(),
        replication: Value::Null,
        notification_rules: Vec::new(),
        revision: 2,
    }
}

fn set(bucket: &mut Bucket, member: &str, value: &Value) -> Result<(), Refusal> {
    let wrong = |what: &str| Refusal::bad_request(format!("{member} must be {what}"));
    let rules = || value.as_array().cloned().ok_or_else(|| wrong("an array"));
    match member {
        "bucketType" => bucket.kind = value.as_str().ok_or_else(|| wrong("a string"))?.to_owned(),
        "bucketInfo" => bucket.info = texts(value).ok_or_else(|| wrong("an object of strings"))?,
        "corsRules" => bucket.cors_rules = rules()?,
        "lifecycleRules" => bucket.lifecycle_rules = rules()?,
        "eventNotificationRules" => bucket.notification_rules = rules()?,
        "replicationConfiguration" => bucket.replication = value.clone(),
        other => {
            return Err(Refusal::bad_request(format!(
                "{other} is nothing that can be planted in a bucket"
            )));
        }
    }
    Ok(())
}

fn texts(value: &Value) -> Option<BTreeMap<String, String>> {
    let pairs = value.as_object()?.iter();
    pairs
        .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Puts a version into the bucket of this name: `fileName`, and optionally `content` (text),
/// `contentType`, `fileInfo`, `uploadTimestamp`, and `action` `hide` for a hide marker. Returns its id.
pub(crate) fn file(
    world: &World,
    bucket: &str,
    members: &Map<String, Value>,
) -> Result<String, Refusal> {
    let fields = Fields::of_object(&Value::Object(members.clone()), "file")?;
    let name = fields.required_string("fileName")?;
    let stored = content::keep(
        world,
        fields.string("content")?.unwrap_or_default().as_bytes(),
    )?;
    let info = fields
        .value("fileInfo")
        .map_or(Some(BTreeMap::new()), texts);
    let info = info.ok_or_else(|| Refusal::bad_request("fileInfo must be an object of strings"))?;
    let at = fields
        .integer("uploadTimestamp")?
        .and_then(|at| u64::try_from(at).ok());
    let hides = fields.string("action")? == Some("hide");
    let content_type = fields
        .string("contentType")?
        .unwrap_or("application/octet-stream");
    world.change(|state| {
        let bucket = state
            .bucket_by_name(bucket)
            .ok_or_else(|| Refusal::not_found(format!("no bucket is named {bucket}")))?;
        let now = world.clock().now_millis();
        let uploaded = at.unwrap_or_else(|| state.next_upload_time(&bucket.id, name, now));
        let version = if hides {
            Version::hide_marker(&bucket.id, name, uploaded)
        } else {
            Version {
                serial: ids::file_serial(FileKind::Small),
                bucket_id: Arc::clone(&bucket.id),
                name: name.into(),
                action: Action::Upload,
                length: stored.length,
                content_type: world.shared_text(content_type),
                sha1: ContentSha1::Verified(stored.sha1),
                md5: Some(ContentMd5(stored.md5)),
                info: info.into(),
                encryption: Encryption::Service(bucket.encrypts),
                lock: Lock::default(),
                replication: Rare::default(),
                uploaded,
                content: stored.content,
            }
        };
        let id = version.file_id();
        Ok((vec![Change::Put(Record::Version(Arc::new(version)))], id))
    })
}
