//! A store with a memory in front of it. The memory answers for the authorization for a moment and
//! for bucket names for a minute, and keeps the upload URLs that are in constant use.
//!
//! Three rules keep it harmless. What this process writes goes to the store first and then to the
//! memory. A refusal by the store empties the memory. An answer that is too old is corrected by the
//! service, which refuses an old token and an unknown bucket.
//!
//! | call | what the memory does |
//! | --- | --- |
//! | `auth` | answers for as long as the staleness allows; what was read drops URLs of other identities |
//! | `begin_refresh` | is asked of the store; the remembered authorization is dropped, because a newer one is about to come |
//! | `save_auth` | goes to the store first; URLs of other identities are dropped |
//! | `clear` | empties the memory first, so that nothing of it is used even if the store fails |
//! | `bucket_id`, `bucket_name` | answer for a minute |
//! | `remove_bucket` | forgets the bucket and its URLs, then asks the store |
//! | `take_upload_url`, `put_upload_url` | use the memory for URLs in constant use |
//!
//! What the memory may get wrong, and who corrects it:
//!
//! | the memory says | the truth is | what follows |
//! | --- | --- | --- |
//! | an authorization | another process has replaced the token | the service refuses the old one; the store is asked, which holds the new one |
//! | an authorization | somebody has logged out, or in to another account | requests run under the old login until the staleness is over |
//! | a bucket's id | the bucket was deleted | the service refuses the id |
//! | a bucket's name | the id belongs to another name by now | the name of up to a minute ago is used |
//! | no answer | | the store is asked; a bucket that was not found is never remembered |
//!
//! The store behind the memory decides everything that must be decided once: leases, logins, and
//! the upload URLs that are not in constant use. With a staleness of zero only the upload URLs are
//! in memory.
//!
//! After a fork the child asks the store for the authorization and for upload URLs at every call;
//! it neither uses nor returns the URLs that its parent has in memory. Names of buckets are
//! answered as before.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use super::url_pools::{Found, UrlPools};
use crate::account_info::{
    AccountInfo, AuthSnapshot, Generation, Refresh, RefreshTicket, UploadTarget, UploadUrl,
};
use crate::control::clock::Clock;
use crate::error::StoreError;
use crate::model::auth::{AccountAuth, Identity};
use crate::model::id::BucketId;

/// How long the name and the id of a bucket are answered from memory.
const NAMES_LIFETIME: Duration = Duration::from_secs(60);

/// A store that answers from memory what it has just read or written.
///
/// It is meant for a store on a server. An upload of a small file, through an upload URL that is in
/// constant use, then costs no round trip to the store. Upload URLs that were kept in memory return
/// to the store when this is dropped, and one by one when the program pauses. A process that is
/// killed loses them, and the next one requests others.
///
/// Any number of threads may use it. No lock is held while the store behind it is called.
///
/// # Consequences
/// A change by another process is seen after the staleness given to [`new`](Self::new) at the
/// latest. An old token does no harm, because the service refuses it and the store is asked again.
/// A logout, or a login to another account, takes effect with that delay.
///
/// ```
/// use std::time::Duration;
/// use b2sdk::InMemoryAccountInfo;
/// use b2sdk::account_info::{AccountInfo, Cached};
///
/// let store = Cached::new(InMemoryAccountInfo::new(), Duration::from_secs(1));
/// assert_eq!(store.max_staleness(), Duration::from_secs(1));
/// ```
#[derive(Debug)]
pub struct Cached<S: AccountInfo> {
    /// The store that decides.
    store: S,
    /// By which the memory ages.
    clock: Clock,
    /// How old a remembered authorization may be.
    staleness: Duration,
    /// The authorization that was read or saved last.
    read: RwLock<Option<Read>>,
    /// Buckets by name.
    names: Mutex<HashMap<String, NamedBucket>>,
    /// The upload URLs that are kept in memory.
    urls: UrlPools,
    /// The process that created this. A forked process must not use the URLs that its parent has in
    /// memory.
    process: u32,
    /// Whether the owner sees to it that no forked process calls this. Looking takes a system call.
    is_guarded: bool,
}

/// What the store held, and when it was read, by the clock's `elapsed`. That the store held nothing
/// is remembered as well.
#[derive(Debug)]
struct Read {
    auth: Option<Arc<AuthSnapshot>>,
    at: Duration,
}

/// A bucket that was looked up, whose it is, and when that was, by the clock's `elapsed`.
#[derive(Debug)]
struct NamedBucket {
    /// The identity that looked the bucket up. Another one does not get the answer.
    owner: Identity,
    id: BucketId,
    at: Duration,
}

/// The memory is empty at first: nothing is read before the first call.
impl<S: AccountInfo> Cached<S> {
    /// Puts a memory in front of a store. The authorization is read from the store again after
    /// `staleness`. If that is zero, only upload URLs are kept in memory.
    ///
    /// A second is a good value for a store on a server: an upload of small files then reads the
    /// store once a second instead of once a file. Names of buckets are remembered for a minute in
    /// any case, because the service refuses an id that is out of date.
    #[must_use]
    pub fn new(store: S, staleness: Duration) -> Self {
        Self::reading(store, staleness, Clock::default())
    }

