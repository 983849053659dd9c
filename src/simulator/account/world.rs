//! One simulated account: its state, clock, limits and storage. Requests arrive through
//! `route::handle` on many threads. This module also has what a test, or the program around the
//! simulator, asks for directly.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use crate::model::operation::Operation;
use crate::simulator::account::caps::{Caps, Meter, Usage};
use crate::simulator::account::keyring;
use crate::simulator::account::records::{Account, AccountToken, Change, Chunk, Key, Kind, Record};
use crate::simulator::account::state::State;
use crate::simulator::account::storage::Storage;
use crate::simulator::account::storage::disk::DiskStorage;
use crate::simulator::account::storage::memory::MemoryStorage;
use crate::simulator::account::test_mode::TestModes;
use crate::simulator::clock::Clock;
use crate::simulator::protocol::ids;
use crate::simulator::protocol::reply::Refusal;

pub(crate) use crate::simulator::account::storage::disk::OpenError;

/// A day: the lifetime of account tokens and upload URLs (docs/protocol.md, sections 2.0 and 6).
pub(crate) const TOKEN_LIFETIME_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// An hour: for so long, an expired token is answered with `expired_auth_token`. Then it is
/// unknown.
pub(crate) const EXPIRED_MILLIS: u64 = 60 * 60 * 1000;
/// Fewer tokens than these are not searched for stale ones.
const FEW_TOKENS: usize = 1024;

/// The number of texts that are shared. A client may send another text with each file.
const MOST_SHARED_TEXTS: usize = 1000;

/// The number of damaged files that are named one by one.
const MOST_WARNINGS: usize = 20;

/// The settings of a simulator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// The smallest size of every part but the last.
    pub(crate) absolute_minimum_part_size: u64,
    /// The part size that the authorize answer recommends.
    pub(crate) recommended_part_size: u64,
    /// The largest single upload, part, or copied file.
    pub(crate) max_single_file: u64,
    /// Whether buckets encrypt unless told otherwise, as the service does since 2026-09
    /// (docs/protocol.md, section 3.9). `false` is the behaviour before that.
    pub(crate) encrypt_by_default: bool,
    /// Whether the account may choose upload timestamps, which few may (docs/protocol.md, section
    /// 2.7).
    pub(crate) custom_timestamps: bool,
    /// How many buckets the account may have.
    pub(crate) max_buckets: usize,
    /// After this many hidden names a listing of names ends its page early, so that a small number
    /// makes the short and empty pages of docs/protocol.md, section 9.3.
    pub(crate) listing_scan_limit: usize,
    /// How many rows of a listing one answer has at most.
    pub(crate) max_rows: usize,
    /// Where the draws of `X-Bz-Test-Mode` begin.
    pub(crate) test_mode_seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            absolute_minimum_part_size: 5_000_000,
            recommended_part_size: 100_000_000,
            max_single_file: 5_000_000_000,
            encrypt_by_default: true,
            custom_timestamps: false,
            max_buckets: 100,
            listing_scan_limit: 100_000,
            max_rows: usize::MAX,
            test_mode_seed: 0,
        }
    }
}

/// The simulated service.
pub(crate) struct World {
    settings: RwLock<Settings>,
    meter: Meter,
    test_modes: TestModes,
    clock: Clock,
    account_id: String,
    storage: Box<dyn Storage>,
    state: RwLock<State>,
    /// Upload tokens with an upload under way.
    busy: Mutex<HashSet<String>>,
    /// When there are so many tokens of a kind (see `State::count_tokens`), stale ones are removed.
    next_look: [AtomicUsize; 3],
    /// A counter that makes upload URLs distinct.
    urls_made: AtomicU64,
    /// Other accounts of the same service.
    peers: Mutex<Vec<Weak<Self>>>,
    warnings: Vec<String>,
    /// Content types of versions.
    texts: Mutex<HashSet<Arc<str>>>,
}

/// Shows no key and no token.
impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("account_id", &self.account_id)
            .finish_non_exhaustive()
    }
}

