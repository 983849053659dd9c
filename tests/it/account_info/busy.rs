//! A store on a server that is too busy to answer in time when the token of a fleet expires.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use b2sdk::account_info::{AccountInfo, Refresh};
use b2sdk::error::StoreError;
use b2sdk::simulator::Simulator;
use b2sdk::testing::Clock;
use b2sdk::{B2Api, InMemoryAccountInfo, Operation};

use super::Hooked;
use crate::support::authorize;

/// What a look at the store finds, by its number from 1 on.
type Look = dyn Fn(usize) -> Result<(), StoreError> + Send + Sync;

/// A process of a fleet whose looks at the store for the lease may go wrong.
struct Process {
    api: B2Api,
    clock: Clock,
    looks: Arc<AtomicUsize>,
}

impl Process {
    fn new(store: &Arc<dyn AccountInfo>, look: Box<Look>) -> Self {
        let (clock, looks) = (Clock::manual(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&looks);
        let store = Hooked::around(Arc::clone(store), move |_, method| match method {
            "begin_refresh" => look(counted.fetch_add(1, Ordering::SeqCst) + 1),
            _ => Ok(()),
        });
        let api = B2Api::builder(store).clock(&clock).build().unwrap();
        Self { api, clock, looks }
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }
}

fn timed_out() -> Result<(), StoreError> {
    Err(StoreError::unavailable(
        "the server does not answer in time",
    ))
}

/// A fleet whose token has expired.
fn fleet() -> (Simulator, Arc<dyn AccountInfo>, B2Api) {
    let service = Simulator::start().unwrap();
    let store: Arc<dyn AccountInfo> = Arc::new(InMemoryAccountInfo::new());
    let first = B2Api::new(Arc::clone(&store));
    authorize(&first, &service);
    (service, store, first)
}

#[test]
fn who_gets_no_answer_from_a_busy_store_looks_once_more_before_authorizing_alone() {
    let (service, store, other) = fleet();
    let others: Arc<OnceLock<B2Api>> = Arc::default();
    assert!(others.set(other).is_ok());
    let process = Process::new(
        &store,
        Box::new(move |look| {
            if look > 1 {
                return Ok(());
            }
            // While this process gets no answer, the one with the lease authorizes.
            others.get().unwrap().list_buckets().unwrap();
            timed_out()
        }),
    );
    process.api.list_buckets().unwrap();
    service.expire_tokens().unwrap();
    service.log().clear();
    process.api.list_buckets().unwrap();
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
    assert_eq!(process.looks(), 2);
    let [pause] = process.clock.sleeps()[..] else {
        panic!("one pause: {:?}", process.clock.sleeps());
    };
    // Longer than a store leaves its server alone, and not the same for all.
    assert!(
        (Duration::from_secs(1)..=Duration::from_secs(2)).contains(&pause),
        "{pause:?}"
    );
}

#[test]
fn who_gets_no_answer_twice_authorizes_alone() {
    let (service, store, _) = fleet();
    let process = Process::new(&store, Box::new(|_| timed_out()));
    process.api.list_buckets().unwrap();
    service.expire_tokens().unwrap();
    service.log().clear();
    process.api.list_buckets().unwrap();
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
    assert_eq!(process.looks(), 2);
}

#[test]
fn a_store_that_is_broken_is_not_looked_at_again() {
    let (service, store, _) = fleet();
    let process = Process::new(&store, Box::new(|_| Err(StoreError::new("a wrong table"))));
    process.api.list_buckets().unwrap();
    service.expire_tokens().unwrap();
    service.log().clear();
    process.api.list_buckets().unwrap();
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
    assert_eq!(process.looks(), 1);
    assert!(process.clock.sleeps().is_empty());
}

/// Between two looks that get no answer others get one: that somebody else holds the lease.
#[test]
fn who_was_answered_in_between_may_look_once_more_again() {
    let (service, store, other) = fleet();
    let stale = store.auth().unwrap().unwrap().generation();
    let lease = Duration::from_secs(30);
    let (holder, held) = (Arc::clone(&store), Mutex::new(None));
    let process = Process::new(
        &store,
        Box::new(move |look| match look {
            1 => {
                *held.lock().unwrap() = Some(holder.begin_refresh(Some(stale), lease).unwrap());
                timed_out()
            }
            3 => timed_out(),
            5 => {
                let Some(Refresh::Lease(ticket)) = held.lock().unwrap().take() else {
                    panic!("nobody else held the lease");
                };
                holder.abandon_refresh(ticket).unwrap();
                other.list_buckets().unwrap();
                Ok(())
            }
            _ => Ok(()),
        }),
    );
    process.api.list_buckets().unwrap();
    service.expire_tokens().unwrap();
    service.log().clear();
    process.api.list_buckets().unwrap();
    assert_eq!(process.looks(), 5);
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
}
