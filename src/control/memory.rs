//! The memory that all transfers of one `B2Api` together may hold for content.
//!
//! A transfer borrows the size of a buffer before it allocates it, and returns it with the buffer.
//! Others wait in the order in which they asked. There is no deadlock, for two reasons: nobody
//! waits for memory while holding a worker's permit, and nobody waits for a second buffer while
//! holding one that is not being sent. So whoever holds memory can always finish without more of
//! it.
//!
//! Two kinds of holders need care. Caches hold memory that nobody needs; they never wait for it,
//! and return it as soon as a transfer waits (`caches`). Writers hold a buffer for as long as their
//! caller likes to take; they reserve room for it first ([`Reservation`]).
//!
//! | who wants memory | what it does |
//! | --- | --- |
//! | a part that is read into memory | waits for it, in order |
//! | a writer whose caller fills a buffer | reserves room when it is opened, so that its wait always ends |
//! | a cache | takes what is free, and never waits |
//! | a single part that exceeds the limit | fails with `InvalidInput`, because waiting would not help |

use std::sync::Arc;

use parking_lot::Mutex;

use crate::control::Control;
use crate::control::caches::Caches;
use crate::control::semaphore::Semaphore;
use crate::error::{Error, Result};

/// The memory limit of one `B2Api`. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    /// The limit in bytes; `None` for no limit.
    limit: Option<u64>,
    /// The bytes that are lent, and the queue of those who wait for some.
    bytes: Semaphore,
    /// The caches that borrow from this limit.
    caches: Arc<Caches>,
    /// The bytes that open writers have reserved. They are not lent.
    reserved: Arc<Mutex<u64>>,
}

/// Borrowed memory, returned when dropped.
///
/// It is kept beside the buffer that it stands for, so that both are dropped together.
#[derive(Debug)]
pub(crate) struct Loan {
    memory: Memory,
    bytes: u64,
}

/// Room for the buffer of an open writer, released when dropped.
///
/// A writer holds a buffer that its caller has not filled yet, and a program may write to several
/// writers in turn. If the buffers of all of them did not fit at the same time, the program would
/// wait for itself. So opening another writer fails instead, at a moment when that can be handled.
#[derive(Debug)]
pub(crate) struct Reservation {
    memory: Memory,
    bytes: u64,
}

impl Memory {
    /// Creates a limit in bytes, or no limit.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            bytes: Semaphore::new(limit.unwrap_or(u64::MAX)),
            caches: Arc::default(),
            reserved: Arc::default(),
        }
    }

    /// The limit in bytes; `None` for no limit.
    pub(crate) const fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// The number of bytes that are lent at the moment.
    pub(crate) fn lent(&self) -> u64 {
        self.bytes.taken()
    }

    /// Fails with `InvalidInput` if `bytes` exceeds the limit, because no waiting would help.
    pub(crate) fn check(&self, bytes: u64) -> Result<()> {
        match self.limit {
            Some(limit) if bytes > limit => {
                let reason = format!("{bytes} bytes are needed at once, and {limit} is the limit");
                Err(Error::invalid_input("memory_limit", reason))
            }
            _ => Ok(()),
        }
    }

    /// Borrows `bytes`, waiting for them if necessary. Caches are emptied first if it has to wait.
    ///
    /// Fails with `InvalidInput` if the limit is smaller, and with `Cancelled` if the call is
    /// cancelled.
    pub(crate) fn borrow(&self, bytes: u64, control: &Control) -> Result<Loan> {
        self.check(bytes)?;
        if !self.bytes.try_acquire(bytes) {
            let _waiting = self.caches.give_way();
            self.bytes.acquire(bytes, control.tokens())?;
        }
        Ok(self.lend(bytes))
    }

    /// Borrows `bytes` for a cache if they are free and no transfer waits for memory.
    pub(crate) fn try_borrow(&self, bytes: u64) -> Option<Loan> {
        let is_free = !self.caches.are_unwelcome() && self.bytes.try_acquire(bytes);
        is_free.then(|| self.lend(bytes))
    }

    /// Reserves room for a writer's buffer, without borrowing it. Fails with `InvalidInput` if the
    /// open writers leave too little room.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<Reservation> {
        let mut reserved = self.reserved.lock();
        let wanted = reserved.saturating_add(bytes);
        if let Some(limit) = self.limit.filter(|limit| wanted > *limit) {
            let reason = format!(
                "{bytes} bytes are needed for this writer, and those that are open need {reserved} of {limit}"
            );
            return Err(Error::invalid_input("memory_limit", reason));
        }
        *reserved = wanted;
        Ok(Reservation {
            memory: self.clone(),
            bytes,
        })
    }

    /// The caches that borrow from this limit.
    pub(crate) fn caches(&self) -> &Caches {
        &self.caches
    }

    /// The loan of bytes that were acquired before.
    fn lend(&self, bytes: u64) -> Loan {
        Loan {
            memory: self.clone(),
            bytes,
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        *self.memory.reserved.lock() -= self.bytes;
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.memory.bytes.release(self.bytes);
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
