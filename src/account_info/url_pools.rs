//! The upload URLs that this process uses again and again, in memory in front of a store.
//!
//! Taking a URL out of a store and putting it back are two transactions or two round trips, and with small
//! files these cost several times what the files do. So a bucket's URL that comes back while many do, one
//! soon after the other, stays here. It goes to the store with the first one that comes back after a
//! pause, or when the store is dropped. A process that is killed loses what is here, and the next one asks
//! the service for others.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::account_info::{UploadTarget, UploadUrl};
use crate::control::clock::Clock;
use crate::model::auth::Identity;
use crate::model::time::Timestamp;

/// How many URLs have to come back in a row before one stays: a program that uploads a few files
/// and is killed leaves them in the file.
const FEW: u32 = 16;
/// The longest time between two that come back in a row.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct UrlPools {
    clock: Clock,
    size: usize,
    pools: Mutex<HashMap<(Identity, UploadTarget), Pool>>,
}

#[derive(Debug, Default)]
struct Pool {
    urls: Vec<UploadUrl>,
    handed_out: u32,
    came_back: u32,
    last: Duration,
}

impl UrlPools {
    pub(super) fn new(clock: &Clock, size: usize) -> Self {
        Self {
            clock: clock.clone(),
            size,
            pools: Mutex::default(),
        }
    }

    /// The URL that came back last, if one stayed here.
    pub(super) fn take(&self, owner: &Identity, target: &UploadTarget) -> Option<UploadUrl> {
        let mut pools = self.lock();
        let pool = pools.get_mut(&(owner.clone(), target.clone()))?;
        let oldest = Timestamp::from(self.clock.now()).earlier(UploadUrl::LIFETIME);
        pool.urls.retain(|url| url.received > oldest);
        let url = pool.urls.pop()?;
        pool.handed_out += 1;
        Some(url)
    }

    /// Takes note of a URL that the file handed out.
    pub(super) fn note_taken(&self, owner: &Identity, target: &UploadTarget) {
        if matches!(target, UploadTarget::Bucket(_)) {
            let mut pools = self.lock();
            let pool = pools.entry((owner.clone(), target.clone())).or_default();
            pool.handed_out += 1;
        }
    }

    /// Keeps a URL that came back, or tells which ones to put into the file.
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
        // A new one may be for somebody else.
        if pool.handed_out > 0 {
            pool.handed_out -= 1;
            pool.came_back = pool.came_back.saturating_add(1);
        }
        pool.urls.push(url);
        if pool.came_back <= FEW {
            return std::mem::take(&mut pool.urls);
        }
        let excess = pool.urls.len().saturating_sub(self.size);
        pool.urls.drain(..excess);
        Vec::new()
    }

    /// Forgets the URLs of one target.
    pub(super) fn drop_target(&self, owner: &Identity, target: &UploadTarget) {
        self.lock().remove(&(owner.clone(), target.clone()));
    }

    /// Forgets the URLs of everybody but `owner`, or of everybody.
    pub(super) fn keep_only(&self, owner: Option<&Identity>) {
        self.lock().retain(|(theirs, _), _| Some(theirs) == owner);
    }

    /// What is here, for the file.
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
