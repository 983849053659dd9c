//! The service's memory: every record, with the indexes that the endpoints need. It changes only by
//! applying `Change`s, at start and later, so a restart loads the state from before.

use std::borrow::Borrow;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use crate::simulator::account::records::{
    Account, AccountToken, Action, Bucket, Change, Chunk, DownloadToken, Key, Kind, Part, Record,
    UploadUrl, Version, part_key, split_part_key,
};
use crate::simulator::protocol::ids;
use crate::simulator::protocol::reply::Refusal;

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) account: Option<Account>,
    pub(crate) keys: BTreeMap<String, Arc<Key>>,
    pub(crate) account_tokens: HashMap<String, AccountToken>,
    pub(crate) upload_urls: HashMap<Arc<str>, Box<UploadUrl>>,
    pub(crate) download_tokens: HashMap<Arc<str>, Box<DownloadToken>>,
    pub(crate) buckets: BTreeMap<Arc<str>, Arc<Bucket>>,
    /// Ids by lower-cased name: names are unique whatever their case.
    bucket_names: BTreeMap<String, Arc<str>>,
    contents: HashMap<Arc<str>, Contents>,
    files: HashSet<BySerial>,
    /// The parts of unfinished large files, by file id.
    parts: HashMap<String, BTreeMap<u16, Arc<Part>>>,
    /// The lengths of all versions and parts.
    stored_bytes: u64,
}

/// What one bucket holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) versions: BTreeSet<ByPlace>,
    /// Unfinished large files in the order in which they were started.
    pub(crate) unfinished: BTreeSet<(u64, String)>,
}

/// Where a version stands in listings: by the bytes of its name, newest first (docs/protocol.md,
/// section 9.1), and, since custom timestamps may be equal, by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) uploaded: u64,
    pub(crate) serial: u64,
}

impl Place {
    pub(crate) fn of(version: &Version) -> Self {
        Self {
            name: version.name.to_string(),
            uploaded: version.uploaded,
            serial: version.serial,
        }
    }

    /// Before every version of that name.
    pub(crate) fn first(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            uploaded: u64::MAX,
            serial: 0,
        }
    }

    /// After every version of that name.
    pub(crate) fn last(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            uploaded: 0,
            serial: u64::MAX,
        }
    }
}

/// A place in a listing, or something that has one: sets of versions can be searched by both.
pub(crate) trait AtPlace {
    fn place(&self) -> (&str, Reverse<u64>, u64);
}

impl AtPlace for Place {
    fn place(&self) -> (&str, Reverse<u64>, u64) {
        (&self.name, Reverse(self.uploaded), self.serial)
    }
}

impl AtPlace for ByPlace {
    fn place(&self) -> (&str, Reverse<u64>, u64) {
        (&self.0.name, Reverse(self.0.uploaded), self.0.serial)
    }
}

impl PartialEq for dyn AtPlace + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for dyn AtPlace + '_ {}

impl PartialOrd for dyn AtPlace + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn AtPlace + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

/// A version in the order of listings.
#[derive(Debug, Clone)]
pub(crate) struct ByPlace(pub(crate) Arc<Version>);

impl PartialEq for ByPlace {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for ByPlace {}

impl PartialOrd for ByPlace {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByPlace {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl<'a> Borrow<dyn AtPlace + 'a> for ByPlace {
    fn borrow(&self) -> &(dyn AtPlace + 'a) {
        self
    }
}

/// A version by the serial of its id.
#[derive(Debug, Clone)]
struct BySerial(Arc<Version>);

impl PartialEq for BySerial {
    fn eq(&self, other: &Self) -> bool {
        self.0.serial == other.0.serial
    }
}

impl Eq for BySerial {}

impl Hash for BySerial {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.serial.hash(state);
    }
}

impl Borrow<u64> for BySerial {
    fn borrow(&self) -> &u64 {
        &self.0.serial
    }
}

impl State {
    /// Applies a change, and returns the record that it removed if that held bodies. Dropping such
    /// a record may remove files, so the caller does it after releasing the lock.
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
            Record::UploadUrl(url) => {
                self.upload_urls
                    .insert(Arc::clone(&url.token), Box::new(url));
            }
            Record::DownloadToken(token) => {
                self.download_tokens
                    .insert(Arc::clone(&token.token), Box::new(token));
            }
            Record::Bucket(bucket) => {
                self.bucket_names
                    .insert(bucket.name.to_ascii_lowercase(), Arc::clone(&bucket.id));
                self.contents.entry(Arc::clone(&bucket.id)).or_default();
                self.buckets.insert(Arc::clone(&bucket.id), bucket);
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
        let replaced = self.take_version(version.serial);
        let contents = self
            .contents
            .entry(Arc::clone(&version.bucket_id))
            .or_default();
        if version.action == Action::Start {
            let place = (version.uploaded, version.file_id());
            contents.unfinished.insert(place);
        }
        contents.versions.insert(ByPlace(Arc::clone(&version)));
        self.files.insert(BySerial(version));
        replaced
    }

