//! Checks what is left when a store is opened again, and what two stores see that are open in one
//! place.
//!
//! A place is whatever a store is opened at: a directory, a database, the name of an account info
//! on a server. `new_place` makes an empty one, and `open` opens a store there; a check opens
//! several stores at one place, one after the other or at the same time.
//!
//! | check | what it does | a store that fails it |
//! | --- | --- | --- |
//! | `everything_is_there_again` | closes and opens the store between saving and reading | loses the login, or hands out a URL twice |
//! | `time_passes_while_it_is_closed` | moves the clock while no store is open | hands out URLs that the service has forgotten |
//! | `two_in_one_place_are_one` | saves through one store and reads through another | has two leases, or two pools |
//! | `both_see_another_account` | logs in and out through one of two stores | works for an account that nobody is logged in to |
//!
//! A store that answers from a memory announces for how long (`max_staleness`). The checks let that
//! time pass before they ask what another store has changed, and only then.
//!
//! The clock is one for all stores at a place and stands still between its moves. It also moves the
//! time of a server, through `Clock::moved`, so that leases on a server lapse when a check wants
//! them to.
//!
//! None of the checks kills a process. What a killed process leaves is what a store leaves that is
//! dropped while it holds a lease or an upload URL, which is what these checks do.

use std::time::Duration;

use super::fixture::{
    LEASE, auth, bucket, current, fine, is_busy, lease, names, pairs, put, refused, save, take, url,
};
use crate::account_info::{AccountInfo, UploadTarget, UploadUrl};
use crate::control::clock::Clock;

/// Checks that everything is there when the store is opened again, that what was taken or has
/// expired does not come back, and that two stores in one place act as one.
///
/// # Panics
/// If the store breaks the contract.
///
/// A place is dropped with the check that made it, so `P` can be a directory that is removed.
/// Nothing is sent to the service.
pub fn check_restart<P>(
    new_place: &impl Fn() -> P,
    open: &impl Fn(&P, Clock) -> Box<dyn AccountInfo>,
) {
    everything_is_there_again(new_place, open);
    time_passes_while_it_is_closed(new_place, open);
    two_in_one_place_are_one(new_place, open);
    both_see_another_account(new_place, open);
}

/// The authorization, the buckets, the URLs in their order and the lease survive; a URL that was
/// taken and a logout survive as well. A URL that came back would be in two hands.
///
/// The store is opened four times. What is saved before the first closing has to be there after it,
/// in the same order; the lease has to be held still, and its ticket, which outlived the store, has
/// to be accepted.
fn everything_is_there_again<P>(
    new_place: &impl Fn() -> P,
    open: &impl Fn(&P, Clock) -> Box<dyn AccountInfo>,
) {
    let (place, clock) = (new_place(), Clock::manual());
    let store = open(&place, clock.clone());
    assert_eq!(current(&*store), None, "a new place holds nothing");
    let saved = save(&*store, auth("ada", "1"));
    let owner = saved.identity();
    fine(
        "save_bucket",
        store.save_bucket(owner, "photos", &"p".into()),
    );
    let file = UploadTarget::LargeFile("f".into());
    let [first, last, part] = ["1", "2", "3"].map(|name| url(name, &clock, Duration::ZERO));
    put(&*store, owner, &bucket("p"), first.clone());
    put(&*store, owner, &bucket("p"), last.clone());
    put(&*store, owner, &file, part.clone());
    let ticket = lease(&*store, Some(&saved));
    drop(store);

    let store = open(&place, clock.clone());
    assert_eq!(current(&*store).as_ref(), Some(&saved), "the authorization");
    assert_eq!(
        names(&*store, owner),
        pairs(&[("photos", "p")]),
        "the buckets"
    );
    assert_eq!(
        take(&*store, owner, &bucket("p")),
        Some(last),
        "the order of URLs"
    );
    assert!(is_busy(&*store, Some(&saved)), "the lease is still held");
    let newer = fine("save_auth", store.save_auth(auth("ada", "2"), Some(ticket)));
    drop(store);

    let store = open(&place, clock.clone());
    assert_eq!(current(&*store).as_ref(), Some(&newer));
    assert_eq!(
        take(&*store, owner, &bucket("p")),
        Some(first),
        "what was taken stays taken"
    );
    assert_eq!(take(&*store, owner, &bucket("p")), None);
    assert_eq!(take(&*store, owner, &file), Some(part));
    let _free = lease(&*store, Some(&newer));
    fine("clear", store.clear());
    drop(store);

    let store = open(&place, clock);
    assert_eq!(current(&*store), None, "a logout lasts");
    refused("buckets", store.buckets(owner));
}

