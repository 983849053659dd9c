//! Checks who may replace an authorization.
//!
//! | check | what it does to the store | a store that fails it |
//! | --- | --- | --- |
//! | `one_lease_at_a_time` | asks twice for the lease | lets every process authorize |
//! | `whoever_is_behind_gets_the_newer_one` | asks with an old generation | makes every thread authorize in turn |
//! | `saving_ends_the_lease` | saves with a ticket and without | makes the next process wait for nothing |
//! | `a_lease_lapses` | lets the time of the lease pass | blocks everybody after a crash |
//! | `only_the_holder_gives_a_lease_back` | gives back a lease that has lapsed | ends the lease of the next holder |
//! | `clear_ends_the_lease` | logs out under a lease | makes the next login wait |
//! | `a_lease_can_be_renewed` | renews before and after the end | shortens a lease, or takes over another one |
//!
//! Leases last for 30 seconds here. Times within five seconds of an end are not tried, so a store
//! that rounds to whole seconds passes.

use std::sync::Arc;
use std::time::Duration;

use super::fixture::{LEASE, auth, begin, current, fine, is_busy, lease, save};
use crate::account_info::{AccountInfo, AuthSnapshot, Refresh};
use crate::control::clock::Clock;

/// Checks the lease: one caller at a time may replace an authorization, and a caller with an old
/// one gets the newer one. The lease ends when it is used or abandoned, or when its time is over.
///
/// # Panics
/// If the store breaks the contract.
///
/// Every check creates a store of its own with `make` and moves its clock; none of them waits.
pub fn check_refresh(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    one_lease_at_a_time(&*make(Clock::manual()));
    whoever_is_behind_gets_the_newer_one(&*make(Clock::manual()));
    saving_ends_the_lease(&*make(Clock::manual()));
    a_lease_lapses(make);
    only_the_holder_gives_a_lease_back(make);
    clear_ends_the_lease(&*make(Clock::manual()));
    a_lease_can_be_renewed(make);
}

/// While somebody holds the lease, others have to wait, and the authorization stays usable. The
/// ticket names the identity that was held.
///
/// A ticket of an empty store names no identity. It is given back, and the next caller gets the
/// lease at once.
fn one_lease_at_a_time(store: &dyn AccountInfo) {
    let ticket = lease(store, None);
    assert_eq!(ticket.identity(), None, "there was no identity");
    assert!(is_busy(store, None), "the lease is held");
    fine("abandon_refresh", store.abandon_refresh(ticket));
    fine("abandon_refresh", store.abandon_refresh(lease(store, None)));

    let ada = save(store, auth("ada", "1"));
    let ticket = lease(store, Some(&ada));
    assert_eq!(
        ticket.identity(),
        Some(ada.identity()),
        "the ticket knows whose it is"
    );
    assert!(is_busy(store, Some(&ada)), "the lease is held");
    assert_eq!(
        current(store),
        Some(ada),
        "a refresh that has begun changes nothing"
    );
}

/// A caller with an older generation gets the newer authorization at once, also while that one is
/// being replaced. Otherwise every thread that met an expired token would authorize in turn.
///
/// After a logout there is nothing newer, so an old generation gets the lease instead.
fn whoever_is_behind_gets_the_newer_one(store: &dyn AccountInfo) {
    let old = save(store, auth("ada", "1"));
    let new = save(store, auth("ada", "2"));
    gets(store, Some(&old), &new);
    gets(store, None, &new);
    // Also while the newer one is being replaced.
    let _ticket = lease(store, Some(&new));
    gets(store, Some(&old), &new);

    fine("clear", store.clear());
    let _ticket = lease(store, Some(&old));
}

/// Asks with an old generation, and expects the authorization that replaced it.
fn gets(store: &dyn AccountInfo, stale: Option<&AuthSnapshot>, expected: &Arc<AuthSnapshot>) {
    match begin(store, stale) {
        Refresh::Newer(newer) => assert_eq!(newer, *expected),
        other => panic!("the store holds a newer authorization, so it gives that, not {other:?}"),
    }
}

/// A save ends the lease, with and without a ticket.
fn saving_ends_the_lease(store: &dyn AccountInfo) {
    let ticket = lease(store, None);
    let ada = fine("save_auth", store.save_auth(auth("ada", "1"), Some(ticket)));
    let _with_a_ticket = lease(store, Some(&ada));
    let ada = save(store, auth("ada", "2"));
    let _without = lease(store, Some(&ada));
}

/// A lease ends by itself, so a process that was killed blocks nobody. A slow holder whose lease
/// has ended may still save if nobody else began.
///
/// The lease of a process that was killed is drawn by the next caller five seconds after its end,
/// and is then held again.
fn a_lease_lapses(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let clock = Clock::manual();
    let store = make(clock.clone());
    let ada = save(&*store, auth("ada", "1"));
    let slow = lease(&*store, Some(&ada));
    clock.advance(LEASE - Duration::from_secs(5));
    assert!(is_busy(&*store, Some(&ada)), "the lease is not over yet");
    clock.advance(Duration::from_secs(10));
    // Nobody else began: what the slow one got is as good as ever.
    let newer = fine("save_auth", store.save_auth(auth("ada", "2"), Some(slow)));
    assert_eq!(current(&*store), Some(Arc::clone(&newer)));

    let _killed = lease(&*store, Some(&newer));
    clock.advance(LEASE + Duration::from_secs(5));
    let _next = lease(&*store, Some(&newer));
    assert!(is_busy(&*store, Some(&newer)), "the next one holds it now");
}

/// A ticket that has lapsed does not end the lease of the next holder.
///
/// A slow process whose lease has lapsed still gives it back when its request fails.
fn only_the_holder_gives_a_lease_back(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let clock = Clock::manual();
    let store = make(clock.clone());
    let slow = lease(&*store, None);
    clock.advance(LEASE + Duration::from_secs(5));
    let holder = lease(&*store, None);
    fine("abandon_refresh", store.abandon_refresh(slow));
    assert!(
        is_busy(&*store, None),
        "a lapsed ticket does not end another's lease"
    );
    fine("abandon_refresh", store.abandon_refresh(holder));
    let _free = lease(&*store, None);
}

/// A store need not implement renewing. If it does, a renewed lease must never harm the next one.
///
/// A store without renewing returns `Ok` and leaves the lease as it is, which the first half of
/// this check cannot tell apart.
fn a_lease_can_be_renewed(make: &impl Fn(Clock) -> Box<dyn AccountInfo>) {
    let clock = Clock::manual();
    let store = make(clock.clone());
    let slow = lease(&*store, None);
    clock.advance(LEASE - Duration::from_secs(5));
    fine("renew_lease", store.renew_lease(&slow, LEASE));
    assert!(is_busy(&*store, None), "it is held as before");
    clock.advance(LEASE + Duration::from_secs(5));
    let holder = lease(&*store, None);
    fine("renew_lease", store.renew_lease(&slow, LEASE));
    fine("abandon_refresh", store.abandon_refresh(holder));
    let _free = lease(&*store, None);
}

/// A logout ends the lease, so that the next login need not wait.
fn clear_ends_the_lease(store: &dyn AccountInfo) {
    let _ticket = lease(store, None);
    fine("clear", store.clear());
    let _free = lease(store, None);
}
