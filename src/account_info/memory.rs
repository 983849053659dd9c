//! The store that ends with the process and writes nothing to disk.
//!
//! One lock protects everything, so each method is atomic. The lock is held for the length of one
//! method, and nothing in it waits or does input and output.
//!
//! | data | how it is kept | what removes it |
//! | --- | --- | --- |
//! | authorization | one shared value that is replaced as a whole | `clear`, another login |
//! | lease | the ticket's number and its end by the monotonic clock, so that setting the machine's time does not extend it | saving, abandoning, `clear`, its end |
//! | buckets | a sorted map by name; a lookup by id goes through all of them | another identity, `clear` |
//! | upload URLs | a list for each target, the newest last | being taken, age, the pool's size, another identity |
//!
//! No call fails but for one reason: data of an identity that the store does not hold is refused
//! with `superseded`. Nothing here can be away, full or damaged.
//!
//! | call | what happens under the lock |
//! | --- | --- |
//! | `begin_refresh` | a newer authorization is returned; otherwise a lease that still runs is `Busy`; otherwise a new lease replaces what is left of the last |
//! | `save_auth` | with a ticket, the identity must still be the one that the ticket was drawn for; another identity empties buckets and pools; the lease ends |
//! | `clear` | everything but the count of tickets goes, and the store counts as logged out |
//! | `save_bucket` | older entries of the name and of the id go |
//! | `take_upload_url` | URLs of the target that are too old go, and the newest of the rest is returned |
//! | `put_upload_url` | an older entry of the URL goes; a full pool loses its oldest URL |
//!
//! What a thread sees is always the state between two calls. A snapshot that was handed out stays
//! valid after it was replaced, because it is shared and never changed.
//!
//! The pools have one list for each target for as long as nobody drops it, so a program that
//! finishes a large file drops the target's URLs as well.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::sync::{Mutex, MutexGuard};
use crate::account_info::bucket_list::last_of_each;
use crate::account_info::{
    AccountInfo, AuthSnapshot, Generation, Refresh, RefreshTicket, UploadTarget, UploadUrl,
};
use crate::control::clock::Clock;
use crate::error::StoreError;
use crate::model::auth::{AccountAuth, Identity};
use crate::model::id::BucketId;
use crate::model::time::Timestamp;

/// An account-info store in memory.
///
/// It suits programs that run for a long time, scripts that authorize once, tests, and places where
/// no key may be written to disk. Everything in it is lost when it is dropped, so each new process
/// costs one authorization (class C), one `b2_list_buckets` (class C) for each bucket that it
/// names, and new upload URLs.
///
/// A store belongs to one account and key at a time. Use one store for each; a shared one ([`Arc`])
/// shares its login among several `B2Api`s of a process. The application key stays in memory as
/// long as the store exists, and is wiped when it is dropped.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start().unwrap();
/// use std::sync::Arc;
/// use b2sdk::{B2Api, InMemoryAccountInfo};
///
/// let store = Arc::new(InMemoryAccountInfo::new());
/// let first = B2Api::new(Arc::clone(&store));
/// first.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// // Another `B2Api` with settings of its own uses the login; it sends no `b2_authorize_account`.
/// let second = B2Api::builder(store).user_agent("another-part/1.0").build()?;
/// assert!(second.list_buckets()?.is_empty());
/// assert_eq!(second.request_counts().total(), 1);
/// # }
/// # Ok::<_, b2sdk::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct InMemoryAccountInfo {
    /// Everything, under the one lock.
    contents: Mutex<Contents>,
    /// By which leases end and upload URLs age.
    clock: Clock,
}

/// Everything that the store holds.
#[derive(Debug, Default)]
struct Contents {
    /// The authorization, shared with all who have read it.
    auth: Option<Arc<AuthSnapshot>>,
    /// Whether the authorization is missing because of a logout.
    ///
    /// It is false in a new store, and after contents were lost.
    is_logged_out: bool,
    /// The lease of the caller that replaces the authorization.
    lease: Option<Lease>,
    /// The number of leases that were given out. It survives a logout, so that an old ticket never
    /// fits a new lease.
    tickets: u64,
    /// Bucket ids by name.
    buckets: BTreeMap<String, BucketId>,
    /// The pool of each target; the URL that was put last comes last.
    urls: HashMap<UploadTarget, Vec<UploadUrl>>,
}

