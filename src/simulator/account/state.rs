//! The service's memory: every record, indexed the way the endpoints look things up. It changes
//! only by applying `Change`s, at start as well as later, so that what a restart loads is what
//! was there before.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use crate::simulator::account::records::{
    Account, AccountToken, Action, Bucket, Change, Chunk, DownloadToken, Key, Kind, Part, Record,
    UploadUrl, Version, part_key, split_part_key,
};
use crate::simulator::protocol::reply::Refusal;

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) account: Option<Account>,
    pub(crate) keys: BTreeMap<String, Arc<Key>>,
    pub(crate) account_tokens: HashMap<String, AccountToken>,
    pub(crate) upload_urls: HashMap<String, UploadUrl>,
    pub(crate) download_tokens: HashMap<String, DownloadToken>,
    pub(crate) buckets: BTreeMap<String, Arc<Bucket>>,
    /// Ids by lower-cased name: names are unique whatever their case.
    bucket_names: BTreeMap<String, String>,
    contents: HashMap<String, Contents>,
    files: HashMap<String, Arc<Version>>,
    /// The parts of unfinished large files, by file id.
    parts: HashMap<String, BTreeMap<u16, Arc<Part>>>,
    /// The lengths of all versions and parts.
    stored_bytes: u64,
}

/// What one bucket holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) versions: BTreeMap<Place, Arc<Version>>,
    /// Unfinished large files in the order in which they were started.
    pub(crate) unfinished: BTreeSet<(u64, String)>,
}

/// Where a version stands in listings: by the bytes of its name, newest first (docs/protocol.md,
/// section 9.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) uploaded: Reverse<u64>,
    /// Custom timestamps may be equal.
    pub(crate) file_id: String,
}

impl Place {
    pub(crate) fn of(version: &Version) -> Self {
        Self {
            name: version.name.clone(),
            uploaded: Reverse(version.uploaded),
            file_id: version.file_id.clone(),
        }
    }

    /// Before every version of that name.
    pub(crate) fn first(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            uploaded: Reverse(u64::MAX),
            file_id: String::new(),
        }
    }

    /// After every version of that name.
    pub(crate) fn last(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            uploaded: Reverse(0),
            file_id: char::MAX.to_string(),
        }
    }
}

impl State {
    /// Returns what held bodies and is gone now, to be dropped once the lock is: dropping it may
    /// remove files.
    pub(crate) fn apply(&mut self, change: Change) -> Option<Record> {
        match change {
            Change::Put(record) => self.put(record),
            Change::Remove(kind, key) => self.remove(kind, &key),
        }
    }

    fn put(&mut self, record: Record) -> Option<Record> {
        match record {
            Record::Account(account) => self.account = Some(account),
            Record::Key(key) => drop(self.keys.insert(key.id.clone(), key)),
            Record::AccountToken(token) => {
                self.account_tokens.insert(token.token.clone(), token);
            }
            Record::UploadUrl(url) => drop(self.upload_urls.insert(url.token.clone(), url)),
            Record::DownloadToken(token) => {
                self.download_tokens.insert(token.token.clone(), token);
            }
            Record::Bucket(bucket) => {
                self.bucket_names
                    .insert(bucket.name.to_ascii_lowercase(), bucket.id.clone());
                self.contents.entry(bucket.id.clone()).or_default();
                self.buckets.insert(bucket.id.clone(), bucket);
            }
            Record::Version(version) => return self.put_version(version),
            Record::Part(part) => {
                keep(&part.content);
                self.stored_bytes += part.length;
                let parts = self.parts.entry(part.file_id.clone()).or_default();
                let replaced = parts.insert(part.number, part)?;
                release(&replaced.content);
                self.stored_bytes -= replaced.length;
                return Some(Record::Part(replaced));
            }
        }
        None
    }

    fn put_version(&mut self, version: Arc<Version>) -> Option<Record> {
        keep(&version.content);
        self.stored_bytes += version.length;
        let replaced = self.remove_version(&version.file_id);
        let contents = self.contents.entry(version.bucket_id.clone()).or_default();
        if version.action == Action::Start {
            contents
                .unfinished
                .insert((version.uploaded, version.file_id.clone()));
        }
        contents
            .versions
            .insert(Place::of(&version), Arc::clone(&version));
        self.files.insert(version.file_id.clone(), version);
        replaced
    }

    fn remove(&mut self, kind: Kind, key: &str) -> Option<Record> {
        match kind {
            Kind::Account => self.account = None,
            Kind::Key => drop(self.keys.remove(key)),
            Kind::AccountToken => remove_token(&mut self.account_tokens, key),
            Kind::UploadUrl => remove_token(&mut self.upload_urls, key),
            Kind::DownloadToken => remove_token(&mut self.download_tokens, key),
            Kind::Bucket => {
                let bucket = self.buckets.remove(key)?;
                self.bucket_names.remove(&bucket.name.to_ascii_lowercase());
                self.contents.remove(key);
            }
            Kind::Version => return self.remove_version(key),
            Kind::Part => {
                let (file_id, number) = split_part_key(key)?;
                let parts = self.parts.get_mut(file_id)?;
                let part = parts.remove(&number)?;
                if parts.is_empty() {
                    self.parts.remove(file_id);
                }
                release(&part.content);
                self.stored_bytes -= part.length;
                return Some(Record::Part(part));
            }
        }
        None
    }

