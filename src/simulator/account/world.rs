//! One simulated account: its state, clock, limits and storage. Requests arrive through
//! `route::handle` on many threads. This module also has what a test, or the program around the
//! simulator, asks for directly.

mod opening;
mod tokens;

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
use crate::simulator::account::records::{Account, Change, Record};
use crate::simulator::account::settings::Settings;
use crate::simulator::account::state::State;
use crate::simulator::account::storage::Storage;
use crate::simulator::account::storage::disk::DiskStorage;
use crate::simulator::account::storage::memory::MemoryStorage;
use crate::simulator::account::test_mode::TestModes;
use crate::simulator::clock::Clock;
use crate::simulator::protocol::reply::Refusal;

use opening::{damage_report, new_account};
use tokens::FEW_TOKENS;

pub(crate) use crate::simulator::account::storage::disk::OpenError;

/// A day: the lifetime of account tokens and upload URLs (docs/protocol.md, sections 2.0 and 6).
pub(crate) const TOKEN_LIFETIME_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// An hour: for so long, an expired token is answered with `expired_auth_token`. Then it is
/// unknown.
pub(crate) const EXPIRED_MILLIS: u64 = 60 * 60 * 1000;
/// The number of texts that are shared. A client may send another text with each file.
const MOST_SHARED_TEXTS: usize = 1000;

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