/// A lease, and when it ends by the clock's `elapsed`.
#[derive(Debug)]
struct Lease {
    /// The number of the ticket that holds the lease.
    ticket: u64,
    /// The clock's `elapsed` at the end. A renewal moves it.
    ends: Duration,
}

/// All of these methods are called under the lock.
impl Contents {
    /// Stores a bucket, in place of an older name of it and of an older bucket of this name.
    ///
    /// Both kinds of older entries are removed because a bucket has one name, and a name leads to
    /// one bucket.
    fn name_bucket(&mut self, name: &str, id: &BucketId) {
        self.buckets.retain(|_, known| known != id);
        self.buckets.insert(name.to_owned(), id.clone());
    }
}

/// The store is ready at once: nothing is read and nothing can fail.
impl InMemoryAccountInfo {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty store that reads the time from this clock. Needs the feature `test-util`.
    #[cfg(any(test, feature = "test-util"))]
    #[must_use]
    pub fn with_clock(clock: Clock) -> Self {
        Self::reading(clock)
    }

    /// Creates an empty store that reads the time from this clock.
    ///
    /// Two stores may share a clock, such as one that tests move.
    #[cfg(any(test, feature = "test-util", feature = "sqlite"))]
    pub(crate) fn reading(clock: Clock) -> Self {
        Self {
            clock,
            ..Self::default()
        }
    }

    /// Empties the store as if its contents were lost, which is not a logout: a program with
    /// credentials then logs in again. The number of tickets stays, so that no old ticket fits a
    /// new lease.
    ///
    /// A running lease is lost as well, and its ticket fits no later one. Upload URLs and buckets
    /// have to be learned again.
    #[cfg(feature = "sqlite")]
    pub(crate) fn lose_contents(&self) {
        let mut contents = self.lock();
        let tickets = contents.tickets;
        *contents = Contents {
            tickets,
            ..Contents::default()
        };
    }

    /// Nothing but the clock is called under the lock, so it cannot be part of a deadlock.
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock()
    }

    /// Locks the contents if they belong to `owner`. Fails with `superseded` otherwise. The check
    /// and what follows happen under one lock, so nobody logs in between them.
    ///
    /// An owner that is nobody's, because nobody is logged in, is refused as well.
    fn owned_by(&self, owner: &Identity) -> Result<MutexGuard<'_, Contents>, StoreError> {
        let contents = self.lock();
        match &contents.auth {
            Some(snapshot) if snapshot.identity() == owner => Ok(contents),
            _ => Err(StoreError::superseded()),
        }
    }
}

/// Each method is one locked section, so a caller never sees half of another's change. The trait
/// says what each promises.
impl AccountInfo for InMemoryAccountInfo {
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError> {
        Ok(self.lock().auth.clone())
    }

    fn is_logged_out(&self) -> Result<bool, StoreError> {
        Ok(self.lock().is_logged_out)
    }

