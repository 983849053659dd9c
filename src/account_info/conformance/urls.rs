//! Checks the pools of upload URLs.
//!
//! | check | what it does to the store | a store that fails it |
//! | --- | --- | --- |
//! | `the_last_one_comes_first_and_once` | puts three URLs and takes them | prefers URLs that have been idle for long, or hands one out twice |
//! | `targets_are_apart` | uses one id for a bucket and a large file | uploads a part as a file |
//! | `old_urls_never_come` | lets URLs pass their lifetime | makes uploads fail that a new URL would not |
//! | `the_pool_is_bounded` | puts three URLs more than the pool takes | grows as long as the program runs |
//! | `dropping_is_for_one_target` | drops the URLs of a large file | takes URLs from a bucket of the same id |
//! | `a_new_token_keeps_the_pool` | saves another token, then another identity | requests all URLs again once a day, or mixes two accounts |
//! | `a_url_that_is_put_twice_is_one` | puts one URL twice | gives one URL to two uploads |
//! | `a_clock_that_is_ahead_does_no_harm` | puts a URL that was received in 90 seconds | loses URLs in a fleet |
//!
//! An upload URL and its token belong together and may be used by one upload at a time. The service
//! keeps them for 24 hours; a store hands them out for 23 (`UploadUrl::LIFETIME`), so that one that
//! is handed out can still be used.
//!
//! Requesting a URL is one call of class A and a round trip to the service, so a store that loses
//! URLs costs time and no money. A store that hands a URL out twice costs uploads: the storage
//! server refuses the second one while the first is running.

use std::time::Duration;

use super::fixture::{auth, authorized, bucket, fine, put, save, take, url};
use crate::account_info::{AccountInfo, UploadTarget, UploadUrl};
use crate::control::clock::Clock;
use crate::model::time::Timestamp;

/// The age of a URL that was just received.
///
/// It is received at the present time of the store's clock.
const NEW: Duration = Duration::ZERO;
/// An hour.
///
/// The ages of URLs are given in hours, because that is what their lifetime is measured in.
const HOUR: Duration = Duration::from_secs(3600);

/// Checks the upload URLs: each is handed out once, the last one first, only for its target, only
/// while it is valid, and only to the identity that it belongs to. A pool has a largest size.
///
/// # Panics
/// If the store breaks the contract.
///
/// Every check creates a store of its own with `make`; nothing is sent to the service, and no URL
/// in them exists.
pub fn check_upload_urls(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    the_last_one_comes_first_and_once(make);
    targets_are_apart(make);
    old_urls_never_come(make);
    the_pool_is_bounded(make);
    dropping_is_for_one_target(make);
    a_new_token_keeps_the_pool(make);
    a_url_that_is_put_twice_is_one(make);
    a_clock_that_is_ahead_does_no_harm(make);
}

/// The URL that was put last is taken first, whatever their ages, and comes back unchanged.
///
/// The last one comes first because its storage server was alive most recently. A URL that is
/// taken, put and taken again comes back at once.
fn the_last_one_comes_first_and_once(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, clock) = authorized(make);
    let target = bucket("b");
    assert_eq!(take(&*store, &owner, &target), None);
    // The order of putting counts, not that of receiving.
    let urls =
        [(1, 1), (2, 3), (3, 2)].map(|(name, age)| url(&name.to_string(), &clock, HOUR * age));
    for url in &urls {
        put(&*store, &owner, &target, url.clone());
    }
    let third = take(&*store, &owner, &target);
    assert_eq!(
        third.as_ref(),
        Some(&urls[2]),
        "as it was put, and the last one first"
    );
    assert_eq!(take(&*store, &owner, &target).as_ref(), Some(&urls[1]));
    put(&*store, &owner, &target, urls[2].clone());
    assert_eq!(take(&*store, &owner, &target).as_ref(), Some(&urls[2]));
    assert_eq!(take(&*store, &owner, &target).as_ref(), Some(&urls[0]));
    assert_eq!(
        take(&*store, &owner, &target),
        None,
        "what was taken is gone"
    );
}

/// A bucket and a large file with equal ids have pools of their own.
///
/// Three targets have one URL each, and each gets its own back and no second one.
///
/// The ids of the service do not look alike, but no store may rely on that.
fn targets_are_apart(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, clock) = authorized(make);
    let targets = [
        bucket("x"),
        bucket("y"),
        UploadTarget::LargeFile("x".into()),
    ];
    let urls = ["1", "2", "3"].map(|name| url(name, &clock, NEW));
    for (target, url) in targets.iter().zip(&urls) {
        put(&*store, &owner, target, url.clone());
    }
    for (target, url) in targets.iter().zip(&urls) {
        assert_eq!(take(&*store, &owner, target).as_ref(), Some(url));
        assert_eq!(take(&*store, &owner, target), None);
    }
}

