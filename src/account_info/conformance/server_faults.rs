//! What a store does when its server fails: answers that are lost, and a server that is away.
//!
//! The order of each check is the same: a call whose answer is lost, or that finds no server; then
//! the call once more, for as long as the store leaves its server alone; then a look at what there
//! is. A store may answer the first call by itself, by repeating the request, or may fail it. What
//! counts is that nothing was done twice.
//!
//! | the answer is lost to | the second time |
//! | --- | --- |
//! | `begin_refresh` | finds its own lease, or the store fails and the lease lapses |
//! | `save_auth` | is a success and leaves one authorization |
//! | `put_upload_url` | leaves one URL |
//! | `take_upload_url` | takes another URL; at most one is lost |
//! | `save_bucket`, `clear` | have no further effect |
//!
//! While the server is away the only failure is `StoreError::unavailable`, and no error shows a key
//! or a token. A store that returned another failure would stop the program instead of letting it
//! work without the store.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use super::fixture::{
    APPLICATION_KEY, LEASE, auth, bucket, current, fine, names, pairs, put, save, take, url,
};
use crate::account_info::{AccountInfo, Refresh, UploadTarget};
use crate::control::clock::Clock;
use crate::error::StoreError;
use crate::model::auth::Identity;

/// How often a call is repeated after the server is back, with a pause of 50 ms in between.
///
/// Together ten seconds, which is the longest time that a store may leave its server alone.
const ATTEMPTS: u32 = 200;
/// The largest number of URLs that a check takes from a pool into which it put three at most.
///
/// Twice as many, so that a store that hands out each URL twice is caught by the check for that.
const MOST_TAKEN: usize = 6;

/// The connection between a store and its server, which a check disturbs.
///
/// A test implements it with a proxy, for example.
///
/// A check calls it from its own thread, while no call of the store is running.
pub trait ServerFaults {
    /// Loses the answer to the next request: the server carries the request out, and the connection
    /// breaks before the answer arrives.
    fn lose_next_answer(&self);

    /// Makes the server unreachable, or reachable again. Connections that exist break.
    fn set_reachable(&self, is_reachable: bool);
}

/// Creates a store and the connection to its server.
type Make<'a> = &'a dyn Fn(Clock) -> (Box<dyn AccountInfo>, Box<dyn ServerFaults>);

/// Checks what a store on a server does when an answer is lost and when the server is away: no
/// upload URL is in two hands, nothing is half done, every failure is
/// [`StoreError::unavailable`], and afterwards the store works as before.
///
/// `make` creates a new, empty store, and returns it with the connection to its server. After a
/// failure the store may leave its server alone for up to ten seconds.
///
/// # Panics
/// When the store breaks the contract.
///
/// It takes up to ten seconds of real time for each failure after which the store leaves its server
/// alone.
pub fn check_server_faults(make: impl Fn(Clock) -> (Box<dyn AccountInfo>, Box<dyn ServerFaults>)) {
    a_repeated_refresh_finds_its_own_lease(&make);
    a_repeated_save_is_one(&make);
    a_url_that_is_put_again_is_one(&make);
    a_url_is_in_one_hand_although_answers_are_lost(&make);
    buckets_and_a_logout_can_be_repeated(&make);
    a_server_that_is_away_makes_the_store_unavailable(&make);
}

/// The value, or nothing if the store is unavailable, which is the only failure that may be.
///
/// Also looks for secrets in the error, in both of its forms.
#[track_caller]
fn or_unavailable<T>(method: &str, outcome: Result<T, StoreError>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(
                error.is_unavailable(),
                "{method} without its server is StoreError::unavailable, not {error:?}"
            );
            let shown = format!("{error} {error:?}");
            for secret in [APPLICATION_KEY, "account-token-", "upload-token-"] {
                assert!(
                    !shown.contains(secret),
                    "the error of {method} shows {secret}"
                );
            }
            None
        }
    }
}

