//! The records of the service: one struct per kind, used in memory and, in JSON, in the data
//! directory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::simulator::account::blob::Blob;
use crate::simulator::account::checksums::{ContentMd5, ContentSha1};
use crate::simulator::account::encryption::Encryption;
use crate::simulator::account::lock::{DefaultRetention, Lock};
use crate::simulator::protocol::ids::{self, FileKind};
use crate::simulator::protocol::reply::Refusal;

/// The account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    /// The number of application keys ever created, which is part of their ids.
    pub(crate) keys_made: u64,
    /// The port on which the server listened last. The next start uses it, so its URLs stay valid.
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) name: String,
    pub(crate) capabilities: Vec<String>,
    /// `None`: all buckets.
    pub(crate) bucket_ids: Option<Vec<String>>,
    pub(crate) name_prefix: Option<String>,
    pub(crate) expires: Option<u64>,
    /// The master key is not listed and cannot be deleted.
    pub(crate) is_master: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AccountToken {
    pub(crate) token: String,
    pub(crate) key_id: String,
    pub(crate) expires: u64,
}

/// An upload URL. A client may ask for many thousands in a day.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UploadUrl {
    pub(crate) token: Arc<str>,
    pub(crate) key_id: Arc<str>,
    /// The token is valid for this path only.
    pub(crate) path: Box<str>,
    pub(crate) bucket_id: Arc<str>,
    /// The large file, for URLs that take parts.
    pub(crate) large_file_id: Option<Box<str>>,
    pub(crate) expires: u64,
}

/// A download authorization. A client may ask for many thousands in a day.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DownloadToken {
    pub(crate) token: Arc<str>,
    pub(crate) key_id: Arc<str>,
    pub(crate) bucket_id: Arc<str>,
    pub(crate) prefix: Box<str>,
    /// Query parameters that every download with this token must repeat.
    pub(crate) overrides: BTreeMap<String, String>,
    pub(crate) expires: u64,
    /// Until then, an expired token is known as expired. Older data directories do not have it.
    #[serde(default)]
    pub(crate) known_until: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Bucket {
    /// Shared with the versions in it.
    pub(crate) id: Arc<str>,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) info: BTreeMap<String, String>,
    pub(crate) cors_rules: Vec<Value>,
    pub(crate) lifecycle_rules: Vec<Value>,
    /// Whether files that ask for nothing are encrypted with SSE-B2.
    pub(crate) encrypts: bool,
    #[serde(default)]
    pub(crate) is_lock_enabled: bool,
    #[serde(default)]
    pub(crate) default_retention: DefaultRetention,
    /// As shown; `null` without any.
    #[serde(default)]
    pub(crate) replication: Value,
    #[serde(default)]
    pub(crate) notification_rules: Vec<Value>,
    pub(crate) revision: u64,
}

impl Bucket {
    pub(crate) fn is_public(&self) -> bool {
        self.kind == "allPublic"
    }

    pub(crate) fn check_lock_enabled(&self) -> Result<(), Refusal> {
        if self.is_lock_enabled {
            return Ok(());
        }
        Err(Refusal::new(
            400,
            "bucket_missing_file_lock",
            "The bucket is not file lock enabled",
        ))
    }

    /// The lock of a new file that asks for this one: its own retention, or else the bucket's
    /// default retention.
    pub(crate) fn lock_of_new_file(&self, asked: Lock, now: u64) -> Result<Lock, Refusal> {
        if asked != Lock::default() {
            self.check_lock_enabled()?;
        }
        asked
            .retention
            .map_or(Ok(()), |retention| retention.check_future(now))?;
        Ok(Lock {
            retention: asked.retention.or(self.default_retention.from(now)),
            ..asked
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Action {
    Upload,
    Start,
    Hide,
}

/// A version of a file. There may be millions, so each takes as little memory as possible, and
/// repeated texts are shared.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    /// What its file id is made of, with the bucket and the time.
    pub(crate) serial: u64,
    pub(crate) bucket_id: Arc<str>,
    pub(crate) name: Box<str>,
    pub(crate) action: Action,
    pub(crate) length: u64,
    pub(crate) content_type: Arc<str>,
    pub(crate) sha1: ContentSha1,
    pub(crate) md5: Option<ContentMd5>,
    pub(crate) info: Rare<BTreeMap<String, String>>,
    pub(crate) encryption: Encryption,
    pub(crate) lock: Lock,
    pub(crate) replication: Rare<Replication>,
    pub(crate) uploaded: u64,
    pub(crate) content: Box<[Chunk]>,
}

/// A value that most versions leave empty; then it takes no more room than a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rare<T>(Option<Box<T>>);

/// A value with an empty form.
pub(crate) trait CanBeEmpty: PartialEq + 'static {
    fn empty() -> &'static Self;
}

impl CanBeEmpty for BTreeMap<String, String> {
    fn empty() -> &'static Self {
        static EMPTY: BTreeMap<String, String> = BTreeMap::new();
        &EMPTY
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: CanBeEmpty> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().unwrap_or_else(|| T::empty())
    }
}

impl<T: CanBeEmpty> From<T> for Rare<T> {
    fn from(value: T) -> Self {
        Self((value != *T::empty()).then(|| Box::new(value)))
    }
}

impl Version {
    pub(crate) fn file_id(&self) -> String {
        ids::file_id(&self.bucket_id, self.serial, self.uploaded)
    }

