//! Keeps the upload URLs that this process uses again and again in memory, in front of a store.
//!
//! Taking a URL out of a store and returning it are two transactions or two round trips, which with
//! small files take several times as long as the files themselves. So a bucket's URL that is
//! returned while many others are, in quick succession, stays here. It is stored when the next URLs
//! are returned after a pause, at most 16 with each, because other threads wait while URLs are being
//! stored; or when the store is dropped. So does a URL that is returned while
//! other threads look for one. A process that is killed loses what is here; the next one requests
//! other URLs from the service.
//!
//! A thread that needs a URL and finds none here looks into the store. The steps of [`UrlPools::find`]
//! make sure that it is told of none only if this process has none that is idle:
//!
//! 1. While URLs are on their way into the store, it waits: they could be found neither here nor there.
//! 2. At most 16 threads look into the store at a time. The others wait for a URL that is returned, or
//!    for what those find out.
//! 3. If the store is empty, that is the answer to all threads that came before that look began.
//!
//! Without the last two, a thousand threads would look into an empty store one after the other. Each
//! would be let go by itself, while the URLs of those before it are in use, and request another one.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | a URL is returned, fewer than 16 were within a second each | it goes to the store |
//! | the 17th and later ones of a quick succession | they stay here |
//! | a URL is returned while a thread looks for one | it stays here, and that thread or another one finds it |
//! | a pause of more than a second, then a URL is returned | the 16 oldest of its target go to the store, and as many with each that follows |
//! | the pool is full | the oldest URL is dropped |
//! | the store cannot be reached | for those who wait, that is as if it were empty |
//! | somebody else logs in, or out | the URLs of the others are dropped |
//! | the process forks | the child leaves them alone and asks the store |

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::sync::{Condvar, Mutex, MutexGuard};
use crate::account_info::{UploadTarget, UploadUrl};
use crate::control::clock::Clock;
use crate::error::StoreError;
use crate::model::auth::Identity;
use crate::model::time::Timestamp;

/// The number of URLs that have to be returned in quick succession before one stays in memory. A
/// program that uploads only a few files leaves them in the store even if it is killed.
const FEW: u32 = 16;
/// The longest time between two returned URLs that still counts as quick succession.
const PAUSE: Duration = Duration::from_secs(1);
/// The largest number of threads that look into the store for URLs of one bucket at a time: as many
/// as usual programs have, so that a store on a server is asked by all of them at once.
pub(super) const LOOKS: u32 = 16;

/// The pools in memory, one for each identity and target.
///
/// Only buckets have pools here. URLs for the parts of a large file serve that file alone, and go
/// to the store.
#[derive(Debug)]
pub(super) struct UrlPools {
    clock: Clock,
    /// The largest number of URLs in one pool.
    size: usize,
    pools: Mutex<Pools>,
}

pub(super) type Pools = HashMap<Identity, HashMap<UploadTarget, Pool>>;

/// The URLs of one target, and how they are used.
///
/// `handed_out` and `came_back` tell a program that uploads many files, whose URLs come back again
/// and again, from one that puts URLs for others: only what was taken here before counts as coming
/// back.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// The URLs in memory; the one that was returned last comes last.
    pub(super) urls: Vec<UploadUrl>,
    /// The number of URLs from the store that are in use.
    handed_out: u32,
    /// The number of URLs that were returned in quick succession.
    came_back: u32,
    /// When the last URL was returned, by the clock's `elapsed`.
    last: Duration,
    /// The number of threads that look for a URL, here or in the store.
    waiting: u32,
    /// The number of threads that are looking into the store.
    pub(super) looking: u32,
    /// The number of threads that are putting URLs into the store.
    storing: u32,
    /// The number of looks into the store that were begun.
    pub(super) looks: u64,
    /// The number of the last look that found the store empty.
    pub(super) empty: u64,
    /// Wakes the threads that wait.
    changed: Arc<Condvar>,
}

/// What a thread that looks for a URL does next.
pub(super) enum Step {
    Take(UploadUrl),
    /// Neither this process nor the store has one.
    GiveUp,
    /// Looks into the store; the look has this number.
    Look(u64),
    Wait,
}