    fn begin_refresh(
        &self,
        stale: Option<Generation>,
        lease: Duration,
    ) -> Result<Refresh, StoreError> {
        let mut contents = self.lock();
        match &contents.auth {
            Some(snapshot) if Some(snapshot.generation()) != stale => {
                return Ok(Refresh::Newer(Arc::clone(snapshot)));
            }
            _ => {}
        }
        let now = self.clock.elapsed();
        if contents.lease.as_ref().is_some_and(|held| held.ends > now) {
            return Ok(Refresh::Busy);
        }
        contents.tickets += 1;
        let ticket = contents.tickets;
        contents.lease = Some(Lease {
            ticket,
            ends: now + lease,
        });
        let identity = contents
            .auth
            .as_ref()
            .map(|snapshot| snapshot.identity().clone());
        Ok(Refresh::Lease(RefreshTicket::new(ticket, identity)))
    }

    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError> {
        let snapshot = Arc::new(AuthSnapshot::new(auth));
        let mut contents = self.lock();
        let current = contents.auth.as_ref().map(|held| held.identity());
        if ticket
            .as_ref()
            .is_some_and(|ticket| ticket.identity() != current)
        {
            return Err(StoreError::superseded());
        }
        if current != Some(snapshot.identity()) {
            contents.buckets.clear();
            contents.urls.clear();
        }
        for bucket in snapshot.auth().allowed.buckets.iter().flatten() {
            if let Some(name) = &bucket.name {
                contents.name_bucket(name, &bucket.id);
            }
        }
        contents.lease = None;
        contents.is_logged_out = false;
        contents.auth = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    fn renew_lease(&self, ticket: &RefreshTicket, lease: Duration) -> Result<(), StoreError> {
        let ends = self.clock.elapsed() + lease;
        if let Some(held) = &mut self.lock().lease
            && held.ticket == ticket.number()
        {
            held.ends = ends;
        }
        Ok(())
    }

    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<(), StoreError> {
        let mut contents = self.lock();
        if contents
            .lease
            .as_ref()
            .is_some_and(|held| held.ticket == ticket.number())
        {
            contents.lease = None;
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), StoreError> {
        let mut contents = self.lock();
        let tickets = contents.tickets;
        *contents = Contents {
            tickets,
            is_logged_out: true,
            ..Contents::default()
        };
        Ok(())
    }

    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>, StoreError> {
        Ok(self.owned_by(owner)?.buckets.get(name).cloned())
    }

    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>, StoreError> {
        let contents = self.owned_by(owner)?;
        Ok(contents
            .buckets
            .iter()
            .find(|(_, known)| *known == id)
            .map(|(name, _)| name.clone()))
    }

    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>, StoreError> {
        let contents = self.owned_by(owner)?;
        Ok(contents
            .buckets
            .iter()
            .map(|(name, id)| (name.clone(), id.clone()))
            .collect())
    }

    fn save_bucket(&self, owner: &Identity, name: &str, id: &BucketId) -> Result<(), StoreError> {
        self.owned_by(owner)?.name_bucket(name, id);
        Ok(())
    }

    fn remove_bucket(&self, owner: &Identity, id: &BucketId) -> Result<(), StoreError> {
        let mut contents = self.owned_by(owner)?;
        contents.buckets.retain(|_, known| known != id);
        contents.urls.remove(&UploadTarget::Bucket(id.clone()));
        Ok(())
    }

    fn replace_buckets(
        &self,
        owner: &Identity,
        buckets: &[(String, BucketId)],
    ) -> Result<(), StoreError> {
        let kept = last_of_each(buckets).into_iter();
        self.owned_by(owner)?.buckets = kept
            .map(|(name, id)| (name.to_owned(), id.clone()))
            .collect();
        Ok(())
    }

    fn take_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError> {
        let mut contents = self.owned_by(owner)?;
        // Read after locking, or a URL that another thread has just put would seem to be from the
        // future.
        let now = Timestamp::from(self.clock.now());
        let Some(pool) = contents.urls.get_mut(target) else {
            return Ok(None);
        };
        pool.retain(|url| url.is_fresh(now));
        Ok(pool.pop())
    }

    fn put_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: UploadUrl,
    ) -> Result<(), StoreError> {
        let mut contents = self.owned_by(owner)?;
        let pool = contents.urls.entry(target.clone()).or_default();
        pool.retain(|known| known.url != url.url);
        if pool.len() >= UploadUrl::POOL_SIZE {
            pool.remove(0);
        }
        pool.push(url);
        Ok(())
    }

    fn drop_upload_urls(&self, owner: &Identity, target: &UploadTarget) -> Result<(), StoreError> {
        self.owned_by(owner)?.urls.remove(target);
        Ok(())
    }
}
