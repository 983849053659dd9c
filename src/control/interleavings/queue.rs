//! Sharing units, and tokens that end the waiting for them.

use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

use super::cancel::CancelToken;
use super::semaphore::Semaphore;
use super::{in_every_order, in_random_orders};
use crate::error::Error;

/// Waits until so many callers stand in the queue.
fn until_waiting(units: &Semaphore, callers: usize) {
    while units.waiting() < callers {
        thread::yield_now();
    }
}

#[test]
fn never_more_is_taken_than_there_is_and_everybody_is_served() {
    in_every_order(|| {
        let (units, in_use) = (Semaphore::new(3), Arc::new(AtomicU64::new(0)));
        let threads = [1, 3, 2, 1].map(|wanted| {
            let (units, in_use) = (units.clone(), Arc::clone(&in_use));
            thread::spawn(move || {
                units.acquire(wanted, []).unwrap();
                let before = in_use.fetch_add(wanted, Ordering::SeqCst);
                assert!(before + wanted <= 3);
                thread::yield_now();
                in_use.fetch_sub(wanted, Ordering::SeqCst);
                units.release(wanted);
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!((units.taken(), units.waiting()), (0, 0));
    });
}

#[test]
fn who_came_first_is_served_first_however_much_it_wants() {
    in_random_orders(|| {
        let (units, served) = (Semaphore::new(2), Arc::new(Mutex::new(Vec::new())));
        units.acquire(2, []).unwrap();
        let threads = [2, 1].map(|wanted| {
            let (waiting, served) = (units.clone(), Arc::clone(&served));
            let thread = thread::spawn(move || {
                waiting.acquire(wanted, []).unwrap();
                served.lock().unwrap().push(wanted);
                waiting.release(wanted);
            });
            let callers = if wanted == 2 { 1 } else { 2 };
            until_waiting(&units, callers);
            thread
        });
        // Enough for the second one, who has to wait for the first all the same.
        units.release(1);
        units.release(1);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*served.lock().unwrap(), [2, 1]);
    });
}

#[test]
fn a_cancelled_caller_stops_waiting_although_nothing_comes_back() {
    in_every_order(|| {
        let units = Semaphore::new(1);
        units.acquire(1, []).unwrap();
        let (call, closing) = (CancelToken::new(), CancelToken::new());
        let waiting = {
            let (units, call, closing) = (units.clone(), call.child(), closing.clone());
            thread::spawn(move || units.acquire(1, [&call, &closing]))
        };
        let cancelling = thread::spawn(move || call.cancel());
        assert!(matches!(waiting.join().unwrap(), Err(Error::Cancelled)));
        cancelling.join().unwrap();
        assert_eq!((units.taken(), units.waiting()), (1, 0));
    });
}

#[test]
fn who_gives_up_lets_those_behind_it_pass() {
    in_random_orders(|| {
        let (units, token) = (Semaphore::new(2), CancelToken::new());
        units.acquire(1, []).unwrap();
        let giving_up = {
            let (units, token) = (units.clone(), token.clone());
            thread::spawn(move || units.acquire(2, [&token]))
        };
        until_waiting(&units, 1);
        let behind = {
            let units = units.clone();
            thread::spawn(move || units.acquire(1, []))
        };
        token.cancel();
        behind.join().unwrap().unwrap();
        assert!(matches!(giving_up.join().unwrap(), Err(Error::Cancelled)));
        assert_eq!((units.taken(), units.waiting()), (2, 0));
    });
}

#[test]
fn cancelling_while_units_come_back_loses_neither() {
    in_every_order(|| {
        let (units, token) = (Semaphore::new(1), CancelToken::new());
        units.acquire(1, []).unwrap();
        let either = {
            let (units, token) = (units.clone(), token.clone());
            thread::spawn(move || {
                if units.acquire(1, [&token]).is_ok() {
                    units.release(1);
                }
            })
        };
        let other = {
            let units = units.clone();
            thread::spawn(move || {
                units.acquire(1, []).unwrap();
                units.release(1);
            })
        };
        let cancelling = thread::spawn(move || token.cancel());
        units.release(1);
        for thread in [either, other, cancelling] {
            thread.join().unwrap();
        }
        assert_eq!((units.taken(), units.waiting()), (0, 0));
    });
}

#[test]
fn a_higher_limit_is_noticed_by_those_that_wait() {
    in_every_order(|| {
        let units = Semaphore::new(1);
        units.acquire(1, []).unwrap();
        let threads = [1, 1].map(|wanted| {
            let units = units.clone();
            thread::spawn(move || units.acquire(wanted, []).unwrap())
        });
        units.set_limit(3);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(units.taken(), 3);
    });
}

#[test]
fn a_lower_limit_holds_for_whoever_comes_afterwards() {
    in_every_order(|| {
        let units = Semaphore::new(3);
        units.acquire(2, []).unwrap();
        units.set_limit(1);
        let waiting = {
            let units = units.clone();
            thread::spawn(move || {
                units.acquire(1, []).unwrap();
                assert_eq!(units.taken(), 1);
            })
        };
        units.release(1);
        units.release(1);
        waiting.join().unwrap();
    });
}

#[test]
fn a_child_of_a_token_that_is_being_cancelled_is_cancelled() {
    in_every_order(|| {
        let (one, other) = (CancelToken::new(), CancelToken::new());
        let cancelling = {
            let one = one.clone();
            thread::spawn(move || one.cancel())
        };
        let child = CancelToken::either(&other, &one.child());
        child.wait(std::time::Duration::MAX);
        assert!(child.is_cancelled() && !other.is_cancelled());
        cancelling.join().unwrap();
    });
}
