//! The store in memory and the URLs in memory in front of a store, compiled against the locks of a checker: see `control::interleavings`.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::duplicate_mod,
    reason = "the module is a copy of the one that the crate uses"
)]

#[path = "../memory.rs"]
mod memory;
#[path = "../url_pools.rs"]
mod url_pools;
use crate::control::interleavings::sync;

use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

use self::memory::InMemoryAccountInfo;
use self::url_pools::{Found, UrlPools};
use crate::account_info::conformance::fixture::{auth, bucket, url};
use crate::account_info::{AccountInfo as _, Refresh, UploadUrl};
use crate::control::clock::Clock;
use crate::control::interleavings::in_every_order;

#[test]
fn an_upload_url_is_never_in_two_hands() {
    in_every_order(|| {
        let store = Arc::new(InMemoryAccountInfo::new());
        let owner = auth("ada", "1").identity();
        store.save_auth(auth("ada", "1"), None).unwrap();
        let (target, taken) = (bucket("b"), Arc::new(AtomicU64::new(0)));

        let fresh = url("1", &Clock::default(), std::time::Duration::ZERO);
        store.put_upload_url(&owner, &target, fresh).unwrap();
        let takers = [(); 3].map(|()| {
            let (store, taken) = (Arc::clone(&store), Arc::clone(&taken));
            let (owner, target) = (owner.clone(), target.clone());
            thread::spawn(move || {
                if let Some(url) = store.take_upload_url(&owner, &target).unwrap() {
                    assert_eq!(taken.fetch_add(1, Ordering::SeqCst), 0);
                    thread::yield_now();
                    taken.fetch_sub(1, Ordering::SeqCst);
                    store.put_upload_url(&owner, &target, url).unwrap();
                }
            })
        });
        for taker in takers {
            taker.join().unwrap();
        }
        assert!(store.take_upload_url(&owner, &target).unwrap().is_some());
        assert!(store.take_upload_url(&owner, &target).unwrap().is_none());
    });
}

#[test]
fn one_lease_is_given_for_each_generation() {
    in_every_order(|| {
        let store = Arc::new(InMemoryAccountInfo::new());
        let stale = store
            .save_auth(auth("ada", "1"), None)
            .unwrap()
            .generation();
        let leases = Arc::new(AtomicU64::new(0));
        let refreshing = [(); 3].map(|()| {
            let (store, leases) = (Arc::clone(&store), Arc::clone(&leases));
            thread::spawn(move || {
                let lease = std::time::Duration::from_secs(30);
                if let Refresh::Lease(ticket) = store.begin_refresh(Some(stale), lease).unwrap() {
                    leases.fetch_add(1, Ordering::SeqCst);
                    thread::yield_now();
                    store.save_auth(auth("ada", "2"), Some(ticket)).unwrap();
                }
            })
        });
        for thread in refreshing {
            thread.join().unwrap();
        }
        assert_eq!(leases.load(Ordering::SeqCst), 1);
    });
}

/// Takes a URL as a store with a memory in front of it does.
fn take(pools: &UrlPools, store: &InMemoryAccountInfo) -> Option<UploadUrl> {
    let (owner, target) = (auth("ada", "1").identity(), bucket("b"));
    match pools.find(&owner, &target) {
        Found::Url(url) => Some(url),
        Found::Nothing => None,
        Found::Unknown(look) => {
            let answer = store.take_upload_url(&owner, &target);
            let returned = look.end(&answer);
            answer.unwrap().or(returned)
        }
    }
}

/// Returns a URL as a store with a memory in front of it does.
fn put(pools: &UrlPools, store: &InMemoryAccountInfo, url: UploadUrl) {
    let (owner, target) = (auth("ada", "1").identity(), bucket("b"));
    if let Some(mut returned) = pools.put(&owner, &target, url) {
        for url in returned.urls() {
            thread::yield_now();
            store.put_upload_url(&owner, &target, url).unwrap();
        }
    }
}

#[test]
fn threads_share_the_urls_that_there_are_and_none_waits_in_vain() {
    in_every_order(|| {
        let store = Arc::new(InMemoryAccountInfo::new());
        store.save_auth(auth("ada", "1"), None).unwrap();
        let pools = Arc::new(UrlPools::new(&Clock::default(), 10));
        let made = Arc::new(AtomicU64::new(0));
        let uploading = [(); 3].map(|()| {
            let (store, pools) = (Arc::clone(&store), Arc::clone(&pools));
            let made = Arc::clone(&made);
            thread::spawn(move || {
                for _ in 0..2 {
                    let url = take(&pools, &store).unwrap_or_else(|| {
                        let number = made.fetch_add(1, Ordering::SeqCst) + 1;
                        assert!(number <= 3, "one for each thread is enough");
                        url(
                            &number.to_string(),
                            &Clock::default(),
                            std::time::Duration::ZERO,
                        )
                    });
                    thread::yield_now();
                    put(&pools, &store, url);
                }
            })
        });
        for thread in uploading {
            thread.join().unwrap();
        }
        // Each of them is found again, and none twice.
        let found = std::iter::from_fn(|| take(&pools, &store)).map(|url| url.url);
        let found: std::collections::BTreeSet<_> = found.collect();
        assert_eq!(found.len() as u64, made.load(Ordering::SeqCst));
    });
}
