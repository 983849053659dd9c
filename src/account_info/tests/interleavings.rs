//! The store in memory, compiled against the locks of a checker: see `control::interleavings`.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::duplicate_mod,
    reason = "the module is a copy of the one that the crate uses"
)]

#[path = "../memory.rs"]
mod memory;
use crate::control::interleavings::sync;

use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

use self::memory::InMemoryAccountInfo;
use crate::account_info::conformance::fixture::{auth, bucket, url};
use crate::account_info::{AccountInfo as _, Refresh};
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