    /// A version that hides all older ones of this name.
    pub(crate) fn hide_marker(bucket_id: &Arc<str>, name: &str, uploaded: u64) -> Self {
        Self {
            serial: ids::file_serial(FileKind::Small),
            bucket_id: Arc::clone(bucket_id),
            name: name.into(),
            action: Action::Hide,
            length: 0,
            content_type: "".into(),
            sha1: ContentSha1::None,
            md5: None,
            info: Rare::default(),
            encryption: Encryption::NONE,
            lock: Lock::default(),
            replication: Rare::default(),
            uploaded,
            content: Box::default(),
        }
    }
}

/// The replication state of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replication {
    /// `None` if no rule has applied to it.
    pub(crate) status: Option<ReplicationStatus>,
    /// The buckets that have a replica of it.
    pub(crate) destinations: BTreeSet<String>,
}

impl CanBeEmpty for Replication {
    fn empty() -> &'static Self {
        static EMPTY: Replication = Replication {
            status: None,
            destinations: BTreeSet::new(),
        };
        &EMPTY
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ReplicationStatus {
    Pending,
    Completed,
    Failed,
    Replica,
}

impl ReplicationStatus {
    /// In capitals, as the documentation has it (docs/protocol.md, section 12 #8).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Replica => "REPLICA",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) file_id: String,
    pub(crate) number: u16,
    pub(crate) length: u64,
    pub(crate) sha1: String,
    pub(crate) md5: String,
    pub(crate) encryption: Encryption,
    pub(crate) uploaded: u64,
    pub(crate) content: Box<[Chunk]>,
}

/// A stretch of a stored body. Copies and finished large files share bodies.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) blob: Arc<dyn Blob>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl Chunk {
    pub(crate) fn whole(blob: Arc<dyn Blob>, length: u64) -> Self {
        Self {
            blob,
            offset: 0,
            length,
        }
    }
}

/// A record.
#[derive(Debug, Clone)]
pub(crate) enum Record {
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
pub(crate) enum Kind {
    Account,
    Key,
    AccountToken,
    UploadUrl,
    DownloadToken,
    Bucket,
    Version,
    Part,
}

/// A step of a change. All steps of a change are stored, or none.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Put(Record),
    Remove(Kind, String),
}

impl Change {
    pub(crate) fn makes_token(&self) -> bool {
        let Self::Put(record) = self else {
            return false;
        };
        matches!(
            record,
            Record::AccountToken(_) | Record::UploadUrl(_) | Record::DownloadToken(_)
        )
    }
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
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
    pub(crate) fn kind(&self) -> Kind {
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

    pub(crate) fn key(&self) -> String {
        match self {
            Self::Account(_) => String::new(),
            Self::Key(key) => key.id.clone(),
            Self::AccountToken(token) => token.token.clone(),
            Self::UploadUrl(url) => url.token.to_string(),
            Self::DownloadToken(token) => token.token.to_string(),
            Self::Bucket(bucket) => bucket.id.to_string(),
            Self::Version(version) => version.file_id(),
            Self::Part(part) => part_key(&part.file_id, part.number),
        }
    }
}

pub(crate) fn part_key(file_id: &str, number: u16) -> String {
    format!("{file_id}/{number:05}")
}

pub(crate) fn split_part_key(key: &str) -> Option<(&str, u16)> {
    let (file_id, number) = key.split_once('/')?;
    Some((file_id, number.parse().ok()?))
}
