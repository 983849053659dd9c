//! What the service remembers: one plain struct per kind of thing, as it is kept in memory and, in
//! durable mode, written to the data directory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::encryption::Encryption;
use super::lock::{DefaultRetention, Lock};
use super::storage::Blob;

/// The one account, and what it counts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) id: String,
    /// Counts the application keys ever made: part of their ids.
    pub(super) keys_made: u64,
    /// Where the server listened last, so that its URLs stay good.
    pub(super) port: Option<u16>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) name: String,
    pub(super) capabilities: Vec<String>,
    /// `None`: all buckets.
    pub(super) bucket_ids: Option<Vec<String>>,
    pub(super) name_prefix: Option<String>,
    pub(super) expires: Option<u64>,
    /// The master key is not listed and cannot be deleted.
    pub(super) is_master: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AccountToken {
    pub(super) token: String,
    pub(super) key_id: String,
    pub(super) expires: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct UploadUrl {
    pub(super) token: String,
    pub(super) key_id: String,
    /// The token is good for this very path only.
    pub(super) path: String,
    pub(super) bucket_id: String,
    /// Set for the URLs that take parts.
    pub(super) large_file_id: Option<String>,
    pub(super) expires: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DownloadToken {
    pub(super) token: String,
    pub(super) key_id: String,
    pub(super) bucket_id: String,
    pub(super) prefix: String,
    /// Query parameters that every download with this token must repeat.
    pub(super) overrides: BTreeMap<String, String>,
    pub(super) expires: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Bucket {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) info: BTreeMap<String, String>,
    pub(super) cors_rules: Vec<Value>,
    pub(super) lifecycle_rules: Vec<Value>,
    /// Whether files that ask for nothing are encrypted with SSE-B2.
    pub(super) encrypts: bool,
    #[serde(default)]
    pub(super) is_lock_enabled: bool,
    #[serde(default)]
    pub(super) default_retention: DefaultRetention,
    /// As shown; `null` without any.
    #[serde(default)]
    pub(super) replication: Value,
    #[serde(default)]
    pub(super) notification_rules: Vec<Value>,
    pub(super) revision: u64,
}

impl Bucket {
    pub(super) fn is_public(&self) -> bool {
        self.kind == "allPublic"
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Action {
    Upload,
    Start,
    Hide,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) file_id: String,
    pub(super) bucket_id: String,
    pub(super) name: String,
    pub(super) action: Action,
    pub(super) length: u64,
    pub(super) content_type: String,
    /// As shown: hex, `unverified:` and hex, or `none`.
    pub(super) sha1: String,
    pub(super) md5: Option<String>,
    pub(super) info: BTreeMap<String, String>,
    /// Older data directories have a `bool` of another name.
    #[serde(alias = "is_encrypted")]
    pub(super) encryption: Encryption,
    #[serde(default)]
    pub(super) lock: Lock,
    #[serde(default)]
    pub(super) replication: Replication,
    pub(super) uploaded: u64,
    pub(super) content: Vec<Chunk>,
}

/// How far the replication of a version is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Replication {
    /// `None`: no rule was ever about it.
    pub(super) status: Option<ReplicationStatus>,
    /// The buckets that have got a replica of it.
    pub(super) destinations: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ReplicationStatus {
    Pending,
    Completed,
    Failed,
    Replica,
}

impl ReplicationStatus {
    /// In capitals, as the documentation has it (docs/protocol.md, section 12 #8).
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Replica => "REPLICA",
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) file_id: String,
    pub(super) number: u16,
    pub(super) length: u64,
    pub(super) sha1: String,
    pub(super) md5: String,
    #[serde(alias = "is_encrypted")]
    pub(super) encryption: Encryption,
    pub(super) uploaded: u64,
    pub(super) content: Vec<Chunk>,
}

/// A stretch of a stored body; copies and finished large files share bodies instead of repeating
/// them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Chunk {
    pub(super) blob_name: String,
    pub(super) offset: u64,
    pub(super) length: u64,
    /// `None` only between reading the record and finding its body.
    #[serde(skip)]
    pub(super) blob: Option<Arc<dyn Blob>>,
}

impl Chunk {
    pub(super) fn whole(blob: Arc<dyn Blob>, length: u64) -> Self {
        Self {
            blob_name: blob.name().to_owned(),
            offset: 0,
            length,
            blob: Some(blob),
        }
    }
}

/// Anything that is remembered.
#[derive(Debug, Clone)]
pub(super) enum Record {
    Account(Account),
    Key(Arc<Key>),
    AccountToken(AccountToken),
    UploadUrl(UploadUrl),
    DownloadToken(DownloadToken),
    Bucket(Arc<Bucket>),
    Version(Arc<Version>),
    Part(Arc<Part>),
}

/// The names of the kinds in the data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Account,
    Key,
    AccountToken,
    UploadUrl,
    DownloadToken,
    Bucket,
    Version,
    Part,
}

