//! How much memory all transfers of one `B2Api` together may hold for content.
//!
//! Who needs a buffer borrows its size first, and gives it back with the buffer; the others wait, in
//! the order in which they came. Nobody waits for memory while holding a worker's permit, nor for a
//! second buffer while holding one that is not on its way: so whoever holds memory gives it back
//! without anybody else's help, and nothing can lock up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::control::Control;
use crate::control::caches::Caches;
use crate::error::{Error, Result};

/// How often one who waits looks whether its call was cancelled.
const LOOK_UP: Duration = Duration::from_millis(50);

/// The memory of one `B2Api`. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: Option<u64>,
    state: Mutex<State>,
    given_back: Condvar,
    caches: Caches,
}

#[derive(Debug, Default)]
struct State {
    lent: u64,
    waiting: VecDeque<u64>,
    next: u64,
}

/// Memory that was borrowed; given back when dropped.
#[derive(Debug)]
pub(crate) struct Loan {
    memory: Memory,
    bytes: u64,
}

impl Memory {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self(Arc::new(Inner {
            limit,
            state: Mutex::default(),
            given_back: Condvar::new(),
            caches: Caches::default(),
        }))
    }

    pub(crate) fn limit(&self) -> Option<u64> {
        self.0.limit
    }

    /// How much is lent at the moment, in bytes.
    pub(crate) fn lent(&self) -> u64 {
        self.lock().lent
    }

    /// Fails if so many bytes are never to be had.
    pub(crate) fn check(&self, bytes: u64) -> Result<()> {
        match self.0.limit {
            Some(limit) if bytes > limit => {
                let reason = format!("{bytes} bytes are needed at once, and {limit} is the limit");
                Err(Error::invalid_input("memory_limit", reason))
            }
            _ => Ok(()),
        }
    }

    /// Borrows that many bytes, as soon as they are there.
    pub(crate) fn borrow(&self, bytes: u64, control: &Control) -> Result<Loan> {
        self.check(bytes)?;
        if let Some(loan) = self.try_borrow(bytes) {
            return Ok(loan);
        }
        let _waiting = self.0.caches.give_way();
        let limit = self.0.limit.unwrap_or(u64::MAX);
        let mut state = self.lock();
        let own = state.next;
        state.next += 1;
        state.waiting.push_back(own);
        while state.waiting.front() != Some(&own) || limit - state.lent < bytes {
            self.0.given_back.wait_for(&mut state, LOOK_UP);
            if let Err(cancelled) = control.check() {
                state.waiting.retain(|waiting| *waiting != own);
                self.0.given_back.notify_all();
                return Err(cancelled);
            }
        }
        state.waiting.pop_front();
        state.lent += bytes;
        // The next one may have room, too.
        self.0.given_back.notify_all();
        drop(state);
        Ok(Loan {
            memory: self.clone(),
            bytes,
        })
    }

    /// Borrows that many bytes if they are there now and nobody waits for any.
    pub(crate) fn try_borrow(&self, bytes: u64) -> Option<Loan> {
        let limit = self.0.limit.unwrap_or(u64::MAX);
        let mut state = self.lock();
        let is_free = state.waiting.is_empty() && limit - state.lent >= bytes;
        if self.caches().are_unwelcome() || !is_free {
            return None;
        }
        state.lent += bytes;
        drop(state);
        Some(Loan {
            memory: self.clone(),
            bytes,
        })
    }

    /// The caches that borrow from it.
    pub(crate) fn caches(&self) -> &Caches {
        &self.0.caches
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.memory.lock().lent -= self.bytes;
        self.memory.0.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::Memory;
    use crate::control::Control;
    use crate::control::cancel::CancelToken;
    use crate::error::Error;

    proptest! {
        #[test]
        fn never_more_is_lent_than_there_is(
            limit in 1..1000_u64,
            wishes in prop::collection::vec((any::<u64>(), any::<bool>()), 1..50),
        ) {
            let memory = Memory::new(Some(limit));
            let (mut loans, mut lent) = (Vec::new(), 0);
            for (wish, give_back) in wishes {
                if give_back {
                    lent -= loans.pop().map_or(0, |(bytes, _)| bytes);
                }
                // A wish that would have to wait is not for a single thread.
                let bytes = wish % (limit - lent + 1);
                loans.push((bytes, memory.borrow(bytes, &Control::default()).unwrap()));
                lent += bytes;
                assert_eq!(memory.lent(), lent);
            }
            drop(loans);
            assert_eq!(memory.lent(), 0);
        }
    }

    #[test]
    fn many_threads_stay_below_the_limit_and_all_get_their_turn() {
        let memory = Memory::new(Some(10));
        std::thread::scope(|scope| {
            for n in 0..50 {
                let memory = &memory;
                scope.spawn(move || {
                    let loan = memory.borrow(n % 10 + 1, &Control::default()).unwrap();
                    assert!(memory.lent() <= 10);
                    std::thread::yield_now();
                    drop(loan);
                });
            }
        });
        assert_eq!(memory.lent(), 0);
    }

    #[test]
    fn more_than_there_ever_is_is_an_error_at_once() {
        let error = Memory::new(Some(10)).borrow(11, &Control::default());
        assert!(matches!(
            error,
            Err(Error::InvalidInput {
                what: "memory_limit",
                ..
            })
        ));
        assert!(
            Memory::new(None)
                .borrow(u64::MAX, &Control::default())
                .is_ok()
        );
    }

    #[test]
    fn who_is_cancelled_while_waiting_leaves_the_queue() {
        let memory = Memory::new(Some(10));
        let held = memory.borrow(10, &Control::default()).unwrap();
        let token = CancelToken::new();
        std::thread::scope(|scope| {
            let control = Control::new(Some(&token));
            let memory = &memory;
            let waiting = scope.spawn(move || memory.borrow(1, &control).map(|_| ()));
            token.cancel();
            assert!(matches!(waiting.join().unwrap(), Err(Error::Cancelled)));
        });
        drop(held);
        memory.borrow(10, &Control::default()).unwrap();
    }
}