    fn remove_version(&mut self, file_id: &str) -> Option<Record> {
        let version = self.files.remove(file_id)?;
        if let Some(contents) = self.contents.get_mut(&version.bucket_id) {
            contents.versions.remove(&Place::of(&version));
            contents
                .unfinished
                .remove(&(version.uploaded, version.file_id.clone()));
        }
        release(&version.content);
        self.stored_bytes -= version.length;
        Some(Record::Version(version))
    }

    /// How many tokens of all kinds are known.
    pub(crate) fn count_tokens(&self) -> usize {
        self.account_tokens.len() + self.upload_urls.len() + self.download_tokens.len()
    }

    /// How much is stored, old versions and unfinished files included.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    pub(crate) fn bucket(&self, id: &str) -> Result<&Arc<Bucket>, Refusal> {
        self.buckets
            .get(id)
            .ok_or_else(|| Refusal::bad_bucket_id(id))
    }

    pub(crate) fn bucket_by_name(&self, name: &str) -> Option<&Arc<Bucket>> {
        self.buckets
            .get(self.bucket_names.get(&name.to_ascii_lowercase())?)
    }

    /// All buckets in the order of their names.
    pub(crate) fn buckets_by_name(&self) -> impl Iterator<Item = &Arc<Bucket>> {
        self.bucket_names
            .values()
            .filter_map(|id| self.buckets.get(id))
    }

    /// `None` if there is no such bucket.
    pub(crate) fn contents(&self, bucket_id: &str) -> Option<&Contents> {
        self.contents.get(bucket_id)
    }

    pub(crate) fn file(&self, file_id: &str) -> Option<&Arc<Version>> {
        self.files.get(file_id)
    }

    pub(crate) fn all_versions(&self) -> impl Iterator<Item = &Arc<Version>> {
        self.files.values()
    }

    pub(crate) fn all_parts(&self) -> impl Iterator<Item = &Arc<Part>> {
        self.parts.values().flat_map(BTreeMap::values)
    }

    /// The finished, visible or hiding version that stands for this name.
    pub(crate) fn latest(&self, bucket_id: &str, name: &str) -> Option<&Arc<Version>> {
        self.versions_of(bucket_id, name)
            .find(|version| version.action != Action::Start)
    }

    /// The large file with this id, if it is still unfinished.
    pub(crate) fn unfinished(&self, file_id: &str) -> Result<&Arc<Version>, Refusal> {
        self.files
            .get(file_id)
            .filter(|version| version.action == Action::Start)
            .ok_or_else(|| Refusal::no_active_upload(file_id))
    }

    pub(crate) fn parts(&self, file_id: &str) -> impl DoubleEndedIterator<Item = &Arc<Part>> {
        self.parts
            .get(file_id)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// The changes that remove a version with its parts; only unfinished large files have any.
    pub(crate) fn removal(&self, version: &Version) -> Vec<Change> {
        let id = &version.file_id;
        self.parts(id)
            .map(|part| Change::Remove(Kind::Part, part_key(id, part.number)))
            .chain([Change::Remove(Kind::Version, id.clone())])
            .collect()
    }

    /// The time to stamp on the next version of this name: later than all of its versions, so
    /// that "newest first" never ties.
    pub(crate) fn next_upload_time(&self, bucket_id: &str, name: &str, now: u64) -> u64 {
        let newest = self.versions_of(bucket_id, name).next();
        newest.map_or(now, |newest| now.max(newest.uploaded + 1))
    }

    /// All versions of this name, newest first.
    pub(crate) fn versions_of(
        &self,
        bucket_id: &str,
        name: &str,
    ) -> impl Iterator<Item = &Arc<Version>> {
        let range = (
            Bound::Included(Place::first(name)),
            Bound::Included(Place::last(name)),
        );
        self.contents
            .get(bucket_id)
            .into_iter()
            .flat_map(move |contents| contents.versions.range(range.clone()))
            .map(|(_, version)| version)
    }
}

/// Removes a token; gives room back when most of it is unused.
fn remove_token<T>(tokens: &mut HashMap<String, T>, key: &str) {
    tokens.remove(key);
    if tokens.len() < tokens.capacity() / 8 {
        tokens.shrink_to_fit();
    }
}

fn keep(content: &[Chunk]) {
    content
        .iter()
        .filter_map(|chunk| chunk.blob.as_ref())
        .for_each(|blob| blob.keep());
}

fn release(content: &[Chunk]) {
    content
        .iter()
        .filter_map(|chunk| chunk.blob.as_ref())
        .for_each(|blob| blob.release());
}