/// A URL is not handed out after its lifetime, even if it was put last.
///
/// The old one is put last, an hour before its end, and the clock is moved by two hours. A day
/// later the young one is too old as well.
///
/// A URL that has become too old may stay in the store as long as it is never handed out.
fn old_urls_never_come(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, clock) = authorized(make);
    let target = bucket("b");
    let young = url("young", &clock, NEW);
    put(&*store, &owner, &target, young.clone());
    put(
        &*store,
        &owner,
        &target,
        url("old", &clock, UploadUrl::LIFETIME - HOUR),
    );
    clock.advance(2 * HOUR);
    let taken = take(&*store, &owner, &target);
    assert_eq!(taken, Some(young.clone()), "the old one is passed over");
    put(&*store, &owner, &target, young);
    clock.advance(24 * HOUR);
    assert_eq!(
        take(&*store, &owner, &target),
        None,
        "a day later none is left"
    );
}

/// A pool keeps the newest [`AccountInfo::pool_size`] URLs, each target its own.
///
/// A store may choose a larger size than the usual 100, and no smaller one. The pool of another
/// target must not lose anything.
fn the_pool_is_bounded(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, clock) = authorized(make);
    let target = bucket("b");
    let other = url("other", &clock, NEW);
    put(&*store, &owner, &bucket("other"), other.clone());
    let size = store.pool_size();
    assert!(size >= UploadUrl::POOL_SIZE, "a pool is large enough");
    let urls: Vec<UploadUrl> = (0..size + 3)
        .map(|number| url(&number.to_string(), &clock, NEW))
        .collect();
    for url in &urls {
        put(&*store, &owner, &target, url.clone());
    }
    for url in urls.iter().rev().take(size) {
        assert_eq!(take(&*store, &owner, &target).as_ref(), Some(url));
    }
    assert_eq!(
        take(&*store, &owner, &target),
        None,
        "the oldest were dropped"
    );
    assert_eq!(
        take(&*store, &owner, &bucket("other")),
        Some(other),
        "each target has its own"
    );
}

/// Dropping the URLs of a large file leaves those of a bucket alone, even if their ids are equal.
///
/// URLs are dropped when a large file is finished or cancelled, because the service refuses them
/// from then on.
fn dropping_is_for_one_target(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, clock) = authorized(make);
    let large_file = UploadTarget::LargeFile("f".into());
    for name in ["1", "2"] {
        put(&*store, &owner, &large_file, url(name, &clock, NEW));
    }
    put(&*store, &owner, &bucket("f"), url("3", &clock, NEW));
    fine(
        "drop_upload_urls",
        store.drop_upload_urls(&owner, &large_file),
    );
    assert_eq!(take(&*store, &owner, &large_file), None);
    assert!(take(&*store, &owner, &bucket("f")).is_some());
}

/// A client puts a URL twice if the first answer was lost.
///
/// Its place is that of the second time: it comes first. The other URL of the pool is still there.
fn a_url_that_is_put_twice_is_one(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, clock) = authorized(make);
    let (target, twice) = (bucket("b"), url("twice", &clock, NEW));
    put(&*store, &owner, &target, twice.clone());
    put(&*store, &owner, &target, url("other", &clock, NEW));
    put(&*store, &owner, &target, twice.clone());
    assert_eq!(
        take(&*store, &owner, &target),
        Some(twice),
        "put last, it comes first"
    );
    assert!(take(&*store, &owner, &target).is_some(), "the other one");
    let left = take(&*store, &owner, &target);
    assert_eq!(
        left, None,
        "it is handed out once, however often it was put"
    );
}

/// The clocks of the machines of a fleet differ a little: a URL that was received up to five
/// minutes in the future (`UploadUrl::CLOCK_SLACK`) is handed out, and none beyond that.
///
/// The lower bound is exact. One second is added to the upper one, because the time of a store that
/// goes by its server's clock passes while this check runs.
fn a_clock_that_is_ahead_does_no_harm(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, clock) = authorized(make);
    let target = bucket("b");
    let received = |name: &str, ahead: Duration| {
        let mut received = url(name, &clock, NEW);
        received.received = Timestamp::from(clock.now() + ahead);
        received
    };
    let ahead = received("ahead", UploadUrl::CLOCK_SLACK);
    put(&*store, &owner, &target, ahead.clone());
    assert_eq!(
        take(&*store, &owner, &target),
        Some(ahead),
        "five minutes are no future"
    );
    let beyond = UploadUrl::CLOCK_SLACK + Duration::from_secs(1);
    put(&*store, &owner, &target, received("beyond", beyond));
    assert_eq!(
        take(&*store, &owner, &target),
        None,
        "a URL from more than five minutes in the future is not used"
    );
}

/// Upload URLs survive a new token, because they have tokens of their own, and end with the
/// identity.
///
/// When another identity has logged in, the URLs of the first are gone for good, also after it has
/// logged in again.
fn a_new_token_keeps_the_pool(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let (store, owner, clock) = authorized(make);
    let (target, kept) = (bucket("b"), url("kept", &clock, NEW));
    put(&*store, &owner, &target, kept.clone());
    save(&*store, auth("ada", "2"));
    assert_eq!(take(&*store, &owner, &target), Some(kept.clone()));

    put(&*store, &owner, &target, kept);
    let bob = save(&*store, auth("bob", "1"));
    assert_eq!(
        take(&*store, bob.identity(), &target),
        None,
        "another identity has none"
    );
    save(&*store, auth("ada", "3"));
    assert_eq!(
        take(&*store, &owner, &target),
        None,
        "what was dropped does not come back"
    );
}