impl World {
    /// A new account that is gone with the process.
    pub(crate) fn in_memory(settings: Settings) -> Self {
        let mut state = State::default();
        let account = new_account(&mut state, &mut Vec::new());
        Self::new(settings, Box::new(MemoryStorage), state, account)
    }

    /// The account kept in this directory, which is created if missing.
    pub(crate) fn open(dir: &Path, settings: Settings) -> Result<Self, OpenError> {
        let storage = DiskStorage::open(dir)?;
        let unusable = |source| OpenError::Unusable {
            dir: dir.to_owned(),
            source,
        };
        let mut state = State::default();
        let loaded = storage.load().map_err(unusable)?;
        state.load(loaded.versions, loaded.records);
        let warnings = damage_report(&state, &loaded.damaged);
        let account = match state.account.clone() {
            Some(account) => account.id,
            None => {
                let mut changes = Vec::new();
                let account = new_account(&mut state, &mut changes);
                storage.commit(&changes).map_err(unusable)?;
                account
            }
        };
        let mut world = Self::new(settings, Box::new(storage), state, account);
        world.warnings = warnings;
        world.forget_stale_tokens().map_err(unusable)?;
        Ok(world)
    }

    fn new(
        settings: Settings,
        storage: Box<dyn Storage>,
        state: State,
        account_id: String,
    ) -> Self {
        Self {
            test_modes: TestModes::new(settings.test_mode_seed),
            settings: RwLock::new(settings),
            meter: Meter::default(),
            clock: Clock::default(),
            account_id,
            storage,
            state: RwLock::new(state),
            busy: Mutex::default(),
            next_look: [FEW_TOKENS; 3].map(AtomicUsize::new),
            urls_made: AtomicU64::new(0),
            peers: Mutex::default(),
            warnings: Vec::new(),
            texts: Mutex::default(),
        }
    }

    /// Returns this text, shared with equal ones. Many versions have such texts in common.
    pub(crate) fn shared_text(&self, text: &str) -> Arc<str> {
        let mut texts = self.texts.lock();
        if let Some(known) = texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        if texts.len() < MOST_SHARED_TEXTS {
            texts.insert(Arc::clone(&new));
        }
        new
    }

