//! The store in memory: its contract, and its interleavings.

mod interleavings;
mod url_pools;

use super::conformance;
use std::sync::Arc;
use std::time::Duration;

use super::memory::InMemoryAccountInfo;
use super::{AccountInfo, Cached};
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