/// The value as soon as the store leaves its server alone no longer.
///
/// It waits for real time, because the server's absence is real as well, whatever the store's clock
/// says.
#[track_caller]
fn again<T>(method: &str, call: impl Fn() -> Result<T, StoreError>) -> T {
    for _ in 0..ATTEMPTS {
        if let Some(value) = or_unavailable(method, call()) {
            return value;
        }
        Clock::default().sleep(Duration::from_millis(50), None);
    }
    panic!("{method} fails although the server is back");
}

/// If the answer to `begin_refresh` is lost and the store asks again, it gets its own lease and is
/// not told to wait for itself. If it fails instead, that is fine: the lease lapses.
///
/// The answer to the save is lost as well, and the authorization has to be there afterwards.
fn a_repeated_refresh_finds_its_own_lease(make: Make<'_>) {
    let (store, faults) = make(Clock::manual());
    faults.lose_next_answer();
    let begun = or_unavailable("begin_refresh", store.begin_refresh(None, LEASE));
    match begun {
        // The lease may be held until it lapses.
        None => {}
        Some(Refresh::Lease(ticket)) => {
            let other = again("begin_refresh", || store.begin_refresh(None, LEASE));
            assert!(matches!(other, Refresh::Busy), "the lease is held");
            faults.lose_next_answer();
            let saved = store.save_auth(auth("ada", "1"), Some(ticket));
            or_unavailable("save_auth", saved);
            let seen = again("auth", || store.auth());
            let token = seen.map(|seen| seen.auth().token.clone());
            assert_eq!(token, Some(auth("ada", "1").token), "it was saved");
        }
        Some(other) => panic!("its own lease is not somebody else's: {other:?}"),
    }
}

/// A repeated save is a success and leaves one authorization.
fn a_repeated_save_is_one(make: Make<'_>) {
    let (store, faults) = make(Clock::manual());
    save(&*store, auth("ada", "1"));
    faults.lose_next_answer();
    or_unavailable("save_auth", store.save_auth(auth("ada", "2"), None));
    let saved = again("save_auth", || store.save_auth(auth("ada", "2"), None));
    assert_eq!(current(&*store), Some(saved));
}

/// Pools of both kinds: those of buckets may be kept in memory.
///
/// A store may treat them differently: a URL of a large file serves that file alone.
fn targets() -> [UploadTarget; 2] {
    [bucket("b"), UploadTarget::LargeFile("f".into())]
}

/// A URL whose `put` is repeated after a lost answer is there once.
fn a_url_that_is_put_again_is_one(make: Make<'_>) {
    for target in targets() {
        let clock = Clock::manual();
        let (store, faults) = make(clock.clone());
        let saved = save(&*store, auth("ada", "1"));
        let owner = saved.identity();
        let url = url("1", &clock, Duration::ZERO);
        let put = || store.put_upload_url(owner, &target, url.clone());
        faults.lose_next_answer();
        or_unavailable("put_upload_url", put());
        again("put_upload_url", put);
        let taken = take_all(&*store, owner, &target);
        assert_eq!(taken, [url.url], "a URL that is put twice is one URL");
    }
}

/// A URL whose answer was lost may be lost, and is never handed out twice.
fn a_url_is_in_one_hand_although_answers_are_lost(make: Make<'_>) {
    for target in targets() {
        let clock = Clock::manual();
        let (store, faults) = make(clock.clone());
        let saved = save(&*store, auth("ada", "1"));
        let owner = saved.identity();
        for name in ["1", "2", "3"] {
            put(&*store, owner, &target, url(name, &clock, Duration::ZERO));
        }
        faults.lose_next_answer();
        let taken = take_all(&*store, owner, &target);
        let different: HashSet<_> = taken.iter().collect();
        assert_eq!(different.len(), taken.len(), "a URL is handed out once");
        assert!(taken.len() >= 2, "of three at most one is lost");
    }
}