    /// What was found wrong when the account was opened.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn settings(&self) -> Settings {
        *self.settings.read()
    }

    /// Changes settings. Requests that have begun may still use the old values.
    pub(crate) fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.write());
    }

    /// Counts a call against the caps of the day.
    pub(crate) fn count(&self, operation: Operation) -> Result<(), Refusal> {
        self.meter.count(operation, self.clock.now_millis())
    }

    /// Counts a download of so many bytes against the caps of the day.
    pub(crate) fn count_download(&self, operation: Operation, bytes: u64) -> Result<(), Refusal> {
        let now = self.clock.now_millis();
        self.meter.count_download(operation, bytes, now)
    }

    /// Whether the storage cap allows so many bytes more now. Others may store some in the meantime,
    /// so [`store`](Self::store) checks it again.
    pub(crate) fn check_storage(&self, bytes: u64) -> Result<(), Refusal> {
        let stored = self.state().stored_bytes();
        self.meter.check_storage(bytes, stored)
    }

    pub(crate) fn test_modes(&self) -> &TestModes {
        &self.test_modes
    }

    pub(crate) fn caps(&self) -> Caps {
        self.meter.caps()
    }

    pub(crate) fn set_caps(&self, caps: Caps) {
        self.meter.set_caps(caps);
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            storage: self.state().stored_bytes(),
            ..self.meter.used(self.clock.now_millis())
        }
    }

    pub(crate) fn account_id(&self) -> &str {
        &self.account_id
    }

    /// Key id and key of the master key.
    pub(crate) fn master_key(&self) -> (String, String) {
        let state = self.state();
        let master = state.keys.values().find(|key| key.is_master);
        master
            .map(|key| (key.id.clone(), key.secret.clone()))
            .unwrap_or_default()
    }

    /// Creates an application key without a request, and returns its id and secret. Nothing is
    /// checked, so it can also create keys that the service no longer creates.
    pub(crate) fn create_key(
        &self,
        name: &str,
        capabilities: &[&str],
        bucket_ids: Option<Vec<String>>,
        name_prefix: Option<String>,
        valid_seconds: Option<u64>,
    ) -> io::Result<(String, String)> {
        let settings = keyring::KeySettings {
            name: name.to_owned(),
            capabilities: capabilities.iter().map(|&name| name.to_owned()).collect(),
            bucket_ids,
            name_prefix,
            valid_seconds,
        };
        let now = self.clock.now_millis();
        let key = self.change(|state| Ok(keyring::make(state, &self.account_id, now, settings)));
        key.map(|key| (key.id.clone(), key.secret.clone()))
            .map_err(|r| io::Error::other(r.message))
    }

    /// Expires every account token issued so far: they are answered with 401 `expired_auth_token`.
    pub(crate) fn expire_tokens(&self) -> io::Result<()> {
        let now = self.clock.now_millis();
        self.change_tokens(|token| {
            Change::Put(Record::AccountToken(AccountToken {
                expires: now.min(token.expires),
                ..token.clone()
            }))
        })
    }

    /// Expires this account token: it is answered with 401 `expired_auth_token`.
    pub(crate) fn expire_token(&self, token: &str) -> io::Result<()> {
        let now = self.clock.now_millis();
        self.apply(|state| {
            let known = state.account_tokens.get(token);
            let expired = known.map(|known| AccountToken {
                expires: now,
                ..known.clone()
            });
            let changes = expired.map(|token| Change::Put(Record::AccountToken(token)));
            changes.into_iter().collect()
        })
    }

    /// Revokes every account token issued so far: they are answered with 401 `bad_auth_token`.
    pub(crate) fn revoke_tokens(&self) -> io::Result<()> {
        self.change_tokens(|token| Change::Remove(Kind::AccountToken, token.token.clone()))
    }

    fn change_tokens(&self, change: impl Fn(&AccountToken) -> Change) -> io::Result<()> {
        self.apply(|state| state.account_tokens.values().map(change).collect())
    }

    /// Invalidates every upload URL handed out so far.
    pub(crate) fn drop_upload_urls(&self) -> io::Result<()> {
        self.apply(|state| {
            let tokens = state.upload_urls.keys();
            tokens
                .map(|token| Change::Remove(Kind::UploadUrl, token.to_string()))
                .collect()
        })
    }

    /// Expires this key and its tokens.
    pub(crate) fn expire_key(&self, id: &str) -> io::Result<()> {
        let now = self.clock.now_millis();
        self.change_key(id, |key| {
            Change::Put(Record::Key(Arc::new(Key {
                expires: Some(now),
                ..key.clone()
            })))
        })
    }

    /// Deletes this key.
    pub(crate) fn delete_key(&self, id: &str) -> io::Result<()> {
        self.change_key(id, |key| Change::Remove(Kind::Key, key.id.clone()))
    }

    /// The master key stays as it is.
    fn change_key(&self, id: &str, change: impl FnOnce(&Key) -> Change) -> io::Result<()> {
        let is_there = self.change(|state| {
            let key = state.keys.get(id).filter(|key| !key.is_master);
            let changes: Vec<Change> = key.map(|key| change(key)).into_iter().collect();
            let is_there = !changes.is_empty();
            Ok((changes, is_there))
        });
        match is_there {
            Ok(true) => Ok(()),
            Ok(false) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("no application key has the id {id}"),
            )),
            Err(refusal) => Err(io::Error::other(refusal.message)),
        }
    }

    /// Makes both accounts of the same service: each can replicate into the other's buckets, and
    /// neither can take the name of one.
    pub(crate) fn join(self: &Arc<Self>, other: &Arc<Self>) {
        for (one, peer) in [(self, other), (other, self)] {
            let mut peers = one.peers.lock();
            peers.push(Arc::downgrade(peer));
        }
    }

    /// Must not be called while the state of this account is locked: two accounts may ask each
    /// other.
    fn peers(&self) -> Vec<Arc<Self>> {
        let peers = self.peers.lock();
        peers.iter().filter_map(Weak::upgrade).collect()
    }

    /// The other account that has this bucket.
    pub(crate) fn peer_with(&self, bucket_id: &str) -> Option<Arc<Self>> {
        let mut peers = self.peers().into_iter();
        peers.find(|peer| peer.state().buckets.contains_key(bucket_id))
    }

    /// Whether a bucket of another account has this name.
    pub(crate) fn is_name_of_a_peer(&self, name: &str) -> bool {
        let mut peers = self.peers().into_iter();
        peers.any(|peer| peer.state().bucket_by_name(name).is_some())
    }

    /// Returns the port on which the server listened last.
    pub(crate) fn port(&self) -> Option<u16> {
        self.state()
            .account
            .as_ref()
            .and_then(|account| account.port)
    }

    /// Stores the port on which the server listens.
    pub(crate) fn set_port(&self, port: u16) -> io::Result<()> {
        self.apply(|state| {
            let account = state.account.iter().cloned();
            account
                .map(|a| {
                    Change::Put(Record::Account(Account {
                        port: Some(port),
                        ..a
                    }))
                })
                .collect()
        })
    }

    /// Moves the time forward, and removes tokens that have become stale.
    pub(crate) fn advance_clock(&self, by: Duration) -> io::Result<()> {
        self.clock.advance(by);
        self.forget_stale_tokens()
    }

    /// Moves the time forward to the system's, if it is behind, and removes tokens that have become
    /// stale.
    pub(crate) fn catch_up_clock(&self) -> io::Result<()> {
        self.clock.catch_up();
        self.forget_stale_tokens()
    }

    /// Removes account tokens and upload URLs that expired more than an hour ago, and download
    /// authorizations that are no longer known as expired.
    fn forget_stale_tokens(&self) -> io::Result<()> {
        let now = self.clock.now_millis();
        let is_stale = |expires: u64| expires.saturating_add(EXPIRED_MILLIS) < now;
        self.apply(|state| {
            let account = state
                .account_tokens
                .values()
                .filter(|t| is_stale(t.expires));
            let upload = state.upload_urls.values().filter(|t| is_stale(t.expires));
            let download = state
                .download_tokens
                .values()
                .filter(|t| t.known_until.max(t.expires) < now);
            account
                .map(|t| Change::Remove(Kind::AccountToken, t.token.clone()))
                .chain(upload.map(|t| Change::Remove(Kind::UploadUrl, t.token.to_string())))
                .chain(download.map(|t| Change::Remove(Kind::DownloadToken, t.token.to_string())))
                .collect()
        })
    }

    /// Applies these changes atomically.
    pub(crate) fn apply(&self, changes: impl FnOnce(&State) -> Vec<Change>) -> io::Result<()> {
        self.change(|state| Ok((changes(state), ())))
            .map_err(|refusal| io::Error::other(refusal.message))
    }

    pub(crate) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }

    /// Plans a change against the current state, stores it, and makes it visible, atomically. What
    /// it removed is dropped after the lock is released.
    pub(crate) fn change<T>(
        &self,
        plan: impl FnOnce(&State) -> Result<(Vec<Change>, T), Refusal>,
    ) -> Result<T, Refusal> {
        let mut removed = Vec::new();
        let mut state = self.state.write();
        let (changes, result) = plan(&state)?;
        if !changes.is_empty() {
            self.storage.commit(&changes)?;
        }
        let makes_token = changes.iter().any(Change::makes_token);
        removed.extend(changes.into_iter().filter_map(|change| state.apply(change)));
        let known = state.count_tokens();
        drop(state);
        let mut known = known.into_iter().zip(&self.next_look);
        if makes_token && known.any(|(known, next)| known >= next.load(Ordering::Relaxed)) {
            self.look_for_stale_tokens()?;
        }
        Ok(result)
    }

    /// Makes a [`change`](Self::change) that adds so many bytes to what is stored, unless the storage
    /// cap forbids it at that moment.
    pub(crate) fn store<T>(
        &self,
        bytes: u64,
        plan: impl FnOnce(&State) -> Result<(Vec<Change>, T), Refusal>,
    ) -> Result<T, Refusal> {
        self.change(|state| {
            let planned = plan(state)?;
            self.meter.check_storage(bytes, state.stored_bytes())?;
            Ok(planned)
        })
    }

    /// Removes stale tokens, and sets the numbers of tokens at which that happens again: twice the
    /// number that is left of each kind. So tokens take at most twice the memory that is needed, and
    /// each is looked at only a few times.
    fn look_for_stale_tokens(&self) -> io::Result<()> {
        self.forget_stale_tokens()?;
        let left = self.state().count_tokens();
        for (left, next) in left.into_iter().zip(&self.next_look) {
            next.store(left.saturating_mul(2).max(FEW_TOKENS), Ordering::Relaxed);
        }
        Ok(())
    }

    pub(crate) fn storage(&self) -> &dyn Storage {
        self.storage.as_ref()
    }

    /// Returns the number of the next upload URL.
    pub(crate) fn next_url_number(&self) -> u64 {
        self.urls_made.fetch_add(1, Ordering::Relaxed)
    }

    /// Marks an upload token as in use for as long as the guard lives; `None` if it is already.
    pub(crate) fn occupy(&self, token: &str) -> Option<Occupied<'_>> {
        let mut busy = self.busy.lock();
        busy.insert(token.to_owned()).then(|| Occupied {
            world: self,
            token: token.to_owned(),
        })
    }
}