    /// Puts a memory in front of a store, with a clock that tests can move. The authorization is read from
    /// the store again after `staleness`. Needs the feature `test-util`.
    #[cfg(any(test, feature = "test-util"))]
    #[must_use]
    pub fn with_clock(store: S, staleness: Duration, clock: Clock) -> Self {
        Self::reading(store, staleness, clock)
    }

    /// Puts a memory in front of a store, with this clock. The size of the pools in memory is that of the
    /// store, because they may hold all of its URLs.
    pub(crate) fn reading(store: S, staleness: Duration, clock: Clock) -> Self {
        Self {
            urls: UrlPools::new(&clock, store.pool_size()),
            staleness,
            clock,
            read: RwLock::default(),
            names: Mutex::default(),
            process: std::process::id(),
            is_guarded: false,
            store,
        }
    }

    /// Leaves it to the owner to notice a fork: it must not let a forked process call this.
    #[cfg(feature = "sqlite")]
    pub(crate) fn guarded_by_owner(mut self) -> Self {
        self.is_guarded = true;
        self
    }

    /// Returns the store behind the memory, such as to ask it for something that only this kind of
    /// store has. Calls that change it directly are not seen by the memory before the staleness is
    /// over.
    #[must_use]
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Whether this is another process than the one that created the memory.
    fn is_forked(&self) -> bool {
        self.process != std::process::id()
    }

    /// Whether a call comes from another process than the one that created the memory.
    fn is_called_forked(&self) -> bool {
        !self.is_guarded && self.is_forked()
    }

    /// Remembers an authorization that was read or saved, unless nothing is to be remembered.
    ///
    /// A later call replaces what is remembered, also by the fact that there is none. The upload
    /// URLs of other identities are dropped: the store has dropped its own, and they must not come
    /// back when their identity logs in again.
    fn note(&self, auth: Option<&Arc<AuthSnapshot>>) {
        self.urls.keep_only(auth.map(|auth| auth.identity()));
        if !self.staleness.is_zero() {
            *self.read.write() = Some(Read {
                auth: auth.cloned(),
                at: self.clock.elapsed(),
            });
        }
    }

    /// Empties the memory, except for upload URLs.
    ///
    /// The next call reads both from the store.
    fn forget(&self) {
        *self.read.write() = None;
        self.names.lock().clear();
    }

    /// Passes on the store's answer about the data of `owner`. If the store holds another identity
    /// by now, the memory is emptied, so that the next call reads whose account it is, and the
    /// owner's upload URLs are dropped.
    ///
    /// Any other failure leaves the memory as it is: a store that cannot be reached has not changed
    /// its mind.
    fn heed<T>(
        &self,
        owner: Option<&Identity>,
        outcome: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if outcome.as_ref().is_err_and(StoreError::is_superseded) {
            self.forget();
            if let Some(owner) = owner {
                self.urls.drop_owner(owner);
            }
        }
        outcome
    }

    /// Remembers a bucket, in place of an older name of it. Buckets that do not exist are not
    /// remembered, because the next call may be the one after they were created.
    fn note_bucket(&self, owner: &Identity, name: &str, id: &BucketId) {
        if !self.staleness.is_zero() {
            let mut names = self.names.lock();
            names.retain(|_, known| known.id != *id);
            let named = NamedBucket {
                owner: owner.clone(),
                id: id.clone(),
                at: self.clock.elapsed(),
            };
            names.insert(name.to_owned(), named);
        }
    }

    /// Whether a remembered bucket may still be used by this identity: it is this identity's, and
    /// was looked up less than a minute ago.
    fn is_recent(&self, owner: &Identity, known: &NamedBucket) -> bool {
        known.owner == *owner && self.clock.elapsed().saturating_sub(known.at) < NAMES_LIFETIME
    }
}

impl<S: AccountInfo> AccountInfo for Cached<S> {
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError> {
        if let Some(read) = &*self.read.read()
            && self.clock.elapsed().saturating_sub(read.at) < self.staleness
            && !self.is_called_forked()
        {
            return Ok(read.auth.clone());
        }
        let auth = self.store.auth()?;
        self.note(auth.as_ref());
        Ok(auth)
    }

    fn is_logged_out(&self) -> Result<bool, StoreError> {
        self.store.is_logged_out()
    }

    fn max_staleness(&self) -> Duration {
        self.staleness.saturating_add(self.store.max_staleness())
    }

    fn pool_size(&self) -> usize {
        self.store.pool_size()
    }

    fn begin_refresh(
        &self,
        stale: Option<Generation>,
        lease: Duration,
    ) -> Result<Refresh, StoreError> {
        let refresh = self.store.begin_refresh(stale, lease)?;
        match &refresh {
            Refresh::Newer(newer) => self.note(Some(newer)),
            // A newer authorization is about to be saved.
            Refresh::Busy | Refresh::Lease(_) => *self.read.write() = None,
        }
        Ok(refresh)
    }