impl Pool {
    /// The next step of a thread that came when `arrived` looks had been begun.
    pub(super) fn step(&mut self, arrived: u64, now: Timestamp) -> Step {
        if let Some(url) = self.take(now) {
            Step::Take(url)
        } else if self.empty > arrived {
            Step::GiveUp
        } else if self.storing > 0 || self.looking >= LOOKS {
            Step::Wait
        } else {
            self.looking += 1;
            self.looks += 1;
            Step::Look(self.looks)
        }
    }

    /// Takes the URL that was returned last. URLs that have become too old are dropped on the way.
    fn take(&mut self, now: Timestamp) -> Option<UploadUrl> {
        let oldest = now.earlier(UploadUrl::LIFETIME);
        self.urls.retain(|url| url.received > oldest);
        let url = self.urls.pop()?;
        self.handed_out += 1;
        Some(url)
    }

    /// Drops the URLs. Returns whether threads are in the middle of something here.
    fn forget(&mut self) -> bool {
        self.urls.clear();
        (self.handed_out, self.came_back) = (0, 0);
        self.waiting > 0 || self.storing > 0
    }
}

/// What [`UrlPools::find`] found.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A URL that nobody else uses.
    Url(UploadUrl),
    /// Neither this process nor the store has one.
    Nothing,
    /// The caller has to look into the store, and to tell what it found.
    Unknown(Look<'a>),
}

/// The look of a thread into the store, while it lasts.
#[derive(Debug)]
pub(super) struct Look<'a> {
    pools: &'a UrlPools,
    owner: &'a Identity,
    target: &'a UploadTarget,
    number: u64,
}

impl Look<'_> {
    /// Ends the look with the store's answer. Returns a URL that was returned while the store found
    /// none.
    pub(super) fn end(self, answer: &Result<Option<UploadUrl>, StoreError>) -> Option<UploadUrl> {
        let (number, now) = (self.number, self.pools.now());
        self.pools
            .with(self.owner, self.target, |pool| match answer {
                Ok(Some(_)) => {
                    pool.handed_out += 1;
                    None
                }
                Ok(None) => {
                    pool.empty = pool.empty.max(number);
                    pool.take(now)
                }
                Err(error) => {
                    if error.is_unavailable() {
                        pool.empty = pool.empty.max(number);
                    }
                    None
                }
            })
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.pools.with(self.owner, self.target, |pool| {
            pool.looking = pool.looking.saturating_sub(1);
            pool.waiting = pool.waiting.saturating_sub(1);
            pool.changed.notify_all();
        });
    }
}

/// URLs that the caller has to put into the store. Until this is dropped, threads that look for a
/// URL wait, because they could find these nowhere.
#[derive(Debug)]
pub(super) struct Returned<'a> {
    pools: &'a UrlPools,
    owner: &'a Identity,
    target: &'a UploadTarget,
    urls: Vec<UploadUrl>,
}

impl Returned<'_> {
    /// Takes the URLs out, one by one.
    pub(super) fn urls(&mut self) -> impl Iterator<Item = UploadUrl> + '_ {
        self.urls.drain(..)
    }
}

