//! Keeps the upload URLs that this process uses again and again in memory, in front of a store.
//!
//! Taking a URL out of a store and returning it are two transactions or two round trips, which with
//! small files take several times as long as the files themselves. So a bucket's URL that is
//! returned while many others are, in quick succession, stays here. It is stored when the next URL
//! is returned after a pause, or when the store is dropped. So does a URL that is returned while
//! other threads wait for the store to hand one out: they look here before they request a new one
//! from the service. A process that is killed loses what is
//! here; the next one requests other URLs from the service.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | a URL is returned, fewer than 16 were within a second each | it goes to the store |
//! | the 17th and later ones of a quick succession | they stay here |
//! | a thread waits for the store while a URL is returned | the URL stays here, and that thread finds it |
//! | a pause of more than a second, then a URL is returned | all URLs of its target go to the store |
//! | the pool is full | the oldest URL is dropped |
//! | somebody else logs in, or out | the URLs of the others are dropped |
//! | the process forks | the child leaves them alone and asks the store |

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::account_info::{UploadTarget, UploadUrl};
use crate::control::clock::Clock;
use crate::model::auth::Identity;
use crate::model::time::Timestamp;

/// The number of URLs that have to be returned in quick succession before one stays in memory. A
/// program that uploads only a few files leaves them in the store even if it is killed.
const FEW: u32 = 16;
/// The longest time between two returned URLs that still counts as quick succession.
const PAUSE: Duration = Duration::from_secs(1);

/// The pools in memory, one for each identity and target.
///
/// Only buckets have pools here. URLs for the parts of a large file serve that file alone, and go
/// to the store.
#[derive(Debug)]
pub(super) struct UrlPools {
    clock: Clock,
    /// The largest number of URLs in one pool.
    size: usize,
    pools: Mutex<HashMap<(Identity, UploadTarget), Pool>>,
}

/// The URLs of one target, and how they are used.
///
/// `handed_out` and `came_back` tell a program that uploads many files, whose URLs come back again
/// and again, from one that puts URLs for others: only what was taken here before counts as coming
/// back.
#[derive(Debug, Default)]
struct Pool {
    /// The URLs in memory; the one that was returned last comes last.
    urls: Vec<UploadUrl>,
    /// The number of URLs from the store that are in use.
    handed_out: u32,
    /// The number of URLs that were returned in quick succession.
    came_back: u32,
    /// When the last URL was returned, by the clock's `elapsed`.
    last: Duration,
    /// The number of threads that wait for the store to hand out a URL.
    waiting: u32,
}

/// A thread that waits for the store to hand out a URL of a bucket. As long as there is one, a URL
/// that is returned stays here instead of going through the store, and the waiting thread looks
/// here before it requests a new one.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    pools: &'a UrlPools,
    key: (Identity, UploadTarget),
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(pool) = self.pools.lock().get_mut(&self.key) {
            pool.waiting = pool.waiting.saturating_sub(1);
        }
    }
}

impl UrlPools {
    /// Creates empty pools of at most `size` URLs each.
    pub(super) fn new(clock: &Clock, size: usize) -> Self {
        Self {
            clock: clock.clone(),
            size,
            pools: Mutex::default(),
        }
    }

    /// Takes the URL that was returned last, if one stayed here. URLs that have become too old are
    /// dropped on the way.
    pub(super) fn take(&self, owner: &Identity, target: &UploadTarget) -> Option<UploadUrl> {
        let mut pools = self.lock();
        let pool = pools.get_mut(&(owner.clone(), target.clone()))?;
        let oldest = Timestamp::from(self.clock.now()).earlier(UploadUrl::LIFETIME);
        pool.urls.retain(|url| url.received > oldest);
        let url = pool.urls.pop()?;
        pool.handed_out += 1;
        Some(url)
    }