    /// Loads everything that was stored. It sorts all versions at once, which is faster than
    /// inserting each.
    pub(crate) fn load(&mut self, versions: Vec<Arc<Version>>, records: Vec<Record>) {
        let mut of_buckets: HashMap<Arc<str>, Vec<ByPlace>> = HashMap::new();
        self.files.reserve(versions.len());
        for version in versions {
            keep(&version.content);
            self.stored_bytes += version.length;
            let bucket_id = Arc::clone(&version.bucket_id);
            if version.action == Action::Start {
                let contents = self.contents.entry(Arc::clone(&bucket_id)).or_default();
                let place = (version.uploaded, version.file_id());
                contents.unfinished.insert(place);
            }
            self.files.insert(BySerial(Arc::clone(&version)));
            of_buckets
                .entry(bucket_id)
                .or_default()
                .push(ByPlace(version));
        }
        for (bucket_id, versions) in of_buckets {
            // Collecting sorts them.
            let contents = self.contents.entry(bucket_id).or_default();
            contents.versions = versions.into_iter().collect();
        }
        for record in records {
            self.put(record);
        }
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
        let serial = self.file(file_id)?.serial;
        self.take_version(serial)
    }

    fn take_version(&mut self, serial: u64) -> Option<Record> {
        let BySerial(version) = self.files.take(&serial)?;
        if let Some(contents) = self.contents.get_mut(&version.bucket_id) {
            contents.versions.remove(&ByPlace(Arc::clone(&version)));
            if version.action == Action::Start {
                let place = (version.uploaded, version.file_id());
                contents.unfinished.remove(&place);
            }
        }
        release(&version.content);
        self.stored_bytes -= version.length;
        Some(Record::Version(version))
    }

    /// Returns the number of account tokens, of upload URLs, and of download authorizations.
    pub(crate) fn count_tokens(&self) -> [usize; 3] {
        [
            self.account_tokens.len(),
            self.upload_urls.len(),
            self.download_tokens.len(),
        ]
    }

    /// Returns the bytes stored, in old versions and unfinished files too.
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
        let id = ids::parse_file_id(file_id)?;
        let BySerial(version) = self.files.get(&id.serial)?;
        (version.file_id() == file_id).then_some(version)
    }

    pub(crate) fn all_versions(&self) -> impl Iterator<Item = &Arc<Version>> {
        self.files.iter().map(|BySerial(version)| version)
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
        self.file(file_id)
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
        let id = version.file_id();
        self.parts(&id)
            .map(|part| Change::Remove(Kind::Part, part_key(&id, part.number)))
            .chain([Change::Remove(Kind::Version, id.clone())])
            .collect()
    }

    /// The time for the next version of this name. It is later than all of its versions, so no two
    /// versions have equal times.
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
        let (first, last) = (Place::first(name), Place::last(name));
        let contents = self.contents.get(bucket_id).into_iter();
        contents.flat_map(move |contents| {
            let range: (Bound<&dyn AtPlace>, Bound<&dyn AtPlace>) =
                (Bound::Included(&first), Bound::Included(&last));
            let versions = contents.versions.range::<dyn AtPlace, _>(range);
            versions.map(|ByPlace(version)| version)
        })
    }
}

/// Removes a token, and returns memory when most of the capacity is unused.
fn remove_token<K: Borrow<str> + Eq + Hash, T>(tokens: &mut HashMap<K, T>, key: &str) {
    tokens.remove(key);
    if tokens.len() < tokens.capacity() / 8 {
        tokens.shrink_to_fit();
    }
}

fn keep(content: &[Chunk]) {
    content.iter().for_each(|chunk| chunk.blob.keep());
}

fn release(content: &[Chunk]) {
    content.iter().for_each(|chunk| chunk.blob.release());
}