impl Drop for Returned<'_> {
    fn drop(&mut self) {
        self.pools.with(self.owner, self.target, |pool| {
            pool.storing = pool.storing.saturating_sub(1);
            pool.changed.notify_all();
        });
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

    /// Finds a URL of a bucket in this process, or tells the caller to look into the store. It may
    /// wait for threads that are using the store.
    pub(super) fn find<'a>(&'a self, owner: &'a Identity, target: &'a UploadTarget) -> Found<'a> {
        let now = self.now();
        let mut pools = self.pools.lock();
        let begun = with(&mut pools, owner, target, |pool| match pool.take(now) {
            Some(url) => Err(url),
            None => {
                pool.waiting += 1;
                Ok((pool.looks, Arc::clone(&pool.changed)))
            }
        });
        let (arrived, changed) = match begun {
            Ok(waiting) => waiting,
            // The usual case, which is one look into the pools.
            Err(url) => return Found::Url(url),
        };
        let step = loop {
            match with(&mut pools, owner, target, |pool| pool.step(arrived, now)) {
                Step::Wait => changed.wait(&mut pools),
                step => break step,
            }
        };
        if let Step::Look(number) = step {
            return Found::Unknown(Look {
                pools: self,
                owner,
                target,
                number,
            });
        }
        with(&mut pools, owner, target, |pool| {
            pool.waiting = pool.waiting.saturating_sub(1);
        });
        match step {
            Step::Take(url) => Found::Url(url),
            _ => Found::Nothing,
        }
    }

    /// Keeps a URL of a bucket that was returned, or gives the caller what is to be put into the
    /// store. If the store refuses one of them, the others are lost with it, which costs a request
    /// each.
    pub(super) fn put<'a>(
        &'a self,
        owner: &'a Identity,
        target: &'a UploadTarget,
        url: UploadUrl,
    ) -> Option<Returned<'a>> {
        let now = self.clock.elapsed();
        let urls = self.with(owner, target, |pool| {
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
                pool.storing += 1;
                let some = pool.urls.len().min(FEW as usize);
                return Some(pool.urls.drain(..some).collect());
            }
            let excess = pool.urls.len().saturating_sub(self.size);
            pool.urls.drain(..excess);
            pool.changed.notify_one();
            None
        })?;
        Some(Returned {
            pools: self,
            owner,
            target,
            urls,
        })
    }

    /// Drops the URLs of one target.
    pub(super) fn drop_target(&self, owner: &Identity, target: &UploadTarget) {
        if let Some(of_owner) = self.lock().get_mut(owner)
            && let Some(pool) = of_owner.get_mut(target)
            && !pool.forget()
        {
            of_owner.remove(target);
        }
    }

    /// Drops all URLs of one identity, which the store turned out not to hold any more.
    pub(super) fn drop_owner(&self, owner: &Identity) {
        self.drop_those(|theirs| theirs == owner);
    }

    /// Drops the URLs of everybody but `owner`, or of everybody. Called when somebody logs in or
    /// out: the URLs of the others must not be used again, not even by them.
    pub(super) fn keep_only(&self, owner: Option<&Identity>) {
        self.drop_those(|theirs| Some(theirs) != owner);
    }

    /// Drops all URLs of these identities. A pool in which threads are in the middle of something stays.
    fn drop_those(&self, is_dropped: impl Fn(&Identity) -> bool) {
        self.lock().retain(|owner, pools| {
            if is_dropped(owner) {
                pools.retain(|_, pool| pool.forget());
            }
            !pools.is_empty()
        });
    }

    /// Removes and returns all URLs, for the store, when the program ends or the store is dropped.
    pub(super) fn drain(&self) -> Vec<(Identity, UploadTarget, UploadUrl)> {
        let mut drained = Vec::new();
        for (owner, pools) in &mut *self.lock() {
            for (target, pool) in pools {
                let urls = pool.urls.drain(..);
                drained.extend(urls.map(|url| (owner.clone(), target.clone(), url)));
            }
        }
        drained
    }

    /// The present time, by which URLs age.
    fn now(&self) -> Timestamp {
        Timestamp::from(self.clock.now())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Pools> {
        self.pools.lock()
    }

    pub(super) fn with<T>(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        act: impl FnOnce(&mut Pool) -> T,
    ) -> T {
        with(&mut self.lock(), owner, target, act)
    }
}

/// Does something with a pool, and creates it if there is none.
fn with<T>(
    pools: &mut Pools,
    owner: &Identity,
    target: &UploadTarget,
    act: impl FnOnce(&mut Pool) -> T,
) -> T {
    let known = pools.get_mut(owner).and_then(|pools| pools.get_mut(target));
    if let Some(pool) = known {
        return act(pool);
    }
    let of_owner = pools.entry(owner.clone()).or_default();
    act(of_owner.entry(target.clone()).or_default())
}