    /// Notes that a thread waits for the store, until the result is dropped. The URLs of large files
    /// live too short for that.
    pub(super) fn wait(&self, owner: &Identity, target: &UploadTarget) -> Option<Waiting<'_>> {
        if !matches!(target, UploadTarget::Bucket(_)) {
            return None;
        }
        let key = (owner.clone(), target.clone());
        self.lock().entry(key.clone()).or_default().waiting += 1;
        Some(Waiting { pools: self, key })
    }

    /// Notes that the store has handed out a URL.
    pub(super) fn note_taken(&self, owner: &Identity, target: &UploadTarget) {
        if matches!(target, UploadTarget::Bucket(_)) {
            let mut pools = self.lock();
            let pool = pools.entry((owner.clone(), target.clone())).or_default();
            pool.handed_out += 1;
        }
    }

    /// Keeps a returned URL, or returns the URLs to put into the store.
    ///
    /// The caller puts what is returned into the store after this lock is released, one by one. If
    /// the store refuses one, the others are lost with it, which costs a request each.
    pub(super) fn put(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: UploadUrl,
    ) -> Vec<UploadUrl> {
        let mut pools = self.lock();
        let Some(pool) = pools.get_mut(&(owner.clone(), target.clone())) else {
            return vec![url];
        };
        let now = self.clock.elapsed();
        if now.saturating_sub(pool.last) > PAUSE {
            pool.came_back = 0;
        }
        pool.last = now;
        // A URL that is new to this process may be meant for another one, and does not count.
        if pool.handed_out > 0 {
            pool.handed_out -= 1;
            pool.came_back = pool.came_back.saturating_add(1);
        }
        pool.urls.push(url);
        if pool.came_back <= FEW && pool.waiting == 0 {
            return std::mem::take(&mut pool.urls);
        }
        let excess = pool.urls.len().saturating_sub(self.size);
        pool.urls.drain(..excess);
        Vec::new()
    }

    /// Drops the URLs of one target.
    pub(super) fn drop_target(&self, owner: &Identity, target: &UploadTarget) {
        self.lock().remove(&(owner.clone(), target.clone()));
    }

    /// Drops all URLs of one identity, which the store turned out not to hold any more.
    pub(super) fn drop_owner(&self, owner: &Identity) {
        self.lock().retain(|(theirs, _), _| theirs != owner);
    }

    /// Drops the URLs of everybody but `owner`, or of everybody. Called when somebody logs in or
    /// out: the URLs of the others must not be used again, not even by them.
    pub(super) fn keep_only(&self, owner: Option<&Identity>) {
        self.lock().retain(|(theirs, _), _| Some(theirs) == owner);
    }

    /// Removes and returns all URLs, for the store, when the program ends or the store is dropped.
    pub(super) fn drain(&self) -> Vec<(Identity, UploadTarget, UploadUrl)> {
        let pools = std::mem::take(&mut *self.lock());
        pools
            .into_iter()
            .flat_map(|((owner, target), pool)| {
                let urls = pool.urls.into_iter();
                urls.map(move |url| (owner.clone(), target.clone(), url))
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Identity, UploadTarget), Pool>> {
        self.pools.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::UrlPools;
    use crate::account_info::{UploadTarget, UploadUrl};
    use crate::control::clock::Clock;
    use crate::model::auth::Identity;
    use crate::model::secret::UploadToken;
    use crate::model::time::Timestamp;

    #[test]
    fn a_url_that_is_returned_while_somebody_waits_stays_for_them() {
        let clock = Clock::manual();
        let pools = UrlPools::new(&clock, 10);
        let owner = Identity::new("account", "key", "production");
        let target = UploadTarget::Bucket("bucket".into());
        let url = || UploadUrl {
            url: "https://example.org/u".to_owned(),
            token: UploadToken::from("token"),
            received: Timestamp::from(clock.now()),
        };
        let waiting = pools.wait(&owner, &target);
        let other = pools.wait(&owner, &target);
        assert_eq!(pools.put(&owner, &target, url()).len(), 0);
        drop(other);
        assert_eq!(pools.put(&owner, &target, url()).len(), 0);
        assert!(pools.take(&owner, &target).is_some());
        drop(waiting);
        // Nobody waits: the store gets them, for other processes.
        assert_eq!(pools.put(&owner, &target, url()).len(), 2);
        assert!(pools.take(&owner, &target).is_none());
    }
}
