//! The store in memory: its contract, and its interleavings.

mod interleavings;
mod url_pools;

use super::conformance;
use std::sync::Arc;
use std::time::Duration;

use super::memory::InMemoryAccountInfo;
use super::{AccountInfo, Cached, Identity, RefreshTicket};
use crate::control::clock::Clock;

#[test]
fn the_store_keeps_the_contract() {
    conformance::check_all(|clock| Box::new(InMemoryAccountInfo::with_clock(clock)));
}

#[test]
fn a_store_with_a_memory_in_front_of_it_keeps_the_contract() {
    for staleness in [Duration::ZERO, Duration::from_secs(1)] {
        conformance::check_persistent(
            || {
                Arc::new(parking_lot::Mutex::new(
                    None::<(Clock, Arc<InMemoryAccountInfo>)>,
                ))
            },
            |place, clock| {
                let (_, store) = place
                    .lock()
                    .get_or_insert_with(|| {
                        let store = InMemoryAccountInfo::with_clock(clock.clone());
                        (clock.clone(), Arc::new(store))
                    })
                    .clone();
                Box::new(Cached::with_clock(store, staleness, clock))
            },
        );
    }
}

#[test]
fn what_another_process_changes_is_seen_within_the_staleness() {
    let clock = Clock::manual();
    let store = Arc::new(InMemoryAccountInfo::with_clock(clock.clone()));
    let staleness = Duration::from_secs(1);
    let cached = Cached::with_clock(Arc::clone(&store), staleness, clock.clone());
    assert_eq!(cached.auth().unwrap(), None);
    let ada = store
        .save_auth(conformance::auth("ada", "1"), None)
        .unwrap();
    assert_eq!(cached.auth().unwrap(), None, "from memory");
    clock.advance(staleness);
    assert_eq!(cached.auth().unwrap(), Some(Arc::clone(&ada)));

    store.clear().unwrap();
    // Whoever meets the change sooner remembers nothing older.
    assert!(cached.buckets(ada.identity()).unwrap_err().is_superseded());
    assert_eq!(cached.auth().unwrap(), None);
}

/// The URLs of a quick succession of uploads, of which the last one stays in memory.
fn keep_a_url_in_memory(cached: &impl AccountInfo, owner: &Identity, clock: &Clock) {
    let (target, none) = (conformance::fixture::bucket("b"), Duration::ZERO);
    for number in 0..=17 {
        let url = conformance::fixture::url(&number.to_string(), clock, none);
        cached.put_upload_url(owner, &target, url).unwrap();
        if number < 17 {
            assert!(cached.take_upload_url(owner, &target).unwrap().is_some());
        }
    }
}

/// Another process logs in as somebody else, or logs out, and then the first account again: none of
/// its upload URLs may come back, not even from this process's memory.
#[test]
fn upload_urls_in_memory_end_with_a_login_that_another_process_replaced() {
    let replacements: [fn(&InMemoryAccountInfo); 2] = [
        |store| {
            drop(
                store
                    .save_auth(conformance::auth("bob", "1"), None)
                    .unwrap(),
            )
        },
        |store| store.clear().unwrap(),
    ];
    // How this process notices.
    type Notices = fn(&Cached<Arc<InMemoryAccountInfo>>, &Identity);
    let noticing: [Notices; 3] = [
        |cached, _| drop(cached.auth().unwrap()),
        |cached, owner| assert!(cached.buckets(owner).unwrap_err().is_superseded()),
        |cached, _| {
            let ticket = RefreshTicket::new(7, Some(Identity::new("ada", "ada-key", "production")));
            let refused = cached.save_auth(conformance::auth("ada", "2"), Some(ticket));
            assert!(refused.unwrap_err().is_superseded());
        },
    ];
    for (replaced_by, replace) in replacements.into_iter().enumerate() {
        for (noticed_by, notice) in noticing.into_iter().enumerate() {
            for staleness in [Duration::ZERO, Duration::from_secs(1)] {
                let clock = Clock::manual();
                let store = Arc::new(InMemoryAccountInfo::with_clock(clock.clone()));
                let cached = Cached::with_clock(Arc::clone(&store), staleness, clock.clone());
                let saved = cached
                    .save_auth(conformance::auth("ada", "1"), None)
                    .unwrap();
                let (owner, target) = (saved.identity(), conformance::fixture::bucket("b"));
                keep_a_url_in_memory(&cached, owner, &clock);
                assert_eq!(store.take_upload_url(owner, &target).unwrap(), None);

                replace(&store);
                clock.advance(staleness);
                notice(&cached, owner);
                store
                    .save_auth(conformance::auth("ada", "1"), None)
                    .unwrap();
                assert_eq!(
                    cached.take_upload_url(owner, &target).unwrap(),
                    None,
                    "{replaced_by} {noticed_by} {staleness:?}"
                );
            }
        }
    }
}
