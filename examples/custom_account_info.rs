//! A store of one's own: everything in one JSON file, under a lock.
//!
//! ```text
//! B2_APPLICATION_KEY_ID=... B2_APPLICATION_KEY=... cargo run --example custom_account_info
//! ```
//!
//! Every method is one exchange with the file, for which this program has it alone:
//!
//! 1. lock `<file>.lock`, which waits for other threads and processes;
//! 2. read the file, do what the method is for, write the whole into a new file;
//! 3. rename that over the old one: a killed process leaves the old or the new one;
//! 4. give the lock back.
//!
//! Whether a store keeps the contract, the conformance kit says; `tests/it/account_info.rs` runs it on
//! this one.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use b2sdk::account_info::{
    AccountAuth, AccountInfo, AuthSnapshot, Generation, Identity, Refresh, RefreshTicket,
    UploadTarget, UploadUrl,
};
use b2sdk::credentials::EnvironmentCredentials;
use b2sdk::error::{StoreContext as _, StoreError};
use b2sdk::{B2Api, BucketId, Timestamp};
use serde::{Deserialize, Serialize};

type Result<T> = std::result::Result<T, StoreError>;

/// What is in the file. It holds the key in clear, so nobody else may read it.
#[derive(Default, Serialize, Deserialize)]
struct State {
    /// As `AuthSnapshot` writes it.
    auth: Option<String>,
    /// The ticket and when it ends, in milliseconds.
    lease: Option<(u64, i64)>,
    #[serde(default)]
    logged_out: bool,
    tickets: u64,
    buckets: BTreeMap<String, BucketId>,
    /// By target: URL, token, when it was received.
    urls: BTreeMap<String, Vec<(String, String, Timestamp)>>,
}

impl State {
    fn snapshot(&self) -> Result<Option<AuthSnapshot>> {
        self.auth
            .as_deref()
            .map(AuthSnapshot::from_json)
            .transpose()
    }

    fn identity(&self) -> Result<Option<Identity>> {
        Ok(self.snapshot()?.map(|snapshot| snapshot.identity().clone()))
    }

    /// Refuses what is meant for another identity than the one in the file.
    fn check(&self, owner: &Identity) -> Result<()> {
        match self.identity()? {
            Some(identity) if identity == *owner => Ok(()),
            _ => Err(StoreError::superseded()),
        }
    }

    fn name_bucket(&mut self, name: &str, id: &BucketId) {
        self.buckets.retain(|_, known| known != id);
        self.buckets.insert(name.to_owned(), id.clone());
    }
}

/// The name of a pool of URLs.
fn key(target: &UploadTarget) -> String {
    match target {
        UploadTarget::Bucket(id) => format!("bucket {id}"),
        UploadTarget::LargeFile(id) => format!("file {id}"),
    }
}

/// Keeps everything in one JSON file.
pub(crate) struct JsonAccountInfo<C> {
    path: PathBuf,
    clock: C,
}

impl<C: Fn() -> SystemTime> JsonAccountInfo<C> {
    /// A store in this file, which need not exist; `clock` tells the time.
    pub(crate) fn new(path: impl Into<PathBuf>, clock: C) -> Self {
        let path = path.into();
        Self { path, clock }
    }

    /// Looks at what is in the file.
    fn read<T>(&self, work: impl FnOnce(&State) -> Result<T>) -> Result<T> {
        let _lock = self.lock()?;
        work(&self.load()?)
    }

    /// Changes what is in the file, unless that fails.
    fn write<T>(&self, work: impl FnOnce(&mut State, Timestamp) -> Result<T>) -> Result<T> {
        let _lock = self.lock()?;
        let mut state = self.load()?;
        let value = work(&mut state, Timestamp::from((self.clock)()))?;
        let new = self.path.with_extension("new");
        serde_json::to_writer(private(&new)?, &state).context("writing the account info")?;
        fs::rename(new, &self.path)?;
        Ok(value)
    }

    /// The lock ends with the value.
    fn lock(&self) -> Result<File> {
        let file = private(&self.path.with_extension("lock"))?;
        file.lock()?;
        Ok(file)
    }

    fn load(&self) -> Result<State> {
        match fs::read(&self.path) {
            Ok(json) => serde_json::from_slice(&json).context("reading the account info"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
            Err(error) => Err(StoreError::from(error).context("reading the account info")),
        }
    }
}

impl<C> fmt::Debug for JsonAccountInfo<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonAccountInfo({:?})", self.path)
    }
}