/// Takes URLs until none is left.
///
/// # Panics
/// If more than [`MOST_TAKEN`] are handed out: such a store never comes to an end.
fn take_all(store: &dyn AccountInfo, owner: &Identity, target: &UploadTarget) -> Vec<String> {
    let taken: Vec<_> =
        std::iter::from_fn(|| again("take_upload_url", || store.take_upload_url(owner, target)))
            .take(MOST_TAKEN + 1)
            .map(|url| url.url)
            .collect();
    assert!(
        taken.len() <= MOST_TAKEN,
        "a pool of three URLs at most hands out one after the other without end: {taken:?}"
    );
    taken
}

/// Saving a bucket and logging out have no further effect the second time.
///
/// A logout that is repeated stays a logout, and does not become a loss.
fn buckets_and_a_logout_can_be_repeated(make: Make<'_>) {
    let (store, faults) = make(Clock::manual());
    let saved = save(&*store, auth("ada", "1"));
    let owner = saved.identity();
    let photos = || store.save_bucket(owner, "photos", &"p".into());
    faults.lose_next_answer();
    or_unavailable("save_bucket", photos());
    again("save_bucket", photos);
    assert_eq!(names(&*store, owner), pairs(&[("photos", "p")]));
    faults.lose_next_answer();
    or_unavailable("clear", store.clear());
    again("clear", || store.clear());
    assert!(again("is_logged_out", || store.is_logged_out()));
    assert_eq!(current(&*store), None, "a logout can be repeated");
}

/// Checks that a call failed because the server is away.
#[track_caller]
fn away<T: fmt::Debug>(method: &str, outcome: Result<T, StoreError>) {
    if let Some(value) = or_unavailable(method, outcome) {
        panic!("{method} cannot succeed without its server: {value:?}");
    }
}

/// Without its server every method fails with [`StoreError::unavailable`], shows no secret, and has
/// no effect that appears later. Afterwards everything is as it was.
fn a_server_that_is_away_makes_the_store_unavailable(make: Make<'_>) {
    let clock = Clock::manual();
    let (store, faults) = make(clock.clone());
    let saved = save(&*store, auth("ada", "1"));
    let owner = saved.identity();
    let kept = url("kept", &clock, Duration::ZERO);
    put(&*store, owner, &bucket("b"), kept.clone());
    faults.set_reachable(false);
    // What was read before may be answered until then.
    clock.advance(store.max_staleness());
    away("auth", store.auth());
    away("is_logged_out", store.is_logged_out());
    away("begin_refresh", store.begin_refresh(None, LEASE));
    away("save_auth", store.save_auth(auth("ada", "2"), None));
    away("clear", store.clear());
    away(
        "save_bucket",
        store.save_bucket(owner, "photos", &"p".into()),
    );
    away("replace_buckets", store.replace_buckets(owner, &[]));
    away("remove_bucket", store.remove_bucket(owner, &"p".into()));
    away("buckets", store.buckets(owner));
    away("bucket_id", store.bucket_id(owner, "other"));
    away("bucket_name", store.bucket_name(owner, &"o".into()));
    urls_are_away(&*store, owner, &clock);
    faults.set_reachable(true);
    let seen = again("auth", || store.auth());
    assert_eq!(seen.as_ref(), Some(&saved), "nothing of that had an effect");
    let left = take(&*store, owner, &bucket("b"));
    assert_eq!(left, Some(kept), "what was put before is there");
    let names = fine("buckets", store.buckets(owner));
    assert_eq!(names, [], "no bucket was stored");
}

/// The part of it that concerns upload URLs.
///
/// A URL that is put is the exception: a store with a memory accepts it, and returns it to the
/// server later.
fn urls_are_away(store: &dyn AccountInfo, owner: &Identity, clock: &Clock) {
    let target = bucket("other");
    let late = url("late", clock, Duration::ZERO);
    away("take_upload_url", store.take_upload_url(owner, &target));
    // A store may keep it in memory.
    or_unavailable("put_upload_url", store.put_upload_url(owner, &target, late));
    away("drop_upload_urls", store.drop_upload_urls(owner, &target));
}
