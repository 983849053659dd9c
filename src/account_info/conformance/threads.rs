//! Checks a store that many threads use at the same time.
//!
//! | check | what 32 threads do | a store that fails it |
//! | --- | --- | --- |
//! | `no_url_is_in_two_hands` | take and put 16 URLs, 20 times each | gives one upload URL to two uploads at once |
//! | `one_of_many_gets_the_lease` | ask for the lease at the same moment | authorizes many times |
//! | `the_last_save_is_seen_by_all` | read while every eighth of them saves | shows a moment without a login, or an old one after a newer |
//!
//! The threads start together behind a barrier. The outcome does not depend on which of them is
//! first, so a failure is always one of the store. A store that passes may still have a race that
//! did not show; the checks are repeated in each run of the tests.

use std::collections::HashSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::fixture::{auth, authorized, begin, bucket, current, put, save, take, url};
use crate::account_info::{AccountInfo, Refresh};
use crate::control::clock::Clock;

/// How many threads use one store.
///
/// Enough of them that several meet in every method of the store.
const THREADS: usize = 32;
/// How often each of them takes an upload URL.
///
/// Each round is one call to take and at most one to put.
const ROUNDS: usize = 20;

/// Checks with 32 threads that no upload URL is ever handed out to two of them, that one of many
/// gets the lease, and that all see an authorization that was saved.
///
/// # Panics
/// If the store breaks the contract.
///
/// Each check creates one store with `make`. They call it some thousand times, which takes a store
/// on a server longer than one in memory.
pub fn check_threads(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    no_url_is_in_two_hands(make);
    one_of_many_gets_the_lease(make);
    the_last_save_is_seen_by_all(make);
}

/// Sixteen URLs pass through 32 threads. None is held by two at once, and none is lost or doubled
/// in the end.
///
/// A thread that finds the pool empty goes on without one. In the end all sixteen have to be in the
/// pool.
fn no_url_is_in_two_hands(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, clock) = authorized(make);
    let target = bucket("b");
    for number in 0..THREADS / 2 {
        put(
            &*store,
            &owner,
            &target,
            url(&number.to_string(), &clock, Duration::ZERO),
        );
    }
    let in_hand = Mutex::new(HashSet::new());
    let hands = || in_hand.lock();
    at_once(|| {
        for _ in 0..ROUNDS {
            if let Some(url) = take(&*store, &owner, &target) {
                assert!(
                    hands().insert(url.url.clone()),
                    "{} is in two hands",
                    url.url
                );
                thread::yield_now();
                hands().remove(&url.url);
                put(&*store, &owner, &target, url);
            }
        }
    });
    let left: HashSet<_> = std::iter::from_fn(|| take(&*store, &owner, &target))
        .map(|url| url.url)
        .collect();
    assert_eq!(left.len(), THREADS / 2, "none was lost or doubled");
}

/// Of 32 threads that find a token expired at the same moment, one authorizes.
///
/// Each of the others has to wait: there is nothing newer yet.
fn one_of_many_gets_the_lease(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, _, _) = authorized(make);
    let stale = current(&*store);
    let leases = AtomicUsize::new(0);
    at_once(|| match begin(&*store, stale.as_deref()) {
        Refresh::Lease(_) => {
            leases.fetch_add(1, Ordering::Relaxed);
        }
        Refresh::Busy => {}
        Refresh::Newer(newer) => panic!("nobody saved anything, and yet there is {newer:?}"),
    });
    assert_eq!(
        leases.into_inner(),
        1,
        "one of {THREADS} threads gets the lease"
    );
}

/// A reader never sees a moment without an authorization while one replaces another, and sees a
/// save that was finished before it asked.
///
/// Four of the threads save. What they save is replaced by one more save, which all threads must
/// see at once, since the same store saved it.
fn the_last_save_is_seen_by_all(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, _, _) = authorized(make);
    let next = AtomicUsize::new(0);
    at_once(|| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number.is_multiple_of(8) {
            save(&*store, auth("ada", &number.to_string()));
        }
        let seen = current(&*store);
        assert!(
            seen.is_some(),
            "no reader ever sees a store between two authorizations"
        );
    });
    let last = save(&*store, auth("ada", "last"));
    at_once(|| {
        assert_eq!(
            current(&*store).as_ref(),
            Some(&last),
            "a save is seen at once"
        )
    });
}

/// Runs this on all threads, which start together. A panic of one is a panic here.
///
/// Returns when all of them have ended.
fn at_once(work: impl Fn() + Sync) {
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                work();
            });
        }
    });
}