/// An upload under way; the token is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Occupied<'a> {
    world: &'a World,
    token: String,
}

impl Drop for Occupied<'_> {
    fn drop(&mut self) {
        let mut busy = self.world.busy.lock();
        busy.remove(&self.token);
    }
}

/// Returns one line for each of the first files whose content is lost, and a line with the number
/// of the others.
fn damage_report(state: &State, damaged: &HashSet<String>) -> Vec<String> {
    let is_damaged = |content: &[Chunk]| {
        !damaged.is_empty()
            && content
                .iter()
                .any(|chunk| damaged.contains(&chunk.blob.name()))
    };
    let lost = "its content is missing or too short in the data directory";
    let versions = state
        .all_versions()
        .filter(|version| is_damaged(&version.content));
    let versions =
        versions.map(|version| format!("file {:?} ({}): {lost}", version.name, version.file_id()));
    let parts = state.all_parts().filter(|part| is_damaged(&part.content));
    let parts = parts.map(|part| format!("part {} of {}: {lost}", part.number, part.file_id));
    let mut all = versions.chain(parts);
    let mut lines: Vec<String> = all.by_ref().take(MOST_WARNINGS).collect();
    match all.count() {
        0 => {}
        more => lines.push(format!("{more} more files and parts have no content")),
    }
    lines
}

/// Creates an account with its master key.
fn new_account(state: &mut State, changes: &mut Vec<Change>) -> String {
    let id = ids::account_id();
    let master = Key {
        id: ids::key_id(&id, 0),
        secret: ids::application_key(),
        name: "master".to_owned(),
        capabilities: keyring::CAPABILITIES
            .iter()
            .map(|&name| name.to_owned())
            .collect(),
        bucket_ids: None,
        name_prefix: None,
        expires: None,
        is_master: true,
    };
    changes.push(Change::Put(Record::Account(Account {
        id: id.clone(),
        keys_made: 0,
        port: None,
    })));
    changes.push(Change::Put(Record::Key(Arc::new(master))));
    for change in changes.iter() {
        state.apply(change.clone());
    }
    id
}