/// A file, empty, that only its owner may read.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl<C: Fn() -> SystemTime + Send + Sync> AccountInfo for JsonAccountInfo<C> {
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>> {
        self.read(|state| Ok(state.snapshot()?.map(Arc::new)))
    }

    fn is_logged_out(&self) -> Result<bool> {
        self.read(|state| Ok(state.logged_out))
    }

    fn begin_refresh(&self, stale: Option<Generation>, lease: Duration) -> Result<Refresh> {
        self.write(|state, now| {
            match state.snapshot()? {
                Some(newer) if Some(newer.generation()) != stale => {
                    return Ok(Refresh::Newer(Arc::new(newer)));
                }
                _ => {}
            }
            if state.lease.is_some_and(|(_, ends)| ends > now.as_millis()) {
                return Ok(Refresh::Busy);
            }
            state.tickets += 1;
            let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
            state.lease = Some((state.tickets, now.as_millis() + lease));
            let ticket = RefreshTicket::new(state.tickets, state.identity()?);
            Ok(Refresh::Lease(ticket))
        })
    }

    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>> {
        self.write(|state, _| {
            let current = state.identity()?;
            if ticket.is_some_and(|ticket| ticket.identity() != current.as_ref()) {
                return Err(StoreError::superseded());
            }
            if current != Some(auth.identity()) {
                state.buckets.clear();
                state.urls.clear();
            }
            for bucket in auth.allowed.buckets.iter().flatten() {
                if let Some(name) = &bucket.name {
                    state.name_bucket(name, &bucket.id);
                }
            }
            state.lease = None;
            state.logged_out = false;
            let snapshot = AuthSnapshot::new(auth);
            state.auth = Some(snapshot.expose_json()?);
            Ok(Arc::new(snapshot))
        })
    }

    fn renew_lease(&self, ticket: &RefreshTicket, lease: Duration) -> Result<()> {
        self.write(|state, now| {
            let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
            let ends = now.as_millis().saturating_add(lease);
            if let Some(held) = &mut state.lease
                && held.0 == ticket.number()
            {
                held.1 = ends;
            }
            Ok(())
        })
    }

    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<()> {
        self.write(|state, _| {
            state
                .lease
                .take_if(|(number, _)| *number == ticket.number());
            Ok(())
        })
    }

    fn clear(&self) -> Result<()> {
        self.write(|state, _| {
            let tickets = state.tickets;
            *state = State {
                tickets,
                logged_out: true,
                ..State::default()
            };
            Ok(())
        })
    }

    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>> {
        Ok(self.known(owner)?.remove(name))
    }

    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>> {
        let known = self.known(owner)?;
        let found = known.into_iter().find(|(_, known)| known == id);
        Ok(found.map(|(name, _)| name))
    }

    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>> {
        Ok(self.known(owner)?.into_iter().collect())
    }

    fn save_bucket(&self, owner: &Identity, name: &str, id: &BucketId) -> Result<()> {
        self.write_of(owner, |state, _| state.name_bucket(name, id))
    }

    fn remove_bucket(&self, owner: &Identity, id: &BucketId) -> Result<()> {
        self.write_of(owner, |state, _| {
            state.buckets.retain(|_, known| known != id);
            state.urls.remove(&key(&UploadTarget::Bucket(id.clone())));
        })
    }

    fn replace_buckets(&self, owner: &Identity, buckets: &[(String, BucketId)]) -> Result<()> {
        self.write_of(owner, |state, _| {
            state.buckets.clear();
            for (name, id) in buckets {
                state.name_bucket(name, id);
            }
        })
    }

    fn take_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>> {
        self.write_of(owner, |state, now| {
            let pool = state.urls.get_mut(&key(target))?;
            let fresh = std::iter::from_fn(|| pool.pop())
                .map(|(url, token, received)| UploadUrl::new(url, token.into(), received));
            fresh.into_iter().find(|url| url.is_fresh(now))
        })
    }

    fn put_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: UploadUrl,
    ) -> Result<()> {
        self.write_of(owner, |state, _| {
            let pool = state.urls.entry(key(target)).or_default();
            pool.retain(|(known, _, _)| *known != url.url);
            if pool.len() >= UploadUrl::POOL_SIZE {
                pool.remove(0);
            }
            pool.push((url.url, url.token.expose().to_owned(), url.received));
        })
    }

    fn drop_upload_urls(&self, owner: &Identity, target: &UploadTarget) -> Result<()> {
        self.write_of(owner, |state, _| {
            state.urls.remove(&key(target));
        })
    }
}

/// What belongs to an identity.
impl<C: Fn() -> SystemTime> JsonAccountInfo<C> {
    fn known(&self, owner: &Identity) -> Result<BTreeMap<String, BucketId>> {
        self.read(|state| state.check(owner).map(|()| state.buckets.clone()))
    }

    fn write_of<T>(
        &self,
        owner: &Identity,
        work: impl FnOnce(&mut State, Timestamp) -> T,
    ) -> Result<T> {
        self.write(|state, now| state.check(owner).map(|()| work(state, now)))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the system's clock is the one that a program of its own goes by"
)]
fn main() -> anyhow::Result<()> {
    let account_info = JsonAccountInfo::new("account_info.json", SystemTime::now);
    let b2_api = B2Api::new(account_info);
    b2_api.authorize_with(EnvironmentCredentials::new())?;
    for bucket in b2_api.list_buckets()? {
        println!("{} {}", bucket.id(), bucket.name());
    }
    Ok(())
}