    fn renew_lease(&self, ticket: &RefreshTicket, lease: Duration) -> Result<(), StoreError> {
        self.store.renew_lease(ticket, lease)
    }

    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError> {
        let drawn = ticket.as_ref().and_then(RefreshTicket::identity).cloned();
        let saved = self.heed(drawn.as_ref(), self.store.save_auth(auth, ticket))?;
        self.names.lock().clear();
        self.note(Some(&saved));
        Ok(saved)
    }

    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<(), StoreError> {
        self.store.abandon_refresh(ticket)
    }

    fn clear(&self) -> Result<(), StoreError> {
        self.urls.keep_only(None);
        self.forget();
        let cleared = self.store.clear();
        // What another thread has read in between is gone as well.
        self.urls.keep_only(None);
        self.forget();
        cleared
    }

    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>, StoreError> {
        if let Some(known) = self.names.lock().get(name)
            && self.is_recent(owner, known)
        {
            return Ok(Some(known.id.clone()));
        }
        let found = self.heed(Some(owner), self.store.bucket_id(owner, name))?;
        if let Some(id) = &found {
            self.note_bucket(owner, name, id);
        }
        Ok(found)
    }

    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>, StoreError> {
        let known = self.names.lock().iter().find_map(|(name, known)| {
            (known.id == *id && self.is_recent(owner, known)).then(|| name.clone())
        });
        if known.is_some() {
            return Ok(known);
        }
        let found = self.heed(Some(owner), self.store.bucket_name(owner, id))?;
        if let Some(name) = &found {
            self.note_bucket(owner, name, id);
        }
        Ok(found)
    }

    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>, StoreError> {
        self.heed(Some(owner), self.store.buckets(owner))
    }

    fn save_bucket(&self, owner: &Identity, name: &str, id: &BucketId) -> Result<(), StoreError> {
        self.heed(Some(owner), self.store.save_bucket(owner, name, id))?;
        self.note_bucket(owner, name, id);
        Ok(())
    }

    fn remove_bucket(&self, owner: &Identity, id: &BucketId) -> Result<(), StoreError> {
        self.names.lock().retain(|_, known| known.id != *id);
        self.urls
            .drop_target(owner, &UploadTarget::Bucket(id.clone()));
        self.heed(Some(owner), self.store.remove_bucket(owner, id))
    }

    fn replace_buckets(
        &self,
        owner: &Identity,
        buckets: &[(String, BucketId)],
    ) -> Result<(), StoreError> {
        self.names.lock().clear();
        self.heed(Some(owner), self.store.replace_buckets(owner, buckets))
    }

    fn take_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError> {
        if self.is_called_forked() {
            return self.store.take_upload_url(owner, target);
        }
        if !has_pool(target) {
            return self.heed(Some(owner), self.store.take_upload_url(owner, target));
        }
        // What is kept here is this owner's alone, and the caller has just read whose account it is.
        match self.urls.find(owner, target) {
            Found::Url(url) => Ok(Some(url)),
            Found::Nothing => Ok(None),
            Found::Unknown(look) => {
                let taken = self.heed(Some(owner), self.store.take_upload_url(owner, target));
                let returned = look.end(&taken);
                Ok(taken?.or(returned))
            }
        }
    }

    fn put_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: UploadUrl,
    ) -> Result<(), StoreError> {
        if self.is_called_forked() {
            return self.store.put_upload_url(owner, target, url);
        }
        if !has_pool(target) {
            return self.heed(Some(owner), self.store.put_upload_url(owner, target, url));
        }
        let Some(mut returned) = self.urls.put(owner, target, url) else {
            return Ok(());
        };
        returned.urls().try_for_each(|url| {
            self.heed(Some(owner), self.store.put_upload_url(owner, target, url))
        })
    }

    fn drop_upload_urls(&self, owner: &Identity, target: &UploadTarget) -> Result<(), StoreError> {
        self.urls.drop_target(owner, target);
        self.heed(Some(owner), self.store.drop_upload_urls(owner, target))
    }
}

/// Whether URLs of this target may stay in memory. Those for the parts of a large file live too short for that.
const fn has_pool(target: &UploadTarget) -> bool {
    matches!(target, UploadTarget::Bucket(_))
}

impl<S: AccountInfo> Drop for Cached<S> {
    /// Returns the upload URLs in memory to the store, for other processes. The store refuses them
    /// after a logout.
    fn drop(&mut self) {
        if self.is_forked() {
            return;
        }
        for (owner, target, url) in self.urls.drain() {
            if let Err(error) = self.store.put_upload_url(&owner, &target, url) {
                tracing::debug!(%error, "an upload URL is lost with the store that held it");
                if error.is_unavailable() {
                    break;
                }
            }
        }
    }
}
