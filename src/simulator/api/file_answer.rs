//! A file version as answers show it (docs/protocol.md, section 3.3). Listings write ten thousand of
//! them at once, so it goes straight into JSON, its members in the order of their names.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::simulator::account::checksums::{ContentMd5, ContentSha1};
use crate::simulator::account::encryption::Encryption;
use crate::simulator::account::records::{Action, Version};
use crate::simulator::api::lock_fields;
use crate::simulator::api::view::View;

const SHA1_OF_NOTHING: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
const MD5_OF_NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";
const HIDE_MARKER_TYPE: &str = "application/x-bz-hide-marker";

/// A version as calls about single files answer it, and as listings do since version 2. Lock fields
/// came with version 2.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileAnswer<'a> {
    account_id: &'a str,
    action: &'static str,
    bucket_id: &'a str,
    content_length: u64,
    content_md5: Option<Sum<ContentMd5>>,
    content_sha1: Sum<ContentSha1>,
    content_type: &'a str,
    file_id: String,
    file_info: &'a BTreeMap<String, String>,
    file_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_retention: Option<Wrapped<RetentionAnswer>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    legal_hold: Option<Wrapped<Option<&'static str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replication_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_side_encryption: Option<EncryptionAnswer<'a>>,
    upload_timestamp: u64,
}

/// A row of version 1.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileAnswerV1<'a> {
    action: &'static str,
    content_length: u64,
    content_sha1: Sum<ContentSha1>,
    content_type: &'a str,
    file_id: String,
    file_info: &'a BTreeMap<String, String>,
    file_name: &'a str,
    size: u64,
    upload_timestamp: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Sum<T> {
    Of(T),
    OfNothing(&'static str),
}

/// The authorization wrapper of docs/protocol.md, section 3.2.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wrapped<T> {
    is_client_authorized_to_read: bool,
    value: Option<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RetentionAnswer {
    mode: Option<&'static str>,
    retain_until_timestamp: Option<u64>,
}

/// How something is encrypted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EncryptionAnswer<'a> {
    algorithm: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_key_md5: Option<&'a str>,
    mode: Option<&'static str>,
}

impl<'a> EncryptionAnswer<'a> {
    pub(crate) fn of(encryption: &'a Encryption) -> Self {
        let (mode, key) = match encryption {
            Encryption::Service(false) => (None, None),
            Encryption::Service(true) => (Some("SSE-B2"), None),
            Encryption::Customer(key) => (Some("SSE-C"), Some(key.md5.as_str())),
        };
        Self {
            algorithm: mode.map(|_| "AES256"),
            customer_key_md5: key,
            mode,
        }
    }
}

impl<'a> FileAnswer<'a> {
    pub(crate) fn of(view: View<'a>, version: &'a Version) -> Self {
        let is_file = version.action != Action::Hide;
        let has_locks = is_file && view.version > 1;
        Self {
            account_id: view.account_id,
            action: action(version.action),
            bucket_id: &version.bucket_id,
            content_length: version.length,
            content_md5: if is_file {
                version.md5.map(Sum::Of)
            } else {
                Some(Sum::OfNothing(MD5_OF_NOTHING))
            },
            content_sha1: content_sha1(version),
            content_type: content_type(version),
            file_id: version.file_id(),
            file_info: &version.info,
            file_name: &version.name,
            file_retention: has_locks.then(|| {
                let retention = version.lock.retention;
                let shown = RetentionAnswer {
                    mode: retention.map(|retention| retention.mode.name()),
                    retain_until_timestamp: retention.map(|retention| retention.until),
                };
                wrapped(view, "readFileRetentions", shown)
            }),
            legal_hold: has_locks.then(|| {
                let shown = lock_fields::shown_hold(version.lock);
                wrapped(view, "readFileLegalHolds", shown)
            }),
            replication_status: version
                .replication
                .status
                .filter(|_| has_locks)
                .map(|status| status.name()),
            server_side_encryption: is_file.then(|| EncryptionAnswer::of(&version.encryption)),
            upload_timestamp: version.uploaded,
        }
    }
}

impl<'a> FileAnswerV1<'a> {
    pub(crate) fn of(version: &'a Version) -> Self {
        Self {
            action: action(version.action),
            content_length: version.length,
            content_sha1: content_sha1(version),
            content_type: content_type(version),
            file_id: version.file_id(),
            file_info: &version.info,
            file_name: &version.name,
            size: version.length,
            upload_timestamp: version.uploaded,
        }
    }
}

fn wrapped<T>(view: View<'_>, capability: &str, value: T) -> Wrapped<T> {
    let is_readable = view.caller.may(capability);
    Wrapped {
        is_client_authorized_to_read: is_readable,
        value: is_readable.then_some(value),
    }
}

fn content_sha1(version: &Version) -> Sum<ContentSha1> {
    match version.action {
        Action::Hide => Sum::OfNothing(SHA1_OF_NOTHING),
        Action::Upload | Action::Start => Sum::Of(version.sha1),
    }
}

fn content_type(version: &Version) -> &str {
    match version.action {
        Action::Hide => HIDE_MARKER_TYPE,
        Action::Upload | Action::Start => &version.content_type,
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Upload => "upload",
        Action::Start => "start",
        Action::Hide => "hide",
    }
}