/// One step of a change; the steps of a change are kept together or not at all.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Put(Record),
    Remove(Kind, String),
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Key => "key",
            Self::AccountToken => "account_token",
            Self::UploadUrl => "upload_url",
            Self::DownloadToken => "download_token",
            Self::Bucket => "bucket",
            Self::Version => "version",
            Self::Part => "part",
        }
    }
}

impl Record {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Account(_) => Kind::Account,
            Self::Key(_) => Kind::Key,
            Self::AccountToken(_) => Kind::AccountToken,
            Self::UploadUrl(_) => Kind::UploadUrl,
            Self::DownloadToken(_) => Kind::DownloadToken,
            Self::Bucket(_) => Kind::Bucket,
            Self::Version(_) => Kind::Version,
            Self::Part(_) => Kind::Part,
        }
    }

    pub(super) fn key(&self) -> String {
        match self {
            Self::Account(_) => String::new(),
            Self::Key(key) => key.id.clone(),
            Self::AccountToken(token) => token.token.clone(),
            Self::UploadUrl(url) => url.token.clone(),
            Self::DownloadToken(token) => token.token.clone(),
            Self::Bucket(bucket) => bucket.id.clone(),
            Self::Version(version) => version.file_id.clone(),
            Self::Part(part) => part_key(&part.file_id, part.number),
        }
    }

    pub(super) fn to_json(&self) -> serde_json::Result<String> {
        match self {
            Self::Account(account) => serde_json::to_string(account),
            Self::Key(key) => serde_json::to_string(key.as_ref()),
            Self::AccountToken(token) => serde_json::to_string(token),
            Self::UploadUrl(url) => serde_json::to_string(url),
            Self::DownloadToken(token) => serde_json::to_string(token),
            Self::Bucket(bucket) => serde_json::to_string(bucket.as_ref()),
            Self::Version(version) => serde_json::to_string(version.as_ref()),
            Self::Part(part) => serde_json::to_string(part.as_ref()),
        }
    }

    /// Reads a record back. `attach` gives each of its chunks the body that it names.
    pub(super) fn from_json(
        kind: &str,
        json: &str,
        attach: &mut dyn FnMut(&mut Chunk),
    ) -> serde_json::Result<Self> {
        Ok(match kind {
            "account" => Self::Account(serde_json::from_str(json)?),
            "key" => Self::Key(Arc::new(serde_json::from_str(json)?)),
            "account_token" => Self::AccountToken(serde_json::from_str(json)?),
            "upload_url" => Self::UploadUrl(serde_json::from_str(json)?),
            "download_token" => Self::DownloadToken(serde_json::from_str(json)?),
            "bucket" => Self::Bucket(Arc::new(serde_json::from_str(json)?)),
            "version" => {
                let mut version: Version = serde_json::from_str(json)?;
                version.content.iter_mut().for_each(attach);
                Self::Version(Arc::new(version))
            }
            "part" => {
                let mut part: Part = serde_json::from_str(json)?;
                part.content.iter_mut().for_each(attach);
                Self::Part(Arc::new(part))
            }
            other => {
                let reason = format!("unknown kind of record: {other}");
                return Err(serde::de::Error::custom(reason));
            }
        })
    }
}

pub(super) fn part_key(file_id: &str, number: u16) -> String {
    format!("{file_id}/{number:05}")
}

pub(super) fn split_part_key(key: &str) -> Option<(&str, u16)> {
    let (file_id, number) = key.split_once('/')?;
    Some((file_id, number.parse().ok()?))
}
