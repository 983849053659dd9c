//! Records as the data directory stores them: JSON, which refers to each body by its name.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::blob::Blob;
use super::checksums::{ContentMd5, ContentSha1};
use super::encryption::Encryption;
use super::lock::Lock;
use super::records::{Action, Chunk, Part, Record, Replication, Version};
use crate::simulator::protocol::ids;

#[derive(Serialize, Deserialize)]
struct StoredVersion<'a> {
    #[serde(borrow)]
    file_id: Cow<'a, str>,
    #[serde(borrow)]
    bucket_id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    action: Action,
    length: u64,
    #[serde(borrow)]
    content_type: Cow<'a, str>,
    sha1: ContentSha1,
    md5: Option<ContentMd5>,
    info: Cow<'a, BTreeMap<String, String>>,
    /// Older data directories store a `bool` under another name.
    #[serde(alias = "is_encrypted")]
    encryption: Encryption,
    #[serde(default)]
    lock: Lock,
    #[serde(default)]
    replication: Replication,
    uploaded: u64,
    #[serde(borrow)]
    content: Vec<StoredChunk<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StoredPart<'a> {
    #[serde(borrow)]
    file_id: Cow<'a, str>,
    number: u16,
    length: u64,
    #[serde(borrow)]
    sha1: Cow<'a, str>,
    #[serde(borrow)]
    md5: Cow<'a, str>,
    #[serde(alias = "is_encrypted")]
    encryption: Encryption,
    uploaded: u64,
    #[serde(borrow)]
    content: Vec<StoredChunk<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StoredChunk<'a> {
    #[serde(borrow)]
    blob_name: Cow<'a, str>,
    offset: u64,
    length: u64,
}

fn stored_content(content: &[Chunk]) -> Vec<StoredChunk<'_>> {
    let chunks = content.iter().map(|chunk| StoredChunk {
        blob_name: chunk.blob.name().into(),
        offset: chunk.offset,
        length: chunk.length,
    });
    chunks.collect()
}

/// A record as JSON.
pub(crate) fn to_json(record: &Record) -> serde_json::Result<String> {
    match record {
        Record::Account(account) => serde_json::to_string(account),
        Record::Key(key) => serde_json::to_string(key.as_ref()),
        Record::AccountToken(token) => serde_json::to_string(token),
        Record::UploadUrl(url) => serde_json::to_string(url),
        Record::DownloadToken(token) => serde_json::to_string(token),
        Record::Bucket(bucket) => serde_json::to_string(bucket.as_ref()),
        Record::Version(version) => serde_json::to_string(&StoredVersion {
            file_id: version.file_id().into(),
            bucket_id: (&*version.bucket_id).into(),
            name: (&*version.name).into(),
            action: version.action,
            length: version.length,
            content_type: (&*version.content_type).into(),
            sha1: version.sha1,
            md5: version.md5,
            info: Cow::Borrowed(&version.info),
            encryption: version.encryption.clone(),
            lock: version.lock,
            replication: (*version.replication).clone(),
            uploaded: version.uploaded,
            content: stored_content(&version.content),
        }),
        Record::Part(part) => serde_json::to_string(&StoredPart {
            file_id: (&*part.file_id).into(),
            number: part.number,
            length: part.length,
            sha1: (&*part.sha1).into(),
            md5: (&*part.md5).into(),
            encryption: part.encryption.clone(),
            uploaded: part.uploaded,
            content: stored_content(&part.content),
        }),
    }
}

/// Reads stored records. Equal texts of several records share their memory.
pub(crate) struct Reader<'a> {
    /// Returns the body of this name, of which a record needs so many bytes.
    body: &'a mut dyn FnMut(&str, u64) -> Arc<dyn Blob>,
    texts: HashSet<Arc<str>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(body: &'a mut dyn FnMut(&str, u64) -> Arc<dyn Blob>) -> Self {
        Self {
            body,
            texts: HashSet::new(),
        }
    }

    pub(crate) fn read(&mut self, kind: &str, json: &str) -> serde_json::Result<Record> {
        Ok(match kind {
            "account" => Record::Account(serde_json::from_str(json)?),
            "key" => Record::Key(Arc::new(serde_json::from_str(json)?)),
            "account_token" => Record::AccountToken(serde_json::from_str(json)?),
            "upload_url" => Record::UploadUrl(serde_json::from_str(json)?),
            "download_token" => Record::DownloadToken(serde_json::from_str(json)?),
            "bucket" => Record::Bucket(Arc::new(serde_json::from_str(json)?)),
            "version" => Record::Version(Arc::new(self.version(json)?)),
            "part" => Record::Part(Arc::new(self.part(json)?)),
            other => {
                let reason = format!("unknown kind of record: {other}");
                return Err(serde::de::Error::custom(reason));
            }
        })
    }

    fn version(&mut self, json: &str) -> serde_json::Result<Version> {
        let stored: StoredVersion<'_> = serde_json::from_str(json)?;
        let id = ids::parse_file_id(&stored.file_id);
        let id = id.ok_or_else(|| serde::de::Error::custom("not a file id"))?;
        Ok(Version {
            serial: id.serial,
            bucket_id: self.shared(&stored.bucket_id),
            name: stored.name.into(),
            action: stored.action,
            length: stored.length,
            content_type: self.shared(&stored.content_type),
            sha1: stored.sha1,
            md5: stored.md5,
            info: stored.info.into_owned().into(),
            encryption: stored.encryption,
            lock: stored.lock,
            replication: stored.replication.into(),
            uploaded: stored.uploaded,
            content: self.content(&stored.content),
        })
    }

    fn part(&mut self, json: &str) -> serde_json::Result<Part> {
        let stored: StoredPart<'_> = serde_json::from_str(json)?;
        Ok(Part {
            file_id: stored.file_id.into_owned(),
            number: stored.number,
            length: stored.length,
            sha1: stored.sha1.into_owned(),
            md5: stored.md5.into_owned(),
            encryption: stored.encryption,
            uploaded: stored.uploaded,
            content: self.content(&stored.content),
        })
    }

    fn content(&mut self, stored: &[StoredChunk<'_>]) -> Box<[Chunk]> {
        let chunks = stored.iter().map(|chunk| Chunk {
            blob: (self.body)(&chunk.blob_name, chunk.offset.saturating_add(chunk.length)),
            offset: chunk.offset,
            length: chunk.length,
        });
        chunks.collect()
    }

    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&new));
        new
    }
}