/// Leases and upload URLs age while no store is open. A store that counts time only while it runs
/// would hand out URLs that the service has forgotten.
///
/// The lease is over 35 seconds after it was drawn, and the URL is too old after its lifetime of 23
/// hours.
///
/// The lease is then drawn again and not given back, as by a second process that was killed.
fn time_passes_while_it_is_closed<P>(
    new_place: &impl Fn() -> P,
    open: &impl Fn(&P, Clock) -> Box<dyn AccountInfo>,
) {
    let (place, clock) = (new_place(), Clock::manual());
    let store = open(&place, clock.clone());
    let saved = save(&*store, auth("ada", "1"));
    let url = url("u", &clock, Duration::ZERO);
    put(&*store, saved.identity(), &bucket("b"), url);
    let _killed = lease(&*store, Some(&saved));
    drop(store);
    clock.advance(LEASE + Duration::from_secs(5));
    let store = open(&place, clock.clone());
    let _lapsed = lease(&*store, Some(&saved));
    drop(store);
    clock.advance(UploadUrl::LIFETIME);
    let store = open(&place, clock);
    let left = take(&*store, saved.identity(), &bucket("b"));
    assert_eq!(left, None, "it is too old by now");
}

/// Lets the time pass in which a store may still answer what it read before.
///
/// A store without a memory announces zero, so no time passes.
fn catch_up(store: &dyn AccountInfo, clock: &Clock) {
    clock.advance(store.max_staleness());
}

/// What one store saves, the other sees, at the latest after the staleness that it announces. There
/// is one lease and one pool for both.
///
/// The order is: the login, a bucket, an upload URL, the lease. A URL that was put through one
/// store and taken through the other is gone for both.
fn two_in_one_place_are_one<P>(
    new_place: &impl Fn() -> P,
    open: &impl Fn(&P, Clock) -> Box<dyn AccountInfo>,
) {
    let (place, clock) = (new_place(), Clock::manual());
    let [one, two] = [(), ()].map(|()| open(&place, clock.clone()));
    let ada = save(&*one, auth("ada", "1"));
    catch_up(&*two, &clock);
    assert_eq!(current(&*two).as_ref(), Some(&ada), "seen in time");
    let owner = ada.identity();
    fine("save_bucket", two.save_bucket(owner, "photos", &"p".into()));
    catch_up(&*one, &clock);
    let found = fine("bucket_id", one.bucket_id(owner, "photos"));
    assert_eq!(found, Some("p".into()));

    let url = url("u", &clock, Duration::ZERO);
    put(&*one, owner, &bucket("p"), url.clone());
    assert_eq!(take(&*two, owner, &bucket("p")), Some(url));
    assert_eq!(take(&*one, owner, &bucket("p")), None, "it is in one hand");

    let ticket = lease(&*one, Some(&ada));
    assert!(is_busy(&*two, Some(&ada)), "there is one lease for both");
    let newer = fine("save_auth", one.save_auth(auth("ada", "2"), Some(ticket)));
    catch_up(&*two, &clock);
    assert_eq!(current(&*two), Some(newer));
}

/// After a login or a logout through one store, the other refuses calls for the old identity.
///
/// A ticket that was drawn before the login is refused as well, because it would overwrite that
/// login.
///
/// Last of all the first store logs out, and the second one has to see that nobody is logged in.
fn both_see_another_account<P>(
    new_place: &impl Fn() -> P,
    open: &impl Fn(&P, Clock) -> Box<dyn AccountInfo>,
) {
    let (place, clock) = (new_place(), Clock::manual());
    let [one, two] = [(), ()].map(|()| open(&place, clock.clone()));
    let ada = save(&*one, auth("ada", "1"));
    put(
        &*one,
        ada.identity(),
        &bucket("p"),
        url("u", &clock, Duration::ZERO),
    );
    let ticket = lease(&*one, Some(&ada));
    let bob = save(&*two, auth("bob", "1"));
    catch_up(&*one, &clock);
    assert_eq!(current(&*one).as_ref(), Some(&bob));
    refused("buckets", one.buckets(ada.identity()));
    refused(
        "take_upload_url",
        one.take_upload_url(ada.identity(), &bucket("p")),
    );
    refused("save_auth", one.save_auth(auth("ada", "2"), Some(ticket)));
    fine("clear", one.clear());
    catch_up(&*two, &clock);
    assert_eq!(current(&*two), None);
}
